package eventdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// search looks for the ids of a message among events kept before.
type search struct {
	m          *event.Message
	duplicates []bool
	ids        map[string]int // the first event with an id
	left       int            // ids not yet found
	probe      probe
	id         []byte
}

// maxKeptIDs is the size from which the room for ids is not kept for the next message.
const maxKeptIDs = 1000

func (s *search) begin(m *event.Message) {
	s.m, s.duplicates = m, make([]bool, len(m.Events))
	if s.ids == nil {
		s.ids = make(map[string]int, len(m.Events))
	}
}

// end forgets the message.
func (s *search) end() {
	s.m, s.duplicates = nil, nil
	if len(s.ids) > maxKeptIDs {
		s.ids = nil
	}
	clear(s.ids)
}

// duplicates reports which events of a message were kept before it or come
// before in it. writing is held.
func (db *DB) duplicates(m *event.Message) ([]bool, error) {
	s := &db.search
	s.begin(m)
	defer s.end()
	for i := range m.Events {
		id := m.Events[i].ID
		if id == "" {
			continue
		}
		if _, again := s.ids[id]; again {
			s.duplicates[i] = true
			continue
		}
		s.ids[id] = i
	}
	s.left = len(s.ids)
	if s.left == 0 {
		return s.duplicates, nil
	}
	if err := db.searchOpen(s); err != nil {
		return nil, err
	}
	oldest := clampNano(m.Received.Add(-Window))
	for i, p := range slices.Backward(db.parts) {
		if s.left == 0 {
			break
		}
		if p.damage != nil || p.sum.events == 0 || p.sum.first >= m.Sequence {
			continue
		}
		if p.sum.lastReceived < oldest {
			db.forget(p)
			continue
		}
		if err := db.searchPartition(s, p, i == len(db.parts)-1); err != nil {
			return nil, err
		}
	}
	return s.duplicates, nil
}

// searchOpen searches the open batch.
func (db *DB) searchOpen(s *search) error {
	list := db.open.postings[s.m.From.Device]
	if len(list) == 0 {
		return nil
	}
	p := db.parts[len(db.parts)-1]
	s.probe.fill(p.salt, s.ids)
	for i := range list {
		e := &list[i]
		if e.sequence >= s.m.Sequence || !s.probe.hits(e.hashes) {
			continue
		}
		for _, b := range db.open.blocks {
			if b.first != e.block {
				continue
			}
			if err := s.confirm(e, b.contents); err != nil {
				return damagedBlock(p, e.block, err)
			}
			break
		}
	}
	return nil
}

// searchPartition searches a file.
func (db *DB) searchPartition(s *search, p *partition, newest bool) error {
	conn, err := db.lookup(p, newest)
	if err != nil {
		return err
	}
	s.probe.fill(p.salt, s.ids)
	hits, err := db.candidates(s, p, conn)
	if err != nil {
		err = dbError(opAppend, p.path, err)
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			// The day cannot be searched; it must not stop the ones to come.
			db.damaged(p, err)
			return nil
		}
		return err
	}
	for i := range hits {
		e := &hits[i]
		c, err := db.recall.block(p, e.block, func(buf []byte) (contents, []byte, error) { return db.readBlock(conn, p, e.block, buf) })
		if err == nil {
			if err = s.confirm(e, c); err != nil {
				err = damagedBlock(p, e.block, err)
			}
		}
		switch {
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			// What the block held is lost: the event that comes again is kept.
			db.damaged(p, err)
		case err != nil:
			return err
		}
	}
	return nil
}

// candidates returns the messages of the device in a file of which an id has
// the hash of one that is looked for.
func (db *DB) candidates(s *search, p *partition, conn *sqlite.Conn) ([]posting, error) {
	stmt, err := conn.Prepare("SELECT first, list FROM posting WHERE device = ? AND first < ?")
	if err != nil {
		return nil, err
	}
	stmt.BindText(1, string(s.m.From.Device))
	stmt.BindInt64(2, int64(s.m.Sequence))
	var hits []posting
	for {
		ok, err := stmt.Step()
		if err != nil {
			_ = stmt.Reset() // it says the same error again
			return nil, err
		}
		if !ok {
			return hits, nil
		}
		first := uint64(stmt.ColumnInt64(0))
		db.recall.list = column(stmt, 1, db.recall.list)
		l := openList(first, db.recall.list)
		var e posting
		for l != nil && l.next(&e) {
			if e.sequence < s.m.Sequence && s.probe.hits(e.hashes) {
				e.hashes = nil // they are of the buffer
				hits = append(hits, e)
			}
		}
		if l == nil || l.r.bad {
			db.damaged(p, damagedList(p, s.m.From.Device, first))
		}
	}
}

// damaged counts damage that Append has met, and says it once for a file.
func (db *DB) damaged(p *partition, err error) {
	db.figures.corrupt.Add(1)
	if db.recall.said == nil {
		db.recall.said = make(map[*partition]bool)
	}
	if !db.recall.said[p] {
		db.recall.said[p] = true
		db.opt.Logger.Error("a file of events is damaged; events that were in it may be kept again when they are sent again", "file", p.path, "error", err)
	}
}

// confirm compares the ids of a message in a block with those looked for.
func (s *search) confirm(e *posting, c contents) error {
	cur := newCursor(e.block, c)
	for {
		ok, err := cur.next()
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("message %d is not in its block: %w", e.sequence, errMalformed)
		}
		if cur.sequence == e.sequence {
			break
		}
	}
	if s.m.Received.Sub(cur.at) > Window {
		return nil
	}
	var v view
	for {
		ok, err := cur.event(&v)
		if err != nil || !ok {
			return err
		}
		s.id = v.appendID(s.id[:0])
		if i, wanted := s.ids[string(s.id)]; wanted && !s.duplicates[i] {
			s.duplicates[i] = true
			s.left--
		}
	}
}

// probe is a set of hashes.
type probe struct {
	bits   [16]uint64
	hashes []uint32 // ascending
}

func (p *probe) fill(k salt, ids map[string]int) {
	p.bits = [16]uint64{}
	p.hashes = p.hashes[:0]
	for id := range ids {
		h := k.hash(id)
		p.hashes = append(p.hashes, h)
		p.bits[h>>28] |= 1 << (h >> 22 & 63)
	}
	slices.Sort(p.hashes)
}

// hits reports whether one of a list of hashes is in the set.
func (p *probe) hits(list []byte) bool {
	for ; len(list) >= hashBytes; list = list[hashBytes:] {
		h := binary.LittleEndian.Uint32(list)
		if p.bits[h>>28]&(1<<(h>>22&63)) == 0 {
			continue
		}
		if _, found := slices.BinarySearch(p.hashes, h); found {
			return true
		}
	}
	return false
}

// lookup returns the connection by which Append reads a file.
func (db *DB) lookup(p *partition, newest bool) (*sqlite.Conn, error) {
	if newest && db.writer != nil {
		return db.writer, nil
	}
	conn := db.lookups[p]
	if conn == nil {
		var err error
		if conn, err = openReader(p.path); err != nil {
			return nil, err
		}
		db.lookups[p] = conn
	}
	return conn, nil
}

// forget closes the connection of a file that is not searched any more.
func (db *DB) forget(p *partition) {
	if conn := db.lookups[p]; conn != nil {
		delete(db.lookups, p)
		if err := conn.Close(); err != nil {
			db.opt.Logger.Warn("a file of events was not closed in order", "file", p.path, "error", err)
		}
	}
}

// recall keeps the blocks that were read last to confirm duplicates: an agent
// that sends a message again sends its neighbours, too.
type recall struct {
	blocks []recalled // the one used last at the end
	list   []byte
	said   map[*partition]bool
}

type recalled struct {
	p     *partition
	first uint64
	c     contents
	buf   []byte
}

// recallBlocks bounds the blocks that are kept.
const recallBlocks = 8

func (r *recall) block(p *partition, first uint64, read func(buf []byte) (contents, []byte, error)) (contents, error) {
	for i := range r.blocks {
		if e := r.blocks[i]; e.p == p && e.first == first {
			r.blocks = append(slices.Delete(r.blocks, i, i+1), e)
			return e.c, nil
		}
	}
	var buf []byte
	if len(r.blocks) == recallBlocks {
		buf = r.blocks[0].buf
		r.blocks = slices.Delete(r.blocks, 0, 1)
	}
	c, buf, err := read(buf)
	if err != nil {
		return contents{}, err
	}
	r.blocks = append(r.blocks, recalled{p, first, c, buf})
	return c, nil
}

// drop forgets what is of a file that is removed.
func (r *recall) drop(p *partition) {
	r.blocks = slices.DeleteFunc(r.blocks, func(e recalled) bool { return e.p == p })
	delete(r.said, p)
}

// readBlock reads a block. Its messages are in the buffer that is returned.
func (db *DB) readBlock(conn *sqlite.Conn, p *partition, first uint64, buf []byte) (c contents, newBuf []byte, err error) {
	body, err := readBody(conn, first)
	if err != nil {
		return c, buf, dbError(opRead, p.path, err)
	}
	if body == nil {
		return c, buf, damagedBlock(p, first, errMissing)
	}
	db.figures.blocksRead.Add(1)
	c, err = db.packer.unpack(first, body, buf)
	if err != nil {
		return c, buf, damagedBlock(p, first, err)
	}
	return c, c.messages[:0], nil
}

// errMissing says that a block is not in its table.
var errMissing = errors.New("it is missing")

// readBody returns the stored form of a block, nil if there is none.
func readBody(conn *sqlite.Conn, first uint64) ([]byte, error) {
	stmt, err := conn.Prepare("SELECT data FROM body WHERE first = ?")
	if err != nil {
		return nil, err
	}
	stmt.BindInt64(1, int64(first))
	ok, done, err := firstRow(stmt)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, done()
	}
	body := column(stmt, 0, nil)
	return body, done()
}
