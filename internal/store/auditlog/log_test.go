package auditlog_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/hub/audit"
	"github.com/tvilling/tvilling/internal/store/auditlog"
)

func open(t *testing.T, dir string, most int64) *auditlog.Log {
	t.Helper()
	l, err := auditlog.Open(auditlog.Options{Dir: dir, MaxBytes: most})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func entries(n int, from uint64) []audit.Entry {
	list := make([]audit.Entry, n)
	for i := range list {
		at := from + uint64(i)
		list[i] = audit.Entry{
			Time: time.Unix(int64(at), 0).UTC(), Actor: "user:anna", Action: "device.create", Subject: fmt.Sprint("d", at),
			Detail: json.RawMessage(`{"a":1}`), Source: "hub", Number: at,
		}
	}
	return list
}

// TestReopen: entries and places are there together after a restart, also when
// many records behind the last entry are places only.
func TestReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, 0)
	if c, err := l.Cursors(); err != nil || len(c) != 0 {
		t.Fatalf("a new log has places %v, %v", c, err)
	}
	list := entries(700, 1)
	if err := l.Append(list, map[string]uint64{"hub": 700}); err != nil {
		t.Fatal(err)
	}
	if list[0].Sequence != 1 || list[699].Sequence != 700 {
		t.Errorf("sequences are %d to %d", list[0].Sequence, list[699].Sequence)
	}
	want := map[string]uint64{"hub": 1500, "security": 9}
	if err := l.Append(nil, want); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, 0)
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	if got, err := l.Cursors(); err != nil || !maps.Equal(got, want) {
		t.Errorf("places are %v, %v, want %v", got, err, want)
	}
	n := 0
	for e, err := range l.Read(t.Context(), 699) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 && (e.Sequence != 700 || e.Subject != "d700" || string(e.Detail) != `{"a":1}`) || n == 2 && e.Action != "" {
			t.Errorf("got %+v", e)
		}
	}
	if n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}

// TestBound: the oldest entries go, and the newest stay.
func TestBound(t *testing.T) {
	t.Parallel()
	const most = 3 << 20
	l := open(t, t.TempDir(), most)
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	for i := range uint64(60) {
		if err := l.Append(entries(500, i*500+1), map[string]uint64{"hub": i}); err != nil {
			t.Fatal(err)
		}
	}
	if l.First() == 1 || l.Head() != 30_000 {
		t.Errorf("the log has %d to %d", l.First(), l.Head())
	}
	for e, err := range l.Read(t.Context(), 29_999) {
		if err != nil || e.Number != 30_000 {
			t.Errorf("got %+v, %v", e, err)
		}
	}
}
