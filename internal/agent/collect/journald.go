package collect

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// The format of systemd's journal files (systemd JOURNAL_FILE_FORMAT). Numbers
// are little-endian, offsets are from the file's beginning. The header says
// where the first array of entries is; each array says where the next is, and
// each entry where its fields ("data objects") are.
const (
	journalHeader  = 208 // as much as every version has
	journalSigned  = "LPKSHHRH"
	journalCompact = 1 << 4 // a flag: offsets in entries and arrays have 32 bits
	// Flags that say how data may be packed (xz, lz4, zstd), or hashed.
	journalKnown = 1<<0 | 1<<1 | 1<<2 | 1<<3 | journalCompact

	objectHeader = 16
	objectData   = 1
	objectEntry  = 3
	objectArray  = 6
	objectPacked = 1<<0 | 1<<1 | 1<<2 // flags of a data object

	dataHeader        = 64
	dataHeaderCompact = 72
	entryHeader       = 64
	arrayHeader       = 24

	// maxJournalFields bounds the fields of an entry, maxJournalMessage the
	// length of a field that is read. journald packs what is longer than 512.
	maxJournalFields  = 256
	maxJournalMessage = 2 << 10
)

var errJournal = errors.New("damaged journal file")

// journalFile reads the entries of a journal file in their order, while another
// process adds to it. Nothing it reads from there is trusted.
type journalFile struct {
	r          io.ReaderAt
	compact    bool
	sequenceID string
	// array is the array in which the next entry is, index its place there,
	// next its number in the file.
	array, index, next uint64
	sequence           uint64 // of the last entry that was read
	header             [journalHeader]byte
	entry              [entryHeader + 16*maxJournalFields]byte
	field              [dataHeaderCompact + maxJournalMessage]byte
	known              [512]knownField
}

// openJournal reads the header of a journal file.
func openJournal(r io.ReaderAt) (*journalFile, error) {
	j := &journalFile{r: r}
	if _, err := j.entries(); err != nil {
		return nil, err
	}
	if string(j.header[:8]) != journalSigned {
		return nil, fmt.Errorf("%w: it begins with %q", errJournal, j.header[:8])
	}
	flags := binary.LittleEndian.Uint32(j.header[12:])
	if flags&^uint32(journalKnown) != 0 {
		return nil, fmt.Errorf("journal file of a newer format (flags %#x)", flags)
	}
	j.compact = flags&journalCompact != 0
	j.sequenceID = hex.EncodeToString(j.header[72:88])
	j.array = binary.LittleEndian.Uint64(j.header[176:])
	return j, nil
}

// entries reads the header again and returns how many entries there are.
func (j *journalFile) entries() (uint64, error) {
	if err := j.read(j.header[:], 0); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(j.header[152:]), nil
}

func (j *journalFile) read(b []byte, off uint64) error {
	if off > 1<<62 {
		return errJournal
	}
	n, err := j.r.ReadAt(b, int64(off))
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it ends too early", errJournal)
	}
	return err
}

// arrayAt returns the capacity of the array at off and the array behind it.
func (j *journalFile) arrayAt(off uint64) (capacity, next uint64, err error) {
	var b [arrayHeader]byte
	if err := j.read(b[:], off); err != nil {
		return 0, 0, err
	}
	size := binary.LittleEndian.Uint64(b[8:])
	next = binary.LittleEndian.Uint64(b[16:])
	// Arrays are added at the end of the file: one that is not behind this would
	// make a circle.
	if b[0] != objectArray || size < arrayHeader || size > 1<<32 || (next != 0 && next <= off) {
		return 0, 0, fmt.Errorf("%w: no array at %d", errJournal, off)
	}
	return (size - arrayHeader) / j.width(), next, nil
}

func (j *journalFile) width() uint64 {
	if j.compact {
		return 4
	}
	return 8
}

// item returns the offset at place i of the array, 0 if it is not written yet.
func (j *journalFile) item(array, i uint64) (uint64, error) {
	var b [8]byte
	w := j.width()
	if err := j.read(b[:w], array+arrayHeader+i*w); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// skip goes from the beginning of the file to the first entry with a sequence
// number above last. It reads one entry of each array, and searches one.
func (j *journalFile) skip(last uint64) error {
	count, err := j.entries()
	if err != nil {
		return err
	}
	for j.next < count && j.array != 0 {
		capacity, next, err := j.arrayAt(j.array)
		if err != nil {
			return err
		}
		filled := min(capacity, count-j.next)
		low, high := uint64(0), filled // the first that is behind is in [low, high]
		for low < high {
			// The last of the array first: most arrays are skipped as a whole.
			mid := low + (high-low)/2
			if high == filled && low == 0 {
				mid = filled - 1
			}
			seq, err := j.sequenceAt(j.array, mid)
			if err != nil {
				return err
			}
			if seq <= last {
				low = mid + 1
			} else {
				high = mid
			}
		}
		j.next += low
		if j.index = low; low < capacity || next == 0 {
			return nil
		}
		j.array, j.index = next, 0
	}
	return nil
}

func (j *journalFile) sequenceAt(array, i uint64) (uint64, error) {
	off, err := j.item(array, i)
	if err != nil {
		return 0, err
	}
	var b [24]byte
	if err := j.read(b[:], off); err != nil {
		return 0, err
	}
	if b[0] != objectEntry {
		return 0, fmt.Errorf("%w: no entry at %d", errJournal, off)
	}
	return binary.LittleEndian.Uint64(b[16:]), nil
}

// follow calls handle with the offset of each entry that is new.
func (j *journalFile) follow(handle func(off uint64)) error {
	count, err := j.entries()
	if err != nil {
		return err
	}
	if j.array == 0 { // the file was empty
		j.array = binary.LittleEndian.Uint64(j.header[176:])
	}
	for j.next < count && j.array != 0 {
		capacity, next, err := j.arrayAt(j.array)
		if err != nil {
			return err
		}
		if j.index >= capacity {
			if next == 0 {
				return nil // not written yet
			}
			j.array, j.index = next, 0
			continue
		}
		off, err := j.item(j.array, j.index)
		if err != nil {
			return err
		}
		if off == 0 {
			return nil // not written yet
		}
		handle(off)
		j.index++
		j.next++
	}
	return nil
}

// data reads the field at off as far as it is kept, with its flags.
func (j *journalFile) data(off uint64) (payload []byte, packed, cut bool, err error) {
	header := uint64(dataHeader)
	if j.compact {
		header = dataHeaderCompact
	}
	// Most fields are short: one read does for them.
	b := j.field[:header+96]
	n, err := j.r.ReadAt(b, int64(min(off, 1<<62)))
	if n < int(header) {
		if err == nil || errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: no field at %d", errJournal, off)
		}
		return nil, false, false, err
	}
	size := binary.LittleEndian.Uint64(b[8:])
	if b[0] != objectData || size < header {
		return nil, false, false, fmt.Errorf("%w: no field at %d", errJournal, off)
	}
	packed = b[1]&objectPacked != 0
	want := min(size, uint64(len(j.field)))
	if want > uint64(n) {
		if !bytes.HasPrefix(b[header:n], []byte("MESSAGE=")) {
			return b[header:n], packed, true, nil
		}
		if err := j.read(j.field[n:want], off+uint64(n)); err != nil {
			return nil, false, false, err
		}
	}
	return j.field[header:want], packed, want < size, nil
}
