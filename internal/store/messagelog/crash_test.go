package messagelog_test

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/messagelog"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// What was acknowledged is there after any number of power cuts, in order and
// whole, as far as retention has not removed it; nothing else is.
func TestCrashesLoseNothingAcknowledged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fs := faultfs.New()
		read := uint64(0) // what the reader is done with
		open := func() *messagelog.Log {
			l, err := messagelog.Open(messagelog.Options{Dir: "log", FS: fs, Reserve: 2000, MaxAge: time.Hour, Keep: func() uint64 { return read }})
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			return l
		}
		l := open()
		var acked []*tvilling.Message
		now := start
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				now = now.Add(time.Minute)
				batch := rapid.SliceOfN(drawMessage(), 1, 5).Draw(t, "batch")
				for _, m := range batch {
					m.Enqueued = now
				}
				if err := l.Append(t.Context(), batch); err != nil {
					t.Fatalf("Append: %v", err)
				}
				acked = append(acked, batch...)
			},
			"retain": func(t *rapid.T) {
				if _, err := l.Retain(now); err != nil {
					t.Fatalf("Retain: %v", err)
				}
				if len(acked) > 0 && l.First() > 1 && !acked[l.First()-2].Enqueued.Before(now.Add(-time.Hour)) {
					t.Fatalf("Retain removed a message of %v", now.Sub(acked[l.First()-2].Enqueued))
				}
			},
			"read": func(t *rapid.T) {
				read = rapid.Uint64Range(read, uint64(len(acked))).Draw(t, "to")
			},
			"crash": func(t *rapid.T) {
				fs.Crash(func() bool { return rapid.Bool().Draw(t, "keep") })
				l = open()
			},
			"": func(t *rapid.T) {
				if l.First() > read+1 {
					t.Fatalf("the log begins with message %d, but the reader has read up to %d", l.First(), read)
				}
				want := acked[l.First()-1:]
				for m, err := range l.Read(t.Context(), 0) {
					if err != nil {
						t.Fatalf("Read: %v", err)
					}
					if len(want) == 0 || m.Sequence != want[0].Sequence || !bytes.Equal(encoded(t, m), encoded(t, want[0])) {
						t.Fatalf("Read yields a message %d that was not acknowledged as such", m.Sequence)
					}
					want = want[1:]
				}
				if len(want) > 0 {
					t.Fatalf("Read ends before message %d", want[0].Sequence)
				}
			},
		})
	})
}

// encoded compares faster than cmp does.
func encoded(t *rapid.T, m *tvilling.Message) []byte {
	b, err := messagelog.AppendEncoded(nil, m)
	if err != nil {
		t.Fatalf("AppendEncoded: %v", err)
	}
	return b
}
