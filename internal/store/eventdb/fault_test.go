package eventdb_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/store/eventdb"
)

// TestDiskFull lets the file grow no more: events wait in memory up to a
// bound, are then refused, and nothing that was taken is lost.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	var logged strings.Builder
	var msgs []*event.Message
	synctest.Test(t, func(t *testing.T) {
		db, err := eventdb.Open(t.Context(), eventdb.Options{
			Dir: dir, FlushBytes: 20_000, OpenBytes: 100_000, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		f := newFleet(50, 5, 1)
		next := func() *event.Message { return f.message(uint64(len(msgs)+1), noon) }
		msgs = append(msgs, next())
		add(t, db, msgs[0])
		flush(t, db)
		if err := db.LimitPages(0); err != nil {
			t.Fatal(err)
		}
		var refused *event.Message
		for refused == nil {
			m := next()
			time.Sleep(time.Millisecond) //nolint:forbidigo // the bubble's clock, at once
			if _, err = db.Append(t.Context(), m); err != nil {
				refused = m
				break
			}
			msgs = append(msgs, m)
		}
		if tvilling.CodeOf(err) != tvilling.Unavailable || !strings.Contains(err.Error(), "free") {
			t.Errorf("Append beyond the bound = %v, want code Unavailable with what to do", err)
		}
		st := db.Stats()
		if st.OpenBytes < 100_000 || st.OpenBytes > 105_000 || st.FlushErrors == 0 || st.Durable > 20 || st.Position != uint64(len(msgs)) {
			t.Errorf("Stats = %+v", st)
		}
		if errs := db.Flush(t.Context()); tvilling.CodeOf(errs) != tvilling.Unavailable {
			t.Errorf("Flush = %v, want code Unavailable", errs)
		}
		if got := len(query(t, db, event.Query{})); got != len(msgs)*5 {
			t.Errorf("%d events are found, want %d", got, len(msgs)*5)
		}
		// There is space again: the next try takes the one that was refused.
		if err := db.LimitPages(-1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's clock, at once
		add(t, db, refused)
		msgs = append(msgs, refused)
		if st := db.Stats(); st.Durable != uint64(len(msgs))-1 || st.OpenBytes > 10_000 {
			t.Errorf("Durable = %d with %d bytes open once there is space, want %d", st.Durable, st.OpenBytes, len(msgs)-1)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if got := strings.Count(logged.String(), "level=ERROR"); got != 1 {
		t.Errorf("the log has %d errors, want one:\n%s", got, logged.String())
	}
	db := open(t, eventdb.Options{Dir: dir})
	for i := range msgs {
		for j := range msgs[i].Events {
			msgs[i].Events[j].Items = nil
		}
	}
	same(t, "after a restart", records(msgs, nil), query(t, db, event.Query{}))
}

// TestFlushByTime demands that a few events are on disk after a while, and
// that so is the position of messages without any.
func TestFlushByTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var logged strings.Builder
		db, err := eventdb.Open(t.Context(), eventdb.Options{Dir: dir, FlushAfter: time.Minute, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		if err != nil {
			t.Fatal(err)
		}
		wait := func(d time.Duration) {
			time.Sleep(d) //nolint:forbidigo // the bubble's clock, at once
			synctest.Wait()
		}
		wait(time.Hour)
		add(t, db, message(1, "d", 0, "a"))
		wait(40 * time.Second)
		add(t, db, message(2, "d", 0, "b"))
		wait(19 * time.Second)
		if got := db.Durable(); got != 0 {
			t.Errorf("Durable = %d after 59 s, want 0", got)
		}
		wait(2 * time.Second)
		if got := db.Durable(); got != 2 {
			t.Errorf("Durable = %d after 61 s, want 2", got)
		}
		add(t, db, message(3, "d", 0, "a")) // nothing to keep
		wait(61 * time.Second)
		if got := db.Durable(); got != 3 {
			t.Errorf("Durable = %d a minute after a message of duplicates, want 3", got)
		}
		// A disk that is full for a while.
		if err := db.LimitPages(0); err != nil {
			t.Fatal(err)
		}
		large := message(4, "d", 0, "c")
		large.Events[0].Payload = fmt.Appendf(nil, "%q", strings.Repeat("0123456789abcdef", 10_000))
		for i := range large.Events[0].Payload {
			large.Events[0].Payload[i] = byte(i * i >> 7)
		}
		add(t, db, large)
		wait(10 * time.Minute)
		if st := db.Stats(); st.Durable != 3 || st.FlushErrors < 100 {
			t.Errorf("Durable = %d after %d failures on a full disk, want 3 after some hundreds", st.Durable, st.FlushErrors)
		}
		if err := db.LimitPages(-1); err != nil {
			t.Fatal(err)
		}
		wait(2 * time.Second)
		if got := db.Durable(); got != 4 {
			t.Errorf("Durable = %d once there is space, want 4", got)
		}
		if got := strings.Count(logged.String(), "\n"); got != 2 {
			t.Errorf("the log has %d lines, want one for the failure and one for its end:\n%s", got, logged.String())
		}
		abandon(t, db)
	})
	db := open(t, eventdb.Options{Dir: dir})
	if db.Durable() != 4 || len(query(t, db, event.Query{})) != 3 {
		t.Errorf("after a restart: Durable %d, %d events", db.Durable(), len(query(t, db, event.Query{})))
	}
}

func TestGivenUp(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{BlockBytes: 1})
	for n := range uint64(50) {
		m := message(n+1, "d", 0, numbered(int(n)))
		m.Rejects = unread(n+1, "d", 0).Rejects
		add(t, db, m)
	}
	for range 2 {
		for _, device := range []tvilling.DeviceID{"", "d"} {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n := 0
			var last error
			for _, err := range db.Events(ctx, event.Query{Device: device}) {
				n++
				if n == 3 {
					cancel()
				}
				last = err
			}
			if n != 4 || tvilling.CodeOf(last) != tvilling.Unavailable {
				t.Errorf("a query of device %q that is given up after 3 events yields %d times, last %v", device, n, last)
			}
			n = 0
			for _, err := range db.DeadLetters(ctx, device, event.Position{}) {
				if n++; tvilling.CodeOf(err) != tvilling.Unavailable {
					t.Errorf("dead letters for a context that is done: %v", err)
				}
			}
			if n != 1 {
				t.Errorf("dead letters for a context that is done: %d yields, want 1", n)
			}
			if _, err := db.Append(ctx, message(99, "d", 0, "a")); tvilling.CodeOf(err) != tvilling.Unavailable {
				t.Errorf("Append for a context that is done = %v", err)
			}
		}
		flush(t, db)
	}
	if got := db.Stats().Position; got != 50 {
		t.Errorf("Position = %d, want 50", got)
	}
}
