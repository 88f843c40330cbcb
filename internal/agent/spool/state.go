package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
)

// The state file says how far each queue is done, and what was counted. It has
// two slots, which are written in turns, so that one is whole whatever happens.
// They are in different pages. All integers are little-endian.
//
//	slot  = magic[8] version:u32 turn:u64 class[Classes] crc:u32
//	class = done:u64 next:u64 collected:u64 dropped:u64[Reasons]
//
// Events with a sequence below done are done, next is that of the next event.
const (
	stateName   = "state"
	stateMagic  = "tvspstat"
	slotSpacing = 4096
	classSize   = 8 * (3 + int(Reasons))
	slotSize    = 8 + 4 + 8 + int(Classes)*classSize + 4
)

// state is what a slot has.
type state struct {
	turn    uint64 // 0: there is none
	classes [Classes]classState
}

type classState struct {
	done, next uint64
	count      Count
}

func appendState(dst []byte, st *state) []byte {
	start := len(dst)
	dst = append(dst, stateMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, formatVersion)
	dst = binary.LittleEndian.AppendUint64(dst, st.turn)
	for _, c := range st.classes {
		dst = binary.LittleEndian.AppendUint64(dst, c.done)
		dst = binary.LittleEndian.AppendUint64(dst, c.next)
		dst = binary.LittleEndian.AppendUint64(dst, c.count.Collected)
		for _, n := range c.count.Dropped {
			dst = binary.LittleEndian.AppendUint64(dst, n)
		}
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parseState decodes a slot, and reports whether it is one of this version.
func parseState(b []byte) (state, bool) {
	var st state
	if len(b) < slotSize || string(b[:8]) != stateMagic || binary.LittleEndian.Uint32(b[8:]) != formatVersion ||
		binary.LittleEndian.Uint32(b[slotSize-4:]) != crc32.Checksum(b[:slotSize-4], castagnoli) {
		return st, false
	}
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	st.turn = u64(12)
	for c := range st.classes {
		at := 20 + c*classSize
		cs := &st.classes[c]
		cs.done, cs.next, cs.count.Collected = u64(at), u64(at+8), u64(at+16)
		for r := range cs.count.Dropped {
			cs.count.Dropped[r] = u64(at + 24 + 8*r)
		}
		if cs.done > maxSequence || cs.next > maxSequence {
			return state{}, false
		}
	}
	return st, true
}

// readState returns the newer of the slots of a file; one of turn 0 if neither
// is whole.
func readState(f io.ReaderAt) (state, error) {
	var newest state
	var b [slotSize]byte
	for slot := range int64(2) {
		n, err := f.ReadAt(b[:], slot*slotSpacing)
		if err = transient(err); err != nil {
			return state{}, err
		}
		if st, ok := parseState(b[:n]); ok && st.turn > newest.turn {
			newest = st
		}
	}
	return newest, nil
}

// state returns what is to be written. s.mu is held.
func (s *Spool) state() state {
	st := state{turn: s.turn + 1}
	for c := range s.queues {
		q := &s.queues[c]
		st.classes[c] = classState{done: q.pos, next: q.next, count: s.counts[c]}
	}
	return st
}

// saveState makes durable how far the queues are done if that has changed, then
// removes files that are done. s.durable is held.
func (s *Spool) saveState() error {
	s.mu.Lock()
	d := s.disk
	if d == nil || !s.stateDirty && len(s.garbage) == 0 {
		s.mu.Unlock()
		return nil
	}
	st := s.state()
	names := s.garbage
	s.garbage, s.stateDirty = nil, false
	s.mu.Unlock()

	err := writeState(d, &st)
	if err == nil {
		err = s.syncDir(d)
	}
	if err == nil {
		names, err = removeAll(d, names)
		s.turn = st.turn
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.garbage = append(s.garbage, names...)
	if err != nil {
		s.stateDirty = true
		if s.trouble.err == nil { // else it is for Sync to say when to try again
			s.fail(err)
		}
		return s.unusable()
	}
	if len(names) == 0 {
		s.trouble.freed()
	}
	return nil
}

// writeState writes a slot, and syncs it.
func writeState(d disk, st *state) error {
	f, err := d.Open(stateName, true)
	made := errors.Is(err, fs.ErrNotExist)
	if made {
		f, err = d.Create(stateName)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt(appendState(nil, st), int64(st.turn%2)*slotSpacing)
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.Sync(stateName)
	}
	if err == nil && made {
		err = d.SyncDir()
	}
	return err
}

// removeAll removes files, and returns those that it could not.
func removeAll(d disk, names []string) (left []string, err error) {
	for _, name := range names {
		if e := d.Remove(name); e != nil && !errors.Is(e, fs.ErrNotExist) {
			left = append(left, name)
			err = e
		}
	}
	return left, err
}
