package securitydb

import (
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite/sqlitex"
)

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

// Checkpoint moves the log now.
func (s *Store) Checkpoint() error { return s.checkpoint() }

// Schema is the version that this package writes.
const Schema = 3

// ListQuery is a query that cuts out a page, with the index that it has to use.
type ListQuery struct{ Index, Query string }

// ListQueries are all of them that do not sort by design.
func ListQueries() []ListQuery {
	return []ListQuery{
		{"alert_device", byDevice},
		{"alert_owner", byOwner},
		{"alert_newest", byNewest},
		{"alert_type", byType},
		{"alert_status", byStatus},
		{"recommendation_type", adviceOfType},
		{"recommendation_state", adviceOfState},
		{"PRIMARY KEY (device=?)", adviceOfDevice},
		{"PRIMARY KEY ((device,type)>(?,?))", adviceOfAll},
	}
}

// Plan returns how SQLite would run a query.
func (s *Store) Plan(query string) (plan string, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	stmt, _, err := s.writer.PrepareTransient("EXPLAIN QUERY PLAN " + query)
	if err != nil {
		return "", err
	}
	for {
		ok, err := stmt.Step()
		if err != nil || !ok {
			return plan, errors.Join(err, stmt.Finalize())
		}
		plan += stmt.ColumnText(3) + "\n"
	}
}

// Seal gives bytes the format and the checksum that make them reach the
// decoder of a kind: 1 alert, 2 step, 3 recommendation, 4 device, 5 feed entry.
func Seal(kindNumber byte, a, b string, number uint64, format byte, fields []byte) []byte {
	k := key{kind(kindNumber), a, b, number}
	return k.seal(append([]byte{format}, fields...), 0)
}

// Recode decodes a value of a kind and encodes what it says once more.
func Recode(kindNumber byte, value []byte) ([]byte, error) {
	switch kind(kindNumber) {
	case kindAlert:
		v, err := decodeAlert("a", value)
		if err != nil {
			return nil, err
		}
		return appendAlert(nil, v), nil
	case kindStep:
		v, err := decodeStep("a", 1, value)
		return appendStep(nil, &v), err
	case kindRecommendation:
		v, err := decodeRecommendation("a", "b", value)
		if err != nil {
			return nil, err
		}
		return appendRecommendation(nil, v), nil
	case kindDevice:
		v, err := decodeDevice("a", value)
		if err != nil {
			return nil, err
		}
		return appendDevice(nil, v), nil
	default:
		v, err := decodeEntry(1, value)
		return appendEntry(nil, &v), err
	}
}
