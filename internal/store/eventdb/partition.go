package eventdb

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// partition is the file of a day. There is a second one of a day, with a
// number, when the clock went back or the first was damaged.
type partition struct {
	path   string
	day    time.Time
	number int
	salt   salt
	// sum is what the file holds; guarded by the DB's mu.
	sum summary
	// damage is why the file cannot be used at all; nil for a good one.
	damage error

	// gate is held for reading while a file is read, and for writing to remove
	// it. It guards gone.
	gate sync.RWMutex
	gone bool
}

// summary is the row of the table of that name.
type summary struct {
	first, position               uint64
	firstReceived, lastReceived   int64
	oldest, newest                int64
	blocks, events                int64
	letters, letterBytes, letterX int64 // letterX: not kept
}

// emptySummary is that of a file made after the message at position.
func emptySummary(position uint64) summary {
	return summary{
		first: position + 1, position: position,
		firstReceived: math.MaxInt64, lastReceived: math.MinInt64, oldest: math.MaxInt64, newest: math.MinInt64,
	}
}

const dayFormat = "2006-01-02"

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

func partitionPath(dir string, day time.Time, number int) string {
	name := day.Format(dayFormat)
	if number > 0 {
		name += "." + strconv.Itoa(number)
	}
	return filepath.Join(dir, name+".db")
}

// parsePartition returns the partition of a path; false if it has not the
// name of one.
func parsePartition(path string) (*partition, bool) {
	name, ok := strings.CutSuffix(filepath.Base(path), ".db")
	if !ok {
		return nil, false
	}
	date, number, numbered := strings.Cut(name, ".")
	day, err := time.Parse(dayFormat, date)
	if err != nil {
		return nil, false
	}
	p := &partition{path: path, day: day}
	if numbered {
		if p.number, err = strconv.Atoi(number); err != nil || p.number < 1 {
			return nil, false
		}
	}
	return p, partitionPath(filepath.Dir(path), day, p.number) == path
}

// makePartition makes the file of a day for the messages after a position.
func makePartition(dir string, day time.Time, position uint64, key salt) (*partition, *sqlite.Conn, error) {
	p := &partition{day: day, salt: key, sum: emptySummary(position)}
	for {
		p.path = partitionPath(dir, day, p.number)
		_, err := os.Lstat(p.path)
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, nil, cannotUse(dir, err)
		}
		p.number++
	}
	conn, err := openWriter(p.path)
	if err == nil {
		if err = p.insertSummary(conn); err == nil {
			return p, conn, nil
		}
		err = errors.Join(dbError(opOpen, p.path, err), conn.Close())
	}
	return nil, nil, errors.Join(err, p.remove())
}

func newSalt() salt {
	var key [16]byte
	_, _ = rand.Read(key[:]) // it cannot fail
	s, _ := saltOf(key[:])
	return s
}

func (p *partition) insertSummary(conn *sqlite.Conn) error {
	err := sqlitex.Execute(conn, "INSERT OR REPLACE INTO summary VALUES (1, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
		&sqlitex.ExecOptions{Args: []any{p.salt.bytes()}})
	if err != nil {
		return err
	}
	return putSummary(conn, p.salt, p.sum)
}

// values are those of the columns of a summary, in their order.
func (s *summary) values() []int64 {
	return []int64{
		int64(s.first), int64(s.position), s.firstReceived, s.lastReceived, s.oldest, s.newest,
		s.blocks, s.events, s.letters, s.letterBytes, s.letterX,
	}
}

func (s *summary) checksum(k salt) uint32 {
	b := k.bytes()
	for _, v := range s.values() {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return checksum(s.first, b)
}

func putSummary(conn *sqlite.Conn, k salt, s summary) error {
	stmt, err := conn.Prepare("UPDATE summary SET first = ?, position = ?, first_received = ?, last_received = ?, oldest = ?, newest = ?," +
		" blocks = ?, events = ?, letters = ?, letter_bytes = ?, shed = ?, checksum = ?")
	if err != nil {
		return err
	}
	for i, v := range append(s.values(), int64(s.checksum(k))) {
		stmt.BindInt64(i+1, v)
	}
	_, err = stmt.Step()
	return err
}

// load reads the summary of a file; good is false if it is damaged.
func (p *partition) load(conn *sqlite.Conn) (good bool, err error) {
	err = sqlitex.ExecuteTransient(conn, "SELECT salt, first, position, first_received, last_received, oldest, newest,"+
		" blocks, events, letters, letter_bytes, shed, checksum FROM summary", &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
		p.salt, good = saltOf(column(stmt, 0, nil))
		v := stmt.ColumnInt64
		p.sum = summary{uint64(v(1)), uint64(v(2)), v(3), v(4), v(5), v(6), v(7), v(8), v(9), v(10), v(11)}
		good = good && v(12) == int64(p.sum.checksum(p.salt))
		return nil
	}})
	if err != nil {
		return false, dbError(opOpen, p.path, err)
	}
	return good, nil
}

// rebuild makes the summary anew from what the file holds. The salt is lost:
// events of the day are not known again when they are sent again.
func (p *partition) rebuild(conn *sqlite.Conn) error {
	p.salt, p.sum = newSalt(), emptySummary(0)
	start, end := p.day.UnixNano(), p.day.AddDate(0, 0, 1).UnixNano()-1
	query := func(q string, f func(v func(int) int64)) error {
		return sqlitex.ExecuteTransient(conn, q, &sqlitex.ExecOptions{ResultFunc: func(stmt *sqlite.Stmt) error {
			f(stmt.ColumnInt64)
			return nil
		}})
	}
	last := int64(0)
	err := query("SELECT count(*), min(first), max(last), min(oldest), max(newest) FROM block", func(v func(int) int64) {
		if p.sum.blocks = v(0); v(0) > 0 {
			// How many events it is does not matter, but that there are some.
			p.sum.events, p.sum.first, last, p.sum.oldest, p.sum.newest = v(0), uint64(v(1)), v(2), v(3), v(4)
		}
	})
	if err == nil {
		err = query("SELECT count(*), min(sequence), max(sequence), sum(length(raw)) FROM letter", func(v func(int) int64) {
			if p.sum.letters = v(0); v(0) > 0 {
				p.sum.first, last, p.sum.letterBytes = min(p.sum.first, uint64(v(1))), max(last, v(2)), v(3)
			}
		})
	}
	if err == nil {
		err = query("SELECT sum(shed) FROM letter_count", func(v func(int) int64) { p.sum.letterX = v(0) })
	}
	p.sum.position, p.sum.firstReceived, p.sum.lastReceived = uint64(last), start, end
	if err == nil {
		err = p.insertSummary(conn)
	}
	if err != nil {
		return dbError(opOpen, p.path, err)
	}
	return nil
}

// sideFiles are the endings of the files of a partition.
var sideFiles = [...]string{"", "-wal", "-shm"}

// size returns the bytes that the files of a partition take.
func (p *partition) size() int64 {
	var n int64
	for _, end := range sideFiles {
		if info, err := os.Stat(p.path + end); err == nil {
			n += info.Size()
		}
	}
	return n
}

// remove deletes the files of a partition, the main one last: what a crash
// leaves is still found.
func (p *partition) remove() error {
	var errs []error
	for _, end := range slices.Backward(sideFiles[:]) {
		if err := os.Remove(p.path + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// drop removes a partition for good, when those that read it have ended.
func (p *partition) drop(l *pool) error {
	p.gate.Lock()
	defer p.gate.Unlock()
	if err := errors.Join(l.forget(p), p.remove()); err != nil {
		return err
	}
	p.gone = true
	return nil
}
