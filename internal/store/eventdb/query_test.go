package eventdb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/store/eventdb"
)

// TestPages reads what a query selects by pages of several lengths, in both
// directions, across blocks, days and the open batch.
func TestPages(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{BlockBytes: 3000})
	f := newFleet(4, 3, 2)
	var msgs []*event.Message
	for n := range uint64(400) {
		m := f.message(n+1, noon.Add(time.Duration(n)*10*time.Minute))
		for i := range m.Events {
			m.Events[i].Items = nil
		}
		msgs = append(msgs, m)
		add(t, db, m)
		if n == 350 {
			flush(t, db)
		}
	}
	all := records(msgs, nil)
	for _, q := range []event.Query{{}, {Device: f.device(2)}, {Names: []string{"Login", "ListeningPorts"}}, {Device: f.device(1), From: noon.Add(day), To: noon.Add(2 * day)}} {
		var want []*event.Record
		for _, r := range all {
			if (q.Device == "" || r.From.Device == q.Device) && (q.Names == nil || slices.Contains(q.Names, r.Event.Name)) &&
				(q.From.IsZero() || !r.Event.Time.Before(q.From) && r.Event.Time.Before(q.To)) {
				want = append(want, r)
			}
		}
		if len(want) < 50 {
			t.Fatalf("%+v selects %d events: too few to try", q, len(want))
		}
		for _, descending := range []bool{false, true} {
			for _, top := range []int{1, 7, 100, 5000} {
				q.Descending, q.After = descending, event.Position{}
				var got []*event.Record
				for {
					n := len(got)
					for r, err := range db.Events(t.Context(), q) {
						if err != nil {
							t.Fatal(err)
						}
						if got = append(got, r); len(got) == n+top {
							break
						}
					}
					if len(got) == n {
						break
					}
					q.After = got[len(got)-1].Position
				}
				same(t, fmt.Sprintf("%+v by pages of %d", q, top), want, got)
			}
			slices.Reverse(want)
		}
	}
}

// TestDeviceTouchesItsBlocks demands that a query for a device, and one for a
// rare name, read no more blocks than have something of it.
func TestDeviceTouchesItsBlocks(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{})
	f := newFleet(1000, 20, 2)
	sequence := uint64(0)
	next := func(m *event.Message) {
		sequence++
		m.Sequence = sequence
		add(t, db, m)
	}
	rare := 0
	for d := range 30 {
		for n := range 100 {
			at := noon.Add(time.Duration(d)*day + time.Duration(n)*time.Second)
			next(f.from(500+n, 0, at))
			if n == 50 {
				next(message(0, "one", at.Sub(noon), fmt.Sprint("event ", d)))
			}
			if n == 60 && d%10 == 0 {
				m := message(0, "other", at.Sub(noon), fmt.Sprint("event ", d))
				m.Events[0].Kind, m.Events[0].Name = event.HeartbeatKind, "Heartbeat"
				next(m)
				rare++
			}
		}
	}
	flush(t, db)
	for _, step := range []struct {
		q              event.Query
		events, blocks int
	}{
		{event.Query{Device: "one"}, 30, 30},
		{event.Query{Device: "one", Descending: true}, 30, 30},
		{event.Query{Device: "one", From: noon.Add(10 * day), To: noon.Add(20 * day)}, 10, 10},
		{event.Query{Device: "one", Names: []string{"ProcessCreate"}}, 0, 0},
		{event.Query{Device: "one", Type: event.Operational}, 0, 0},
		{event.Query{Device: "nobody"}, 0, 0},
		{event.Query{Names: []string{"Heartbeat"}}, rare, rare},
	} {
		before := db.Stats().BlocksRead
		if got := len(query(t, db, step.q)); got != step.events {
			t.Errorf("%+v yields %d events, want %d", step.q, got, step.events)
		}
		if got := db.Stats().BlocksRead - before; got != int64(step.blocks) {
			t.Errorf("%+v reads %d blocks, want %d", step.q, got, step.blocks)
		}
	}
}

// TestReadersBesideWriter reads in every way while events are appended,
// written and removed: each loop sees what there was at its begin, in order,
// each event once.
func TestReadersBesideWriter(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{FlushBytes: 20_000, BlockBytes: 2000, MaxAge: 40 * time.Hour, Readers: 2})
	const messages, perMessage = 400, 3
	received := func(sequence uint64) time.Time { return noon.Add(time.Duration(sequence-1) * 20 * time.Minute) }
	f := newFleet(3, perMessage, 4)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var readers sync.WaitGroup
	read := func(q event.Query) {
		floor := db.Stats().Position
		var last event.Position
		newest := uint64(0)
		for r, err := range db.Events(t.Context(), q) {
			if err != nil {
				t.Errorf("Events: %v", err)
				return
			}
			if c := r.Position.Compare(last); last != (event.Position{}) && (c <= 0) != q.Descending {
				t.Errorf("%+v yields %v after %v", q, r.Position, last)
				return
			}
			last = r.Position
			newest = max(newest, r.Position.Sequence)
		}
		// A day that was removed meanwhile is not missed.
		removed := received(max(floor, 1)).Before(db.Stats().First)
		if q.Device == "" && newest < floor && !removed {
			t.Errorf("%+v ends at message %d, though %d had been appended", q, newest, floor)
		}
	}
	for n := range 4 {
		readers.Go(func() {
			q := event.Query{Descending: n%2 == 0}
			if n > 1 {
				q.Device = f.device(1)
			}
			for ctx.Err() == nil {
				read(q)
				if _, err := db.LetterCount(t.Context(), "x"); err != nil {
					t.Error(err)
				}
				for _, err := range db.DeadLetters(t.Context(), "", event.Position{}) {
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(1, 1))
	for n := range uint64(messages) {
		at := received(n + 1)
		m := f.message(n+1, at)
		if r.IntN(10) == 0 {
			m.Rejects = []event.Reject{{Index: 7, Path: "Events[7]", Reason: "It is wrong."}}
		}
		add(t, db, m)
		switch r.IntN(40) {
		case 0:
			flush(t, db)
		case 1:
			if _, err := db.Retain(t.Context(), at); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	readers.Wait()
	if st := db.Stats(); st.Dropped == 0 || st.Flushes < 5 || st.Events != messages*perMessage {
		t.Errorf("Stats = %+v: the test tries too little", st)
	}
}

// TestFollow reads on as Changed says, and misses nothing.
func TestFollow(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{FlushBytes: 1000})
	const messages = 200
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := range uint64(messages) {
			if _, err := db.Append(t.Context(), message(n+1, "d", 0, numbered(int(n)))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var last event.Position
	for last.Sequence < messages {
		changed := db.Changed()
		for r, err := range db.Events(t.Context(), event.Query{After: last}) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Position.Sequence != last.Sequence+1 {
				t.Fatalf("event %v comes after %v", r.Position, last)
			}
			last = r.Position
		}
		if last.Sequence < messages {
			<-changed
		}
	}
	writer.Wait()
}

// TestCloseBesideReaders ends loops with an error that says so.
func TestCloseBesideReaders(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{BlockBytes: 1})
	for n := range uint64(20) {
		add(t, db, message(n+1, "d", 0, numbered(int(n))))
	}
	flush(t, db)
	n := 0
	var last error
	for _, err := range db.Events(t.Context(), event.Query{Device: "d"}) {
		if n++; n == 5 {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		last = err
	}
	if n != 6 || tvilling.CodeOf(last) != tvilling.Unavailable {
		t.Errorf("a loop over a store that is closed after 5 events yields %d times, last %v", n, last)
	}
}

// TestManyRows has more blocks, and more rows of a device's list, than are
// looked up at once, each of one message, and rows that end within a flush.
func TestManyRows(t *testing.T) {
	t.Parallel()
	for messages, perMessage := range map[int]int{150: 1, 80: 40, 20: 300} {
		for every := 1; every <= 7; every += 3 { // messages to a flush
			db := open(t, eventdb.Options{BlockBytes: 1})
			var msgs []*event.Message
			for n := range messages {
				ids := make([]string, perMessage)
				for i := range ids {
					ids[i] = numbered(n*1000 + i)
				}
				msgs = append(msgs, message(uint64(n+1), "d", 0, ids...))
				add(t, db, msgs[n])
				if n%every == 0 {
					flush(t, db)
				}
			}
			want := records(msgs, nil)
			same(t, "all", want, query(t, db, event.Query{}))
			same(t, "of the device", want, query(t, db, event.Query{Device: "d"}))
			slices.Reverse(want)
			same(t, "all, descending", want, query(t, db, event.Query{Descending: true}))
			same(t, "of the device, descending", want, query(t, db, event.Query{Device: "d", Descending: true}))
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTimesWithinSeconds bounds queries finer than lists keep times.
func TestTimesWithinSeconds(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{})
	for n := range uint64(10) {
		m := message(n+1, "d", 0, numbered(int(n)))
		m.Events[0].Time = noon.Add(time.Duration(n) * 100 * time.Millisecond)
		add(t, db, m)
	}
	for range 2 {
		for from := range 12 {
			for to := range 12 {
				for _, device := range []tvilling.DeviceID{"", "d"} {
					q := event.Query{Device: device, From: noon.Add(time.Duration(from) * 100 * time.Millisecond), To: noon.Add(time.Duration(to) * 100 * time.Millisecond)}
					want := max(0, min(to, 10)-from)
					if got := len(query(t, db, q)); got != want {
						t.Errorf("device %q, tenths %d to %d: %d events, want %d", device, from, to, got, want)
					}
				}
			}
		}
		flush(t, db)
	}
}
