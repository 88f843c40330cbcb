package eventdb_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/store/eventdb"
)

// TestLocalTimes says which forms of local time are kept short: those that
// agents send.
func TestLocalTimes(t *testing.T) {
	t.Parallel()
	utc := time.Date(2026, 11, 24, 10, 0, 5, 123_400_000, time.UTC)
	for _, test := range []struct {
		local string
		short bool
	}{
		{"2026-11-24T12:00:05+02:00", true},
		{"2026-11-24T10:00:05Z", true},
		{"2026-11-24 10:00:05Z", true},
		{"2026-11-24T05:00:05", true},
		{"2026-11-24T05:00:05.1234000-05:00", true},
		{"2026-11-24T05:00:05.123", true},
		{"1999-01-01T00:00:00", true},
		{"2026-11-24T05:00:05.124", false}, // not the fraction that UTC has
		{"2026-11-24T05:00:05.", true},
		{"2026-02-30T05:00:05Z", false},
		{"2026-11-24T24:00:05Z", false},
		{"2026-11-24T5:00:05Z ", false},
		{"11/24/2026 10:00:05", false},
		{"now", false},
		{"", false},
	} {
		short, ok := eventdb.AppendLocal([]byte("x"), test.local, utc)
		if ok != test.short || short[0] != 'x' || !ok && len(short) != 1 {
			t.Errorf("AppendLocal(%q) = %q, %v, want %v", test.local, short, ok, test.short)
		}
		if ok && len(short) > 16 {
			t.Errorf("AppendLocal(%q) takes %d bytes", test.local, len(short)-1)
		}
	}
}

func FuzzLocal(f *testing.F) {
	f.Add("2026-11-24T12:00:05+02:00", int64(1_795_000_000), int64(5))
	f.Add("2026-11-24 12:00:05.1230000", int64(1_795_000_000), int64(123_000_000))
	f.Add("9999-99-99T99:99:99Z", int64(-1), int64(0))
	f.Fuzz(func(t *testing.T, local string, sec, nsec int64) {
		utc := time.Unix(sec%(1<<40), nsec%1e9).UTC()
		short, ok := eventdb.AppendLocal(nil, local, utc)
		if !ok {
			return
		}
		if got, ok := eventdb.ReadLocal(short, utc); !ok || got != local {
			t.Fatalf("%q became %q", local, got)
		}
	})
}

func FuzzGUID(f *testing.F) {
	for _, s := range []string{numbered(1), "C0A8A1F2-3B4C-4D5E-8F60-718293A4B5C6", "C0a8A1F2-3B4C-4D5E-8F60-718293A4B5C6", "", "00000000-0000-0000-0000-000000000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if g, form := eventdb.ParseGUID(s); form != 0 {
			if got := string(eventdb.AppendGUID(nil, g[:], form)); got != s {
				t.Fatalf("%q became %q", s, got)
			}
		}
	})
}

// FuzzBlock reads contents of blocks that no store has written: it ends, and
// does not break.
func FuzzBlock(f *testing.F) {
	for _, m := range []*event.Message{strange(), message(1, "d", 0, numbered(1), "text", ""), newFleet(3, 20, 1).message(1, noon)} {
		messages, guids := eventdb.Contents(m)
		f.Add(messages, guids)
	}
	f.Add([]byte{}, []byte{})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}, []byte{})
	f.Fuzz(func(t *testing.T, messages, guids []byte) {
		list, err := eventdb.Records(1, messages, guids)
		if err == nil && len(list) > len(messages) {
			t.Fatalf("%d events in %d bytes", len(list), len(messages))
		}
	})
}

// FuzzBody opens stored blocks that no store has written.
func FuzzBody(f *testing.F) {
	f.Add(eventdb.Body(1, strange()))
	f.Add(eventdb.Body(1, newFleet(3, 20, 1).message(1, noon)))
	f.Add([]byte{1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, body []byte) {
		// The checksum is made right, so that what is behind it is tried.
		_ = eventdb.Unpack(1, eventdb.Resealed(1, body))
	})
}

// TestAnyEvent keeps whatever an event can be.
func TestAnyEvent(t *testing.T) {
	t.Parallel()
	db := open(t, eventdb.Options{BlockBytes: 1000})
	sequence := uint64(0)
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "seconds"), rapid.SampledFrom([]int64{0, 120_000_000, 1, 999_999_999}).Draw(t, "nanoseconds")).UTC()
	})
	rapid.Check(t, func(t *rapid.T) {
		sequence++
		at := instant.Draw(t, "time")
		e := event.Event{
			ID: rapid.OneOf(drawID, rapid.String()).Draw(t, "id"), Type: rapid.OneOf(drawType, rapid.Map(rapid.String(), func(s string) event.Type { return event.Type(s) })).Draw(t, "type"),
			Category: rapid.SampledFrom([]event.Category{event.Periodic, event.Triggered, event.Aggregated, "", "x"}).Draw(t, "category"),
			Time:     at, Local: rapid.OneOf(rapid.String(), rapid.Just(at.Format(time.RFC3339Nano)), rapid.Just(at.Format("2006-01-02 15:04:05.0000000"))).Draw(t, "local"),
			Empty: rapid.Bool().Draw(t, "empty"), Payload: rapid.SliceOf(rapid.Byte()).Draw(t, "payload"),
		}
		switch rapid.IntRange(0, 2).Draw(t, "stated") {
		case 0:
			e.Stated = at
		case 1:
			e.Stated = instant.Draw(t, "stated")
		}
		if e.Kind = event.Kind(rapid.IntRange(0, int(event.Kinds)-1).Draw(t, "kind")); e.Kind == event.Unknown {
			e.Name = "not " + rapid.String().Draw(t, "name")
		} else {
			e.Name = e.Kind.String()
		}
		m := &event.Message{
			From: tvilling.Identity{Device: tvilling.DeviceID(rapid.String().Draw(t, "device")), Module: tvilling.ModuleID(rapid.String().Draw(t, "module"))}, Sequence: sequence,
			Received: noon, AgentID: rapid.OneOf(drawID, rapid.String()).Draw(t, "agent"), AgentVersion: rapid.String().Draw(t, "version"), Events: []event.Event{e},
		}
		if duplicate := add(t, db, m)[0][0]; duplicate {
			return
		}
		if rapid.Bool().Draw(t, "flush") {
			flush(t, db)
		}
		got := query(t, db, event.Query{After: event.Position{Sequence: sequence - 1, Index: 1 << 30}})
		if len(got) != 1 {
			t.Fatalf("%d records, want 1", len(got))
		}
		want := records([]*event.Message{m}, nil)[0]
		if len(want.Event.Payload) == 0 {
			want.Event.Payload, got[0].Event.Payload = nil, nil
		}
		if diff := cmp.Diff(want, got[0]); diff != "" {
			t.Fatalf("the event changed (-want +got):\n%s", diff)
		}
	})
}
