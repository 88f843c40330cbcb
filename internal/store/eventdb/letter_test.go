package eventdb_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/store/eventdb"
)

// unread makes a message that could not be read at all.
func unread(sequence uint64, device string, after time.Duration) *event.Message {
	m := message(sequence, device, after)
	m.Rejects = []event.Reject{{Index: -1, Path: "Events", Reason: "It is missing.", Raw: fmt.Appendf(nil, "{%d", sequence)}}
	return m
}

func count(t *testing.T, db *eventdb.DB, device tvilling.DeviceID) eventdb.LetterCount {
	t.Helper()
	n, err := db.LetterCount(t.Context(), device)
	if err != nil {
		t.Fatalf("LetterCount(%q): %v", device, err)
	}
	return n
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{})
	m := message(1, "a", 0, "x")
	m.Rejects = []event.Reject{
		{Index: 3, Path: "Events[3].Payload[0].LocalPort", Reason: "It is no port.", Raw: bytes.Repeat([]byte("r"), 20<<10)},
		{Index: 1, Path: "Events[1]", Reason: "It is no object.", Raw: []byte("\xff\x00")},
		{Index: 1, Path: "Events[1]", Reason: "Said twice."},
	}
	want := []event.DeadLetter{
		{From: m.From, Sequence: 2, Received: noon.Add(time.Second), Size: 1000, Reject: unread(2, "a", 0).Rejects[0]},
		{From: m.From, Sequence: 1, Received: noon, Size: 1000, Reject: m.Rejects[0]},
		{From: m.From, Sequence: 1, Received: noon, Size: 1000, Reject: m.Rejects[1]},
	}
	want[1].Raw = want[1].Raw[:event.MaxRejectBytes]
	add(t, db, m, unread(2, "a", time.Second), unread(3, "b", 2*time.Second))
	for _, where := range []string{"in memory", "on disk"} {
		if diff := cmp.Diff(want, letters(t, db, "a", event.Position{}), cmp.Comparer(bytes.Equal)); diff != "" {
			t.Errorf("%s: dead letters of a device (-want +got):\n%s", where, diff)
		}
		if got := letters(t, db, "", event.Position{}); len(got) != 4 || got[0].From.Device != "b" {
			t.Errorf("%s: dead letters of all: %+v", where, got)
		}
		if diff := cmp.Diff(want[2:], letters(t, db, "a", event.Position{Sequence: 1, Index: 3})); diff != "" {
			t.Errorf("%s: next page (-want +got):\n%s", where, diff)
		}
		if got := letters(t, db, "a", event.Position{Sequence: 1, Index: 1}); len(got) != 0 {
			t.Errorf("%s: behind the last one: %+v", where, got)
		}
		if got, want := count(t, db, "a"), (eventdb.LetterCount{Kept: 3, Shed: 1}); got != want {
			t.Errorf("%s: LetterCount = %+v, want %+v", where, got, want)
		}
		if got := query(t, db, event.Query{}); len(got) != 1 {
			t.Errorf("%s: %d events, want the one that could be read", where, len(got))
		}
		flush(t, db)
	}
	// Given once more, nothing is kept again.
	add(t, db, m, unread(2, "a", time.Second))
	if got := letters(t, db, "", event.Position{}); len(got) != 4 {
		t.Errorf("%d dead letters after appending once more, want 4", len(got))
	}
}

// TestDeadLettersBounded demands that a device has so many and no more a day,
// on disk and in memory together, and that none is lost without being counted.
func TestDeadLettersBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := eventdb.Options{Dir: dir, Letters: 100}
	db := open(t, o)
	sequence := uint64(0)
	add := func(device string, day int) {
		sequence++
		add(t, db, unread(sequence, device, time.Duration(day)*24*time.Hour))
	}
	for n := range 130 {
		add("a", 0)
		switch n {
		case 40:
			flush(t, db)
		case 60:
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open(t, o)
		}
	}
	add("b", 0)
	for range 105 {
		add("a", 1)
	}
	want := map[tvilling.DeviceID]eventdb.LetterCount{"a": {Kept: 200, Shed: 35}, "b": {Kept: 1}, "c": {}, "": {Kept: 201, Shed: 35}}
	for range 2 {
		for device, n := range want {
			if got := count(t, db, device); got != n {
				t.Errorf("LetterCount(%q) = %+v, want %+v", device, got, n)
			}
			if got := letters(t, db, device, event.Position{}); len(got) != int(n.Kept) {
				t.Errorf("%d dead letters of %q, want %d", len(got), device, n.Kept)
			}
		}
		flush(t, db)
	}
	if st := db.Stats(); st.DeadLettersShed != 35 || st.Letters != 201 {
		t.Errorf("Stats: shed %d, stored %d; want 35 and 201", st.DeadLettersShed, st.Letters)
	}
}

func TestDeadLetterBytesBounded(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{LetterBytes: 100_000})
	for n := range uint64(60) {
		m := unread(n+1, fmt.Sprint("d", n), 0)
		m.Rejects[0].Raw = make([]byte, 10_000)
		add(t, db, m)
		if n%7 == 0 {
			flush(t, db)
		}
	}
	if got, want := count(t, db, ""), (eventdb.LetterCount{Kept: 9, Shed: 51}); got != want {
		t.Errorf("LetterCount = %+v, want %+v", got, want)
	}
}

// TestDeadLettersPages reads many by pages of every length.
func TestDeadLettersPages(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{})
	for n := range uint64(300) {
		add(t, db, unread(n+1, [...]string{"a", "b"}[n%2], time.Duration(n)*10*time.Minute))
		if n == 200 {
			flush(t, db)
		}
	}
	for _, device := range []tvilling.DeviceID{"", "a"} {
		want := letters(t, db, device, event.Position{})
		for _, top := range []int{1, 7, 64, 1000} {
			var got []event.DeadLetter
			var before event.Position
			for more := true; more; {
				more = false
				n := 0
				for l, err := range db.DeadLetters(t.Context(), device, before) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, *l)
					before = event.Position{Sequence: l.Sequence, Index: l.Index}
					if n++; n == top {
						more = true
						break
					}
				}
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("pages of %d (-want +got):\n%s", top, diff)
			}
		}
	}
}
