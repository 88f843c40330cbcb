package eventdb_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/store/eventdb"
)

// model is the store as simple as can be.
type model struct {
	msgs       []*event.Message
	duplicates [][]bool
}

// append adds a message and returns what is a duplicate in it.
func (m *model) append(next *event.Message) []bool {
	duplicates := make([]bool, len(next.Events))
	for i := range next.Events {
		id := next.Events[i].ID
		duplicates[i] = id != "" && (m.kept(next, id) ||
			slices.ContainsFunc(next.Events[:i], func(e event.Event) bool { return e.ID == id }))
	}
	m.msgs = append(m.msgs, next)
	m.duplicates = append(m.duplicates, duplicates)
	return duplicates
}

func (m *model) kept(next *event.Message, id string) bool {
	for n, old := range m.msgs {
		if old.From.Device != next.From.Device || next.Received.Sub(old.Received) > eventdb.Window {
			continue
		}
		for i := range old.Events {
			if old.Events[i].ID == id && !m.duplicates[n][i] {
				return true
			}
		}
	}
	return false
}

func (m *model) query(q event.Query) []*event.Record {
	out := slices.DeleteFunc(records(m.msgs, m.duplicates), func(r *event.Record) bool {
		e := &r.Event
		after := q.After == event.Position{} || r.Position.Compare(q.After) > 0
		if q.Descending {
			after = q.After == event.Position{} || r.Position.Compare(q.After) < 0
		}
		return !after || q.Device != "" && r.From.Device != q.Device ||
			len(q.Names) > 0 && !slices.Contains(q.Names, e.Name) || q.Type != "" && e.Type != q.Type ||
			!q.From.IsZero() && e.Time.Before(q.From) || !q.To.IsZero() && !e.Time.Before(q.To)
	})
	if q.Descending {
		slices.Reverse(out)
	}
	return out
}

func (m *model) letters(device tvilling.DeviceID, before event.Position) []event.DeadLetter {
	var out []event.DeadLetter
	for _, msg := range m.msgs {
		for _, r := range msg.Rejects {
			p := event.Position{Sequence: msg.Sequence, Index: r.Index}
			if (device == "" || msg.From.Device == device) && (before == event.Position{} || p.Compare(before) < 0) {
				out = append(out, event.DeadLetter{From: msg.From, Sequence: msg.Sequence, Received: msg.Received, Reject: r, Size: msg.Size})
			}
		}
	}
	slices.SortFunc(out, func(a, b event.DeadLetter) int {
		return event.Position{Sequence: b.Sequence, Index: b.Index}.Compare(event.Position{Sequence: a.Sequence, Index: a.Index})
	})
	return out
}

var (
	drawDevice = rapid.SampledFrom([]tvilling.DeviceID{"a", "b", "device c"})
	drawID     = rapid.OneOf(
		rapid.SampledFrom([]string{"", "x", "y"}),
		rapid.Map(rapid.IntRange(0, 30), numbered),
	)
	drawName = rapid.SampledFrom([]string{"Login", "ProcessCreate", "Heartbeat", "Newfangled"})
	drawType = rapid.SampledFrom([]event.Type{event.Security, event.Operational, "Other"})
)

func drawMessage(t *rapid.T, sequence uint64, received time.Time) *event.Message {
	m := &event.Message{
		From: tvilling.Identity{Device: drawDevice.Draw(t, "device"), Module: tvilling.SecurityModule}, Sequence: sequence, Received: received,
		Hub: rapid.Bool().Draw(t, "hub"), AgentID: drawID.Draw(t, "agent"), AgentVersion: rapid.SampledFrom([]string{"", "1.0"}).Draw(t, "version"),
		Size: rapid.IntRange(0, 1000).Draw(t, "size"),
	}
	for range rapid.IntRange(0, 6).Draw(t, "events") {
		late := rapid.OneOf(rapid.Just(time.Duration(0)), rapid.Map(rapid.Int64Range(0, 30*24*3600*1000), func(ms int64) time.Duration {
			return time.Duration(ms) * time.Millisecond
		})).Draw(t, "late")
		name := drawName.Draw(t, "name")
		at := received.Add(-late)
		m.Events = append(m.Events, event.Event{
			ID: drawID.Draw(t, "id"), Kind: event.KindOf(name), Name: name, Type: drawType.Draw(t, "type"), Category: event.Triggered,
			Time: at, Stated: at.Truncate(time.Second), Local: at.Format(time.RFC3339), Payload: fmt.Appendf(nil, `[%d]`, rapid.IntRange(0, 1<<30).Draw(t, "payload")),
		})
	}
	for i := range rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "rejects") {
		m.Rejects = append(m.Rejects, event.Reject{Index: 20 - i, Path: "Events[0]", Reason: "It is wrong.", Raw: []byte("{}")})
	}
	return m
}

func (m *model) drawPosition(t *rapid.T) event.Position {
	if rapid.Bool().Draw(t, "first page") {
		return event.Position{}
	}
	return event.Position{Sequence: rapid.Uint64Range(1, uint64(len(m.msgs))+1).Draw(t, "sequence"), Index: rapid.IntRange(-1, 5).Draw(t, "index")}
}

func (m *model) drawQuery(t *rapid.T, now time.Time) event.Query {
	q := event.Query{After: m.drawPosition(t), Descending: rapid.Bool().Draw(t, "descending")}
	if rapid.Bool().Draw(t, "of device") {
		q.Device = drawDevice.Draw(t, "device")
	}
	if rapid.Bool().Draw(t, "by name") {
		q.Names = rapid.SliceOfN(drawName, 1, 2).Draw(t, "names")
	}
	if rapid.Bool().Draw(t, "by type") {
		q.Type = drawType.Draw(t, "type")
	}
	ago := rapid.Map(rapid.IntRange(0, 40*24*60), func(n int) time.Duration { return time.Duration(n) * time.Minute })
	if rapid.Bool().Draw(t, "from") {
		q.From = now.Add(-ago.Draw(t, "from"))
	}
	if rapid.Bool().Draw(t, "to") {
		q.To = now.Add(-ago.Draw(t, "to"))
	}
	return q
}

// TestModel runs the store against its model: whatever is appended, flushed,
// appended once more, asked for, and wherever the process is killed.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		root, err := os.MkdirTemp("", "eventdb") //nolint:usetesting // one for each run of the property
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(root) }()
		o := eventdb.Options{
			Dir: filepath.Join(root, "0"), BlockBytes: rapid.IntRange(1, 600).Draw(t, "block"), FlushBytes: rapid.IntRange(1, 4000).Draw(t, "flush"), Readers: 2,
		}
		runs := 0
		start := func() *eventdb.DB {
			db, err := eventdb.Open(t.Context(), o)
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			return db
		}
		db := start()
		defer func() { _ = db.Close() }()
		m := &model{}
		now := noon
		// again appends a message that the store may have, as after a crash.
		again := func(n int) {
			if diff := cmp.Diff(m.duplicates[n], add(t, db, m.msgs[n])[0]); diff != "" {
				t.Fatalf("message %d appended once more: duplicates (-then +now):\n%s", n+1, diff)
			}
		}
		replay := func() {
			for n := int(db.Durable()); n < len(m.msgs); n++ {
				again(n)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.OneOf(rapid.Int64Range(0, 1e9), rapid.Int64Range(0, 30*3600e9), rapid.SampledFrom([]int64{-3600e9, -5 * 24 * 3600e9})).Draw(t, "later")))
				next := drawMessage(t, uint64(len(m.msgs)+1), now)
				got := add(t, db, next)[0]
				if diff := cmp.Diff(m.append(next), got); diff != "" {
					t.Fatalf("duplicates of message %d (-want +got):\n%s", next.Sequence, diff)
				}
			},
			"append once more": func(t *rapid.T) {
				if len(m.msgs) > 0 {
					again(rapid.IntRange(0, len(m.msgs)-1).Draw(t, "n"))
				}
			},
			"flush": func(t *rapid.T) {
				flush(t, db)
				if got := db.Durable(); got != uint64(len(m.msgs)) {
					t.Fatalf("Durable = %d after a flush, want %d", got, len(m.msgs))
				}
			},
			"crash": func(t *rapid.T) {
				before := db.Durable()
				runs++
				next := filepath.Join(root, fmt.Sprint(runs))
				if err := os.CopyFS(next, os.DirFS(o.Dir)); err != nil {
					t.Fatal(err)
				}
				abandon(t, db)
				o.Dir = next
				db = start()
				if db.Durable() != before {
					t.Fatalf("Durable = %d after a crash, %d before", db.Durable(), before)
				}
				replay()
			},
			"restart": func(t *rapid.T) {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				db = start()
				if got := db.Durable(); got != uint64(len(m.msgs)) {
					t.Fatalf("Durable = %d after Close, want %d", got, len(m.msgs))
				}
			},
			"query": func(t *rapid.T) {
				q := m.drawQuery(t, now)
				same(t, fmt.Sprintf("%+v", q), m.query(q), query(t, db, q))
			},
			"letters": func(t *rapid.T) {
				device, before := tvilling.DeviceID(""), m.drawPosition(t)
				if rapid.Bool().Draw(t, "of device") {
					device = drawDevice.Draw(t, "device")
				}
				want := m.letters(device, before)
				if diff := cmp.Diff(want, letters(t, db, device, before), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("dead letters of %q before %v (-want +got):\n%s", device, before, diff)
				}
				n, err := db.LetterCount(t.Context(), device)
				if all := m.letters(device, event.Position{}); err != nil || n != (eventdb.LetterCount{Kept: int64(len(all))}) {
					t.Fatalf("LetterCount(%q) = %+v, %v, want %d kept", device, n, err, len(all))
				}
			},
		})
		same(t, "all in the end", m.query(event.Query{}), query(t, db, event.Query{}))
	})
}
