package eventdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Abandon ends a store as a crash does: what is in memory is lost.
func (db *DB) Abandon() error {
	db.writing.Lock()
	db.closed = true
	close(db.quit)
	db.writing.Unlock()
	db.running.Wait()
	db.mu.Lock()
	db.shut = true
	close(db.changed)
	db.mu.Unlock()
	return db.release()
}

// LimitPages lets the file that is written to have no more than some more
// pages than it has; a negative number takes the limit away.
func (db *DB) LimitPages(more int) error {
	db.writing.Lock()
	defer db.writing.Unlock()
	if more < 0 {
		return sqlitex.ExecuteTransient(db.writer, "PRAGMA max_page_count = 2147483647", nil)
	}
	n, err := queryInt(db.writer, "PRAGMA page_count")
	return errors.Join(err, sqlitex.ExecuteTransient(db.writer, fmt.Sprintf("PRAGMA max_page_count = %d", n+int64(more)), nil))
}

// Format is the version of the schema that this version writes.
const Format = 1

// The codecs, for tests of their own.
var (
	AppendLocal = appendLocal
	AppendGUID  = appendGUID
	ParseGUID   = parseGUID
)

// ReadLocal returns the text of a short form.
func ReadLocal(short []byte, utc time.Time) (string, bool) {
	r := reader{b: short}
	text := readLocal(&r, nil, utc)
	return string(text), !r.bad && len(r.b) == 0
}

// Contents returns those of a block with one message.
func Contents(m *event.Message) (messages, guids []byte) {
	var b builder
	b.add(m, make([]bool, len(m.Events)))
	return b.messages, b.guids
}

// Records reads the events of a block.
func Records(first uint64, messages, guids []byte) ([]*event.Record, error) {
	r := &reading{high: math.MaxInt64, want: wantedOf(nil, "")}
	err := r.collect(first, contents{messages, guids})
	return r.records, err
}

// Body returns the stored form of a block with one message.
func Body(first uint64, m *event.Message) []byte {
	messages, guids := Contents(m)
	return packing.pack(nil, first, contents{messages, guids})
}

// Resealed returns a body with the checksum that it should have.
func Resealed(first uint64, body []byte) []byte {
	if len(body) < bodyHead {
		return body
	}
	b := bytes.Clone(body)
	binary.LittleEndian.PutUint32(b[1:], checksum(first, b[bodyHead:]))
	return b
}

// Unpack reads a body.
func Unpack(first uint64, body []byte) error {
	c, err := packing.unpack(first, body, nil)
	if err == nil {
		_, err = Records(first, c.messages, c.guids)
	}
	return err
}

var packing = func() *packer {
	p, err := newPacker()
	if err != nil {
		panic(err)
	}
	return p
}()
