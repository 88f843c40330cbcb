package sqlite

import (
	"errors"
	"fmt"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Abandon leaves the store as the end of its process would: nothing is
// written back and only what the operating system closes is closed.
func (s *Store) Abandon() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	close(s.quit)
	s.running.Wait()
	return s.release()
}

// WriteBack runs one round now.
func (s *Store) WriteBack() error {
	_, err := s.round(nil)
	return err
}

// Retain drops history now.
func (s *Store) Retain(o Options) error {
	s.opt.HistoryAge, s.opt.HistoryBytes = o.HistoryAge, o.HistoryBytes
	return errors.Join(s.log.Rotate(), s.retain(time.Now()))
}

// LimitPages makes the database full at a number of pages; 0 lifts the limit.
func (s *Store) LimitPages(n int) error {
	if n == 0 {
		n = 1 << 30
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return sqlitex.ExecuteTransient(s.writer, fmt.Sprintf("PRAGMA max_page_count = %d", n), nil)
}

// Pages returns the number of pages of the database.
func (s *Store) Pages() (int64, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	return queryInt(s.writer, "PRAGMA page_count")
}

// Names of what the tests look into.
type Keyset = keyset

func (s *keyset) Add(id tvilling.Identity)      { s.add(id) }
func (s *keyset) Remove(id tvilling.Identity)   { s.remove(id) }
func (s *keyset) Has(id tvilling.Identity) bool { return s.has(id) }
func (s *keyset) Size() int                     { return s.size }

func (s *keyset) After(id tvilling.Identity, visit func(tvilling.Identity) bool) { s.after(id, visit) }

// EncodeValue and DecodeValue are the stored form of a record.
func EncodeValue(kindNumber uint8, id tvilling.Identity, rec any) []byte {
	return appendValue(nil, key{kind(kindNumber), id}, rec)
}

func DecodeValue(kindNumber uint8, id tvilling.Identity, value []byte) (any, error) {
	return decodeValue(key{kind(kindNumber), id}, value)
}

// SealFormat gives any bytes the format and the checksum that make them reach
// the decoder.
func SealFormat(kindNumber uint8, id tvilling.Identity, format byte, fields []byte) []byte {
	k := key{kind(kindNumber), id}
	b := append([]byte{format}, fields...)
	return appendChecksum(b, checksum(k, b))
}

// EncodeBatch and DecodeRecord are the journal's form.
func EncodeBatch(b *state.Batch) ([][]byte, error) {
	writes, err := reduce(b.Writes)
	records, _ := payloads(nil, directory{time: 1}, writes, b.Changes)
	return records, err
}

func DecodeRecord(b []byte) (write bool, change *state.Change, err error) {
	it, err := decodeItem(b)
	return it.write != nil, it.change, err
}
