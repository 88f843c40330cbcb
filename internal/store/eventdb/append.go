package eventdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// Append keeps the events of a message and reports which of them are
// duplicates: events with the id of one of the same device that was kept from
// an earlier message, received at most [Window] before this one, or that comes
// before it in this message. Duplicates are not kept again. An event without
// an id is never a duplicate. What the message says could not be read is kept
// as dead letters.
//
// Queries see the events when it returns; they are durable when [DB.Durable]
// says so. Messages come in ascending sequence from one caller. Of a message
// with a sequence that it had before, up to Durable or later, nothing is kept
// again, and duplicates are reported as they were then.
//
// Code Unavailable means that the disk takes no more and as much waits in
// memory as may; nothing of the message was kept, and a later call may succeed.
func (db *DB) Append(ctx context.Context, m *event.Message) (duplicates []bool, err error) {
	if ctx.Err() != nil {
		return nil, givenUp(ctx, opAppend)
	}
	if n := messageSize(m); n > maxMessageBytes {
		return nil, &tvilling.Error{
			Code: tvilling.TooLarge, Op: opAppend, Subject: fmt.Sprintf("message %d", m.Sequence),
			Message: fmt.Sprintf("The events of a message take %d bytes; at most %d are kept.", n, maxMessageBytes),
		}
	}
	db.writing.Lock()
	defer db.writing.Unlock()
	if db.closed {
		return nil, errClosed(opAppend)
	}
	duplicates, err = db.duplicates(m)
	if err != nil {
		return nil, err
	}
	if m.Sequence <= db.position {
		return duplicates, nil
	}
	if err := db.room(m); err != nil {
		return nil, err
	}
	letters, err := db.letters(m)
	if err != nil {
		return nil, err
	}
	db.add(m, duplicates, letters)
	if db.open.bytes >= db.opt.FlushBytes && db.mayTry() {
		// The message is taken: that the disk takes no more just now is not
		// its failure. It is logged, and room refuses later ones.
		_ = db.tryFlush()
	}
	return duplicates, nil
}

// messageSize returns at least what a message takes in a block.
func messageSize(m *event.Message) int {
	n := len(m.AgentID) + len(m.AgentVersion) + len(m.From.Device) + len(m.From.Module)
	for i := range m.Events {
		e := &m.Events[i]
		n += 64 + len(e.ID) + len(e.Name) + len(e.Local) + len(e.Type) + len(e.Category) + len(e.Payload)
	}
	return n
}

// room makes sure that there is a partition for a message and room in the
// open batch.
func (db *DB) room(m *event.Message) error {
	if db.current(m.Received) && db.open.bytes < db.opt.OpenBytes {
		return nil
	}
	if !db.mayTry() && db.open.bytes >= db.opt.OpenBytes {
		return db.full()
	}
	if err := db.flushNow(); err != nil {
		return err
	}
	if db.current(m.Received) {
		return nil
	}
	return db.rotate(dayOf(m.Received))
}

func (db *DB) full() error {
	return &tvilling.Error{
		Code: tvilling.Unavailable, Op: opAppend, Subject: db.opt.Dir,
		Message: fmt.Sprintf("Events could not be written to disk a moment ago and %d bytes of them wait in memory, which is all that may; free space.", db.open.bytes),
	}
}

// current reports whether messages received at a time go to the newest
// partition. A clock that goes back a little does not make another one.
func (db *DB) current(received time.Time) bool {
	if db.writer == nil {
		return false
	}
	p := db.parts[len(db.parts)-1]
	day := dayOf(received)
	return !day.After(p.day) && !day.Before(p.day.AddDate(0, 0, -1))
}

// add puts a message into the open batch.
func (db *DB) add(m *event.Message, duplicates []bool, letters []event.DeadLetter) {
	p := db.parts[len(db.parts)-1]
	db.mu.Lock()
	defer db.mu.Unlock()
	b := db.open
	if b.from == 0 {
		b.from, b.since = m.Sequence, time.Now()
		b.firstReceived, b.lastReceived = m.Received, m.Received
		select {
		case db.wake <- struct{}{}:
		default:
		}
	}
	if m.Received.Before(b.firstReceived) {
		b.firstReceived = m.Received
	}
	if m.Received.After(b.lastReceived) {
		b.lastReceived = m.Received
	}
	fresh := 0
	for _, d := range duplicates {
		if !d {
			fresh++
		}
	}
	if fresh > 0 {
		block := b.builder(db.opt.BlockBytes)
		before := block.size()
		entry := block.add(m, duplicates)
		entry.hashes = make([]byte, 0, fresh*hashBytes)
		for i := range m.Events {
			if !duplicates[i] {
				entry.hashes = binary.LittleEndian.AppendUint32(entry.hashes, p.salt.hash(m.Events[i].ID))
			}
		}
		b.postings[m.From.Device] = append(b.postings[m.From.Device], entry)
		b.bytes += block.size() - before
		b.events += int64(fresh)
	}
	for i := range letters {
		l := &letters[i]
		// The texts may share one copy of the whole message.
		l.Raw, l.Path, l.Reason = bytes.Clone(l.Raw), strings.Clone(l.Path), strings.Clone(l.Reason)
		size := letterSize(l)
		b.bytes += size
		b.letterBytes += int64(size)
		b.letters = append(b.letters, *l)
	}
	db.position = m.Sequence
	db.figures.added(len(duplicates), fresh, len(letters))
	db.announce()
}
