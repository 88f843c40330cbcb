package eventdb_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/store/eventdb"
)

const day = 24 * time.Hour

// files returns the names of the files of a store.
func files(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range list {
		list[i] = strings.TrimSuffix(filepath.Base(path), ".db")
	}
	return list
}

func wantFiles(t *testing.T, what, dir string, want ...string) {
	t.Helper()
	if got := files(t, dir); !slices.Equal(got, want) {
		t.Errorf("%s: files %q, want %q", what, got, want)
	}
}

// days appends a message at noon of each of some days and one a minute before
// midnight.
func days(t *testing.T, db *eventdb.DB, n int) {
	t.Helper()
	for i := range n {
		after := time.Duration(i) * day
		add(t, db, message(uint64(2*i+1), "d", after, fmt.Sprint("noon ", i)))
		add(t, db, message(uint64(2*i+2), "d", after+12*time.Hour-time.Minute, fmt.Sprint("night ", i)))
	}
}

func TestRetainByAge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var logged strings.Builder
	db := open(t, eventdb.Options{Dir: dir, MaxAge: 2 * day, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	days(t, db, 4)
	wantFiles(t, "before", dir, "2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27")
	for _, step := range []struct {
		at      time.Duration
		dropped int
		files   []string
	}{
		{2*day + 11*time.Hour, 0, []string{"2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27"}},
		{2*day + 12*time.Hour, 1, []string{"2026-11-25", "2026-11-26", "2026-11-27"}},
		{4*day + 12*time.Hour, 2, []string{"2026-11-27"}},
		// What waits in memory is not dropped with its day.
		{9 * day, 0, []string{"2026-11-27"}},
	} {
		n, err := db.Retain(t.Context(), noon.Add(step.at))
		if n != step.dropped || err != nil {
			t.Errorf("Retain after %v = %d, %v, want %d", step.at, n, err, step.dropped)
		}
		wantFiles(t, fmt.Sprint("after ", step.at), dir, step.files...)
	}
	flush(t, db)
	// A store that gets no more empties itself, and knows where it was.
	if n, err := db.Retain(t.Context(), noon.Add(9*day)); n != 1 || err != nil {
		t.Errorf("Retain of a quiet store = %d, %v, want 1", n, err)
	}
	wantFiles(t, "quiet", dir, "2026-12-03")
	if got := query(t, db, event.Query{}); len(got) != 0 {
		t.Errorf("%d events are left", len(got))
	}
	if st := db.Stats(); st.Dropped != 4 || st.Durable != 8 {
		t.Errorf("Stats: Dropped %d, Durable %d; want 4 and 8", st.Dropped, st.Durable)
	}
	if got := strings.Count(logged.String(), "reason=age"); got != 4 {
		t.Errorf("the log tells of %d days:\n%s", got, logged.String())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, eventdb.Options{Dir: dir})
	if db.Durable() != 8 {
		t.Errorf("Durable = %d after a restart, want 8", db.Durable())
	}
}

func TestRetainBySize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := eventdb.Options{Dir: dir}
	db := open(t, o)
	days(t, db, 5)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, f := range files(t, dir) {
		info, err := os.Stat(filepath.Join(dir, f+".db"))
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	o.MaxBytes = total * 3 / 5 // two, and the side files of the newest
	db = open(t, o)
	if n, err := db.Retain(t.Context(), noon); n != 3 || err != nil {
		t.Errorf("Retain = %d, %v, want 3", n, err)
	}
	wantFiles(t, "half", dir, "2026-11-27", "2026-11-28")
	var got []string
	for _, r := range query(t, db, event.Query{Device: "d"}) {
		got = append(got, r.Event.ID)
	}
	if want := []string{"noon 3", "night 3", "noon 4", "night 4"}; !slices.Equal(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// The WAL counts, and the day that is written to stays however large.
	o.MaxBytes = 1
	db = open(t, o)
	if n, err := db.Retain(t.Context(), noon); n != 1 || err != nil {
		t.Errorf("Retain = %d, %v, want 1", n, err)
	}
	wantFiles(t, "least", dir, "2026-11-28")
}

// TestRetainWhileReading removes days in the middle of loops over them.
func TestRetainWhileReading(t *testing.T) {
	t.Parallel()
	for _, descending := range []bool{false, true} {
		for _, device := range []string{"", "d"} {
			db := open(t, eventdb.Options{MaxAge: 2 * day, BlockBytes: 1})
			days(t, db, 6)
			flush(t, db)
			var got []string
			q := event.Query{Descending: descending}
			if device != "" {
				q.Device = "d"
			}
			for r, err := range db.Events(t.Context(), q) {
				if err != nil {
					t.Fatalf("Events: %v", err)
				}
				if got = append(got, r.Event.ID); len(got) == 1 {
					if n, err := db.Retain(t.Context(), noon.Add(5*day+12*time.Hour)); n != 4 || err != nil {
						t.Fatalf("Retain = %d, %v, want 4", n, err)
					}
				}
			}
			want := []string{"noon 0", "noon 4", "night 4", "noon 5", "night 5"}
			if descending {
				want = []string{"night 5", "noon 5", "night 4", "noon 4"}
			}
			if !slices.Equal(got, want) {
				t.Errorf("descending %v, device %q: got %q, want %q", descending, device, got, want)
			}
			for range db.DeadLetters(t.Context(), "d", event.Position{}) {
				t.Error("there is a dead letter")
			}
		}
	}
}

// TestClockJumps lets the hub's clock go wrong: events stay in the order of
// their sequence, and what the wrong clock said does not keep them for ever.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := eventdb.Options{Dir: dir, MaxAge: 2 * day}
	db := open(t, o)
	offsets := []time.Duration{0, 400 * day, 0, -time.Hour, -20 * time.Hour, -50 * time.Hour, 0, day}
	var msgs []*event.Message
	for n, after := range offsets {
		msgs = append(msgs, message(uint64(n+1), "d", after, fmt.Sprint(n)))
	}
	add(t, db, msgs...)
	names := []string{"2026-11-22", "2026-11-24.1", "2026-11-24.2", "2026-11-24", "2026-11-25", "2027-12-29"}
	for range 2 {
		wantFiles(t, "after jumps", dir, names...)
		same(t, "ascending", records(msgs, nil), query(t, db, event.Query{}))
		same(t, "of the device", records(msgs, nil), query(t, db, event.Query{Device: "d"}))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open(t, o)
	}
	if n, err := db.Retain(t.Context(), noon.Add(2*day+time.Minute)); n != 5 || err != nil {
		t.Errorf("Retain = %d, %v, want 5", n, err)
	}
	wantFiles(t, "after Retain", dir, "2026-11-25")
}
