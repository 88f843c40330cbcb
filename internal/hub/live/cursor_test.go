package live

import "testing"

// FuzzCursor: whatever is taken for a cursor is just what a hub would have
// written.
func FuzzCursor(f *testing.F) {
	text, run := digest("SELECT * FROM devices"), digest("run")
	for _, p := range []position{{}, {told: 1, seen: 1}, {told: 300, seen: 70_000}, {told: 1<<64 - 2, seen: 1<<64 - 1}} {
		f.Add(p.encode(text, run))
	}
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, s string) {
		p, text, run, ok := parse(s)
		if ok && p.encode(text, run) != s {
			t.Errorf("%q is read as %v, which is written %q", s, p, p.encode(text, run))
		}
	})
}
