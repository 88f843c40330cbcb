package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
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

// Pending returns how many identities a scan has to look for in memory.
func (s *Store) Pending() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.pending.size
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

// DirectoryFormat returns the format byte of a batch's first record.
func DirectoryFormat(records [][]byte) byte { return records[0][1] }

func DecodeRecord(b []byte) (write bool, change *state.Change, err error) {
	it, err := decodeItem(b)
	return it.write != nil, it.change, err
}

// Cache is a cache of twins alone.
type Cache struct{ c *cache }

func NewCache(bytes int64) Cache { return Cache{newCache(bytes)} }

// Miss looks up a twin that is not there and returns how to fill it in.
func (c Cache) Miss(id tvilling.Identity) (fill func(*state.Twin)) {
	k := key{kindTwin, id}
	f := c.c.get(k)
	if f.known {
		panic("the cache holds " + k.String())
	}
	return func(w *state.Twin) { c.c.fill(k, w, f.generation) }
}

// PutAndClean commits a twin and writes it back.
func (c Cache) PutAndClean(w *state.Twin) {
	k := key{kindTwin, w.ID}
	c.c.put(k, w, false, 1)
	if d, ok := c.c.take(k); !ok || !c.c.written(d) {
		panic("the record is not clean")
	}
}

// Evict lets a clean twin leave.
func (c Cache) Evict(id tvilling.Identity) {
	k := key{kindTwin, id}
	s := c.c.shard(k)
	s.removeClean(s.entries[k])
	delete(s.entries, k)
}

// Get returns a twin, nil if it is not there.
func (c Cache) Get(id tvilling.Identity) *state.Twin {
	w, _ := c.c.get(key{kindTwin, id}).rec.(*state.Twin)
	return w
}

// AwaitHistory returns when nothing is written to the files of the history
// but for who asks.
func (s *Store) AwaitHistory() { <-s.index.built }

// EncodeHistory returns a history file with a place for each hash.
func EncodeHistory(hashes []uint32) []byte {
	places := make([]place, len(hashes))
	for i, hash := range hashes {
		places[i] = place{hash: hash, record: uint32(i)}
	}
	return appendHistory(nil, historyHeader{first: 1, last: 9, size: 100, low: 3}, places)
}

// ResealHistory gives any bytes the length and the checksums of whole blocks.
func ResealHistory(data []byte) []byte {
	var out []byte
	for chunk := range slices.Chunk(data, historyBlock) {
		start := len(out)
		out = append(out, chunk[:min(len(chunk), historyBlock-checksumSize)]...)
		out = sealBlock(out, start)
	}
	return out
}

// FindHistory returns the records of a hash in a history file.
func FindHistory(data []byte, hash uint32) (records []uint32, err error) {
	h, err := openHistory(bytes.NewReader(data), int64(len(data)), historyHeader{first: 1, last: 9, size: 100})
	if err != nil {
		return nil, err
	}
	places, err := h.find(hash)
	for _, p := range places {
		records = append(records, p.record)
	}
	return records, err
}
