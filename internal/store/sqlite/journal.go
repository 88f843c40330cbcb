package sqlite

import (
	"encoding/binary"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// A batch is one append to the journal: a directory, then its writes, then
// its changes, each a record of the log of its own.
//
//	directory = 'D' format:u8 time head last changes writes { kind key }
//	put       = 'P' index kind key value                     value as in value.go
//	delete    = 'X' index kind key
//	change    = 'C' index sequence time op id actor version desired reported body
//	caused    = 'K' index …as a change… cause
//
// The format of a directory is 2 if a change of the batch has a cause, else 1:
// a hub that keeps none can go back to the version before, which refuses what
// it would not understand.
//
// The index is the record's distance from its directory. Keys are there twice
// so that no single damage costs more than one record, and so that the name of
// a lost one is known: a lost write is looked up in the directory, a lost
// directory is not needed as long as its writes can be read.
const (
	tagDirectory = 'D'
	tagPut       = 'P'
	tagDelete    = 'X'
	tagChange    = 'C'
	tagCaused    = 'K'

	journalFirst  = 1
	journalCaused = 2
)

// write is one record as a batch leaves it; rec is nil when it is deleted.
type write struct {
	key key
	rec any
}

// directory is the first record of a batch.
type directory struct {
	// time is when the batch was committed, in Unix nanoseconds.
	time int64
	// head is the sequence of the newest change before the batch, last that
	// of the newest one in it, or head if it has none.
	head, last uint64
	// changes is how many changes it has, keys are those of its writes.
	changes uint64
	keys    []key
}

// end returns the last record of the batch whose directory is record start.
func (d *directory) end(start uint64) uint64 { return start + uint64(len(d.keys)) + d.changes }

// item is a decoded record of the journal: one of its members is set.
type item struct {
	directory *directory
	write     *write
	change    *state.Change
	// index is 0 for a directory.
	index uint64
}

func appendKey(b []byte, k key) []byte {
	b = append(b, byte(k.kind))
	b = appendString(b, k.id.Device)
	return appendString(b, k.id.Module)
}

func (r *reader) key() key {
	k := key{kind: kind(r.byte())}
	k.id.Device = tvilling.DeviceID(r.string())
	k.id.Module = tvilling.ModuleID(r.string())
	if k.kind < kindIdentity || k.kind > kindCounters {
		r.fail()
	}
	return k
}

// payloads returns the records of a batch; time, head and last of d are used.
// They lie in a buffer that dst has grown into.
func payloads(dst []byte, d directory, writes []write, changes []state.Change) (out [][]byte, buf []byte) {
	ends := make([]int, 0, 1+len(writes)+len(changes))
	size := 64
	for _, w := range writes {
		size += int(sizeOf(w.key, w.rec))
	}
	for i := range changes {
		size += 160 + len(changes[i].Body) + len(changes[i].Cause)
	}
	format := byte(journalFirst)
	if slices.ContainsFunc(changes, func(c state.Change) bool { return c.Cause != "" }) {
		format = journalCaused
	}
	b := append(slices.Grow(dst, size), tagDirectory, format)
	b = binary.AppendVarint(b, d.time)
	b = binary.AppendUvarint(b, d.head)
	b = binary.AppendUvarint(b, d.last)
	b = binary.AppendUvarint(b, uint64(len(changes)))
	b = binary.AppendUvarint(b, uint64(len(writes)))
	for _, w := range writes {
		b = appendKey(b, w.key)
	}
	ends = append(ends, len(b))
	index := uint64(0)
	for _, w := range writes {
		index++
		tag := byte(tagPut)
		if w.rec == nil {
			tag = tagDelete
		}
		b = binary.AppendUvarint(append(b, tag), index)
		b = appendKey(b, w.key)
		if w.rec != nil {
			b = appendValue(b, w.key, w.rec)
		}
		ends = append(ends, len(b))
	}
	for i := range changes {
		index++
		b = appendChange(b, index, &changes[i])
		ends = append(ends, len(b))
	}
	out = make([][]byte, len(ends))
	start := 0
	for i, end := range ends {
		out[i] = b[start:end:end]
		start = end
	}
	return out, b
}

func appendChange(b []byte, index uint64, c *state.Change) []byte {
	tag := byte(tagChange)
	if c.Cause != "" {
		tag = tagCaused
	}
	b = binary.AppendUvarint(append(b, tag), index)
	b = binary.AppendUvarint(b, c.Sequence)
	b = appendTime(b, c.Time)
	b = appendString(b, c.Op)
	b = appendString(b, c.ID.Device)
	b = appendString(b, c.ID.Module)
	b = appendString(b, c.Actor)
	b = binary.AppendVarint(b, c.Version)
	b = binary.AppendVarint(b, c.Desired)
	b = binary.AppendVarint(b, c.Reported)
	b = appendString(b, c.Body)
	if c.Cause != "" {
		b = appendString(b, c.Cause)
	}
	return b
}

// decodeItem decodes one record of the journal; it shares memory with b. An
// error of code Unsupported means a newer format, any other one damage.
func decodeItem(b []byte) (item, error) {
	r := &reader{b: b}
	switch tag := r.byte(); tag {
	case tagDirectory:
		return decodeDirectory(r)
	case tagPut, tagDelete:
		it := item{index: r.uvarint(), write: &write{key: r.key()}}
		if r.err != nil || tag == tagDelete {
			return it, r.end()
		}
		var err error
		it.write.rec, err = decodeValue(it.write.key, r.b)
		return it, err
	case tagChange, tagCaused:
		it := item{index: r.uvarint()}
		it.change = decodeChange(r)
		if tag == tagCaused {
			it.change.Cause = r.string()
		}
		return it, r.end()
	default:
		return item{}, errMalformed
	}
}

func decodeDirectory(r *reader) (item, error) {
	d, err := decodeDirectoryHead(r)
	if err != nil {
		return item{}, err
	}
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		return item{}, errMalformed
	}
	d.keys = make([]key, 0, n)
	for range n {
		d.keys = append(d.keys, r.key())
	}
	return item{directory: d}, r.end()
}

// decodeDirectoryHead decodes a directory up to its keys.
func decodeDirectoryHead(r *reader) (*directory, error) {
	if format := r.byte(); r.err == nil && format != journalFirst && format != journalCaused {
		return nil, tvilling.Errorf(tvilling.Unsupported,
			"The journal was written by a newer version of Tvilling (format %d; this version reads up to %d); use that version.", format, journalCaused)
	}
	return &directory{time: r.varint(), head: r.uvarint(), last: r.uvarint(), changes: r.uvarint()}, r.err
}

func decodeChange(r *reader) *state.Change {
	c := &state.Change{Sequence: r.uvarint(), Time: r.time()}
	c.Op = state.Op(r.string())
	c.ID.Device = tvilling.DeviceID(r.string())
	c.ID.Module = tvilling.ModuleID(r.string())
	c.Actor = r.string()
	c.Version, c.Desired, c.Reported = r.varint(), r.varint(), r.varint()
	c.Body = r.bytes()
	return c
}
