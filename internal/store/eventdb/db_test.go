package eventdb_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/store/eventdb"
)

func TestEmptyStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		db := open(t, eventdb.Options{Dir: dir})
		if got := query(t, db, event.Query{}); len(got) != 0 {
			t.Errorf("an empty store has %d events", len(got))
		}
		if got := query(t, db, event.Query{Device: "d", Descending: true}); len(got) != 0 {
			t.Errorf("an empty store has %d events of a device", len(got))
		}
		for range db.DeadLetters(t.Context(), "", event.Position{}) {
			t.Error("an empty store has a dead letter")
		}
		if n, err := db.Retain(t.Context(), noon); n != 0 || err != nil {
			t.Errorf("Retain of an empty store = %d, %v", n, err)
		}
		flush(t, db)
		if st := db.Stats(); st.Days != 0 || st.Bytes != 0 || db.Durable() != 0 {
			t.Errorf("an empty store has %d files of %d bytes and Durable %d", st.Days, st.Bytes, db.Durable())
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// strange has events with every member in every form.
func strange() *event.Message {
	at := time.Date(2026, 11, 24, 11, 59, 58, 0, time.UTC)
	m := &event.Message{
		From: tvilling.Device("gateway-1"), Sequence: 1, Received: noon.Add(123456789), Hub: true,
		AgentID: "not a guid", AgentVersion: "", Size: 5,
	}
	add := func(e event.Event) { m.Events = append(m.Events, e) }
	add(event.Event{ID: "c0a8a1f2-3b4c-4d5e-8f60-718293a4b5c6", Kind: event.ProcessCreateKind, Name: "ProcessCreate", Type: event.Security, Category: event.Triggered, Time: at, Stated: at, Local: "2026-11-24T13:59:58+02:00", Payload: []byte(`[{}]`)})
	add(event.Event{ID: "C0A8A1F2-3B4C-4D5E-8F60-718293A4B5C6", Kind: event.LoginKind, Name: "Login", Type: event.Operational, Category: event.Periodic, Time: at.Add(120 * time.Millisecond), Stated: at.Add(120 * time.Millisecond), Local: "2026-11-24 13:59:58.1200000"})
	add(event.Event{ID: "C0a8A1F2-3B4C-4D5E-8F60-718293A4B5C6", Kind: event.HeartbeatKind, Name: "Heartbeat", Type: event.Diagnostics, Category: event.Aggregated, Time: at.Add(-time.Hour), Stated: time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC), Local: "1970-01-01T02:00:00Z", Empty: true, Payload: []byte("[]")})
	add(event.Event{ID: "", Name: "", Time: at, Local: "yesterday"})
	add(event.Event{ID: "x", Name: "ProcessCreated", Type: "Other", Category: "Now and then", Time: at.Add(1), Stated: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), Local: "9999-12-31T23:59:59.99Z", Payload: []byte(`["\u0000"]`)})
	add(event.Event{ID: "y", Kind: event.LoginKind, Name: "login", Type: event.Security, Category: event.Triggered, Time: time.Date(1, 2, 3, 4, 5, 6, 7, time.UTC), Stated: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), Local: "2026-13-45T99:99:99"})
	add(event.Event{ID: "z", Kind: event.LoginKind, Name: "Login", Type: event.Security, Category: event.Triggered, Time: at, Stated: at, Local: "0000-01-01T00:00:00.123456789123"})
	return m
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, eventdb.Options{Dir: dir})
	m := strange()
	add(t, db, m)
	want := records([]*event.Message{m}, nil)
	same(t, "from memory", want, query(t, db, event.Query{}))
	flush(t, db)
	same(t, "from disk", want, query(t, db, event.Query{}))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, eventdb.Options{Dir: dir})
	same(t, "after reopening", want, query(t, db, event.Query{Device: "gateway-1"}))
}

// A name that this version does not know may be known to the next.
func TestUnknownNames(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{})
	m := message(1, "d", 0, "a", "b")
	m.Events[0].Kind, m.Events[0].Name = event.Unknown, "Login"
	m.Events[1].Kind, m.Events[1].Name = event.Unknown, "Newfangled"
	add(t, db, m)
	flush(t, db)
	got := query(t, db, event.Query{Names: []string{"Login"}})
	if len(got) != 1 || got[0].Event.Kind != event.LoginKind {
		t.Errorf("query by name: %+v, want the event with its kind", got)
	}
	if got := query(t, db, event.Query{Names: []string{"Newfangled"}}); len(got) != 1 || got[0].Event.Name != "Newfangled" {
		t.Errorf("query by an unknown name: %+v", got)
	}
}

func TestHugeEvent(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{})
	msgs := []*event.Message{message(1, "d", 0, "a"), message(2, "d", 0, "b", "c"), message(3, "d", 0, "e")}
	f := newFleet(10, 400, 5)
	noise := make([]byte, 100<<10)
	for i := range noise {
		noise[i] = byte(f.r.Uint32())
	}
	msgs[1].Events[0].Payload = fmt.Appendf(nil, `["%x"]`, noise)
	many := f.from(3, 4, noon)
	for i := range many.Events {
		many.Events[i].Items = nil
	}
	add(t, db, append(msgs, many)...)
	for range 2 {
		same(t, "device d", records(msgs, nil), query(t, db, event.Query{Device: "d"}))
		same(t, "many events", records([]*event.Message{many}, nil), query(t, db, event.Query{Device: many.From.Device}))
		flush(t, db)
	}
	many.Sequence = 5
	if got := add(t, db, many)[0]; slices.Contains(got, false) {
		t.Error("events of a large message that is sent again are not all duplicates")
	}
	large := message(6, "d", 0, "huge")
	large.Events[0].Payload = make([]byte, 9<<20)
	if _, err := db.Append(t.Context(), large); tvilling.CodeOf(err) != tvilling.TooLarge {
		t.Errorf("Append of 9 MiB = %v, want code TooLarge", err)
	}
	if st := db.Stats(); st.Position != 5 {
		t.Errorf("Position = %d after a refused message, want 5", st.Position)
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	steps := []struct {
		what   string
		device string
		after  time.Duration
		ids    []string
		want   []bool
	}{
		{"new", "a", 0, []string{"1", numbered(2)}, []bool{false, false}},
		{"sent again", "a", time.Minute, []string{"1", numbered(2), "3"}, []bool{true, true, false}},
		{"of another device", "b", time.Minute, []string{"1", "1"}, []bool{false, true}},
		{"twice in a message", "a", time.Minute, []string{"4", "3", "4", "4"}, []bool{false, true, true, true}},
		{"without an id", "a", time.Minute, []string{"", ""}, []bool{false, false}},
		{"in another case", "a", time.Minute, []string{"C0A8A1F2-3B4C-4D5E-8F60-000000000002"}, []bool{false}},
		{"a day later", "a", day, []string{"5", numbered(2)}, []bool{false, true}},
		{"three days later", "a", 3 * day, []string{"1"}, []bool{true}},
		{"a moment after three days", "a", 3*day + 1, []string{"1", numbered(2), "3"}, []bool{false, false, true}},
		{"of what was kept anew", "a", 6 * day, []string{"1", "3"}, []bool{true, false}},
	}
	for _, every := range []int{0, 1, 2, 3} { // a flush after so many messages
		db := open(t, eventdb.Options{})
		var msgs []*event.Message
		for n, s := range steps {
			msgs = append(msgs, message(uint64(n+1), s.device, s.after, s.ids...))
			got := add(t, db, msgs[n])[0]
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("flush every %d: %s (-want +got):\n%s", every, s.what, diff)
			}
			if every > 0 && n%every == 0 {
				flush(t, db)
			}
		}
		before := query(t, db, event.Query{})
		for n, s := range steps {
			if diff := cmp.Diff(s.want, add(t, db, msgs[n])[0]); diff != "" {
				t.Errorf("flush every %d: %s, appended once more (-want +got):\n%s", every, s.what, diff)
			}
		}
		same(t, "after appending once more", before, query(t, db, event.Query{}))
	}
}

func TestOpenIsExclusive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, eventdb.Options{Dir: dir})
	if _, err := eventdb.Open(t.Context(), eventdb.Options{Dir: dir}); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("a second Open = %v, want code Unavailable", err)
	}
	if _, err := eventdb.Open(t.Context(), eventdb.Options{}); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("Open without a directory = %v, want code InvalidArgument", err)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{})
	add(t, db, message(1, "d", 0, "a"))
	changed := db.Changed()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Error("Close does not wake those that wait for a change")
	}
	_, appending := db.Append(t.Context(), message(2, "d", 0, "b"))
	_, retaining := db.Retain(t.Context(), noon)
	_, counting := db.LetterCount(t.Context(), "")
	errs := []error{appending, retaining, counting, db.Flush(t.Context())}
	for _, err := range db.Events(t.Context(), event.Query{}) {
		errs = append(errs, err)
	}
	for _, err := range db.DeadLetters(t.Context(), "", event.Position{}) {
		errs = append(errs, err)
	}
	if len(errs) != 6 {
		t.Errorf("a closed store yields %d errors, want 6", len(errs))
	}
	for _, err := range errs {
		if tvilling.CodeOf(err) != tvilling.Unavailable {
			t.Errorf("a closed store says %v, want code Unavailable", err)
		}
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{})
	changed := db.Changed()
	flush(t, db)
	select {
	case <-changed:
		t.Error("Changed is closed though nothing was appended")
	default:
	}
	add(t, db, message(1, "d", 0, "a"))
	select {
	case <-changed:
	default:
		t.Error("Changed is not closed by Append")
	}
}
