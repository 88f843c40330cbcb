//go:build linux

package collect

import (
	"cmp"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxArchived bounds the rotated files that are read after a restart.
const maxArchived = 16

// journalFollower follows the system's journal in one folder, from file to file.
type journalFollower struct {
	folder string
	f      *os.File
	id     fileID
	file   *journalFile
	words  wordings
	// position is what was read last; entries that are not behind it were read.
	position journalPosition
	tell     func(sighting)
	lost     func(n uint64, why string)
}

func (j *journalFollower) path() string { return filepath.Join(j.folder, "system.journal") }

// open opens the current file and goes to where reading begins: behind what was
// read before (in it or in another file), or, with from nil, to its end.
func (j *journalFollower) open(from *journalPosition) error {
	f, id, err := openTailed(j.path())
	if err != nil {
		return err
	}
	file, err := openJournal(f)
	if err != nil {
		f.Close()
		return err
	}
	j.close()
	j.f, j.id, j.file = f, id, file
	if from == nil {
		if err := file.skip(1<<64 - 1); err != nil {
			return err
		}
		j.position = journalPosition{file.sequenceID, file.tail(), file.tailMicros()}
		return nil
	}
	j.position = *from
	if file.sequenceID == from.SequenceID {
		return file.skip(from.Sequence)
	}
	return nil
}

// archived reads what is behind the position in files that were rotated away.
func (j *journalFollower) archived() error {
	entries, err := os.ReadDir(j.folder)
	if err != nil {
		return err
	}
	type old struct {
		f    *os.File
		file *journalFile
	}
	var files []old
	defer func() {
		for _, o := range files {
			o.f.Close()
		}
	}()
	// The names have the first sequence number, in hexadecimal digits, behind
	// the identity of the sequence: the newest are last.
	prefix := "system@" + j.position.SequenceID + "-"
	for _, e := range slices.Backward(entries) {
		if !strings.HasPrefix(e.Name(), prefix) || len(files) == maxArchived {
			continue
		}
		f, _, err := openTailed(filepath.Join(j.folder, e.Name()))
		if err != nil {
			return err
		}
		file, err := openJournal(f)
		if err != nil || file.sequenceID != j.position.SequenceID || file.tail() <= j.position.Sequence {
			f.Close()
			continue // damaged, or all of it was read
		}
		files = append(files, old{f, file})
	}
	slices.SortFunc(files, func(a, b old) int { return cmp.Compare(a.file.tail(), b.file.tail()) })
	for _, o := range files {
		if err := o.file.skip(j.position.Sequence); err != nil {
			return err
		}
		if err := j.read(o.file); err != nil {
			return err
		}
	}
	return nil
}

// drain reads what is new in the current file.
func (j *journalFollower) drain() error {
	if j.file == nil {
		return nil
	}
	return j.read(j.file)
}

func (j *journalFollower) read(file *journalFile) error {
	return file.follow(func(off uint64) {
		e, ok, err := file.look(off)
		if err != nil {
			j.lost(1, "journal entry damaged")
			return
		}
		micros := e.at.UnixMicro()
		if file.sequenceID != j.position.SequenceID && micros <= j.position.Micros {
			return // read before, in a file of another sequence
		}
		j.position = journalPosition{file.sequenceID, e.sequence, micros}
		if !ok || !e.trusted {
			return
		}
		if e.message == "" {
			if e.packed {
				j.lost(1, "journal entry packed")
			}
			return
		}
		s, ok := j.words.read(e.program, e.pid, e.message)
		if !ok {
			return
		}
		if s.at = e.at; s.at.After(time.Now()) {
			s.at = time.Now()
		}
		s.source = sourceJournal
		j.tell(s)
	})
}

// rotated goes over to the current file, if that is another one than before.
func (j *journalFollower) rotated() (bool, error) {
	st, err := os.Stat(j.path())
	if errors.Is(err, os.ErrNotExist) || (err == nil && j.f != nil && idOf(st) == j.id) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if j.f != nil {
		if err := j.drain(); err != nil {
			j.lost(1, "journal damaged")
		}
	}
	from := j.position
	if err := j.open(&from); err != nil {
		return false, err
	}
	return true, nil
}

func (j *journalFollower) close() {
	if j.f != nil {
		j.f.Close()
	}
	j.f, j.file = nil, nil
}

// tail is the sequence number of the last entry, as the header had it last.
func (j *journalFile) tail() uint64 { return binary.LittleEndian.Uint64(j.header[160:]) }

// tailMicros is that entry's time, in microseconds since 1970.
func (j *journalFile) tailMicros() int64 {
	return int64(binary.LittleEndian.Uint64(j.header[192:]) & (1<<62 - 1))
}
