package collect

import (
	"strings"
	"testing"
)

// TestRecentRoom: values that are large leave room for few.
func TestRecentRoom(t *testing.T) {
	r := newRecent[int, string](100)
	r.size, r.room = func(s string) int { return len(s) }, 1000
	for k := range 500 {
		r.put(k, strings.Repeat("x", 90))
		r.put(k, strings.Repeat("x", 100)) // takes the place of the other
		if r.full > r.room || r.full != 100*len(r.entries) {
			t.Fatalf("%d entries have %d bytes", len(r.entries), r.full)
		}
		if _, ok := r.get(k); !ok {
			t.Fatal("the newest is forgotten")
		}
	}
	if n := len(r.entries); n < 8 {
		t.Errorf("%d entries are left", n)
	}
	r.put(1000, strings.Repeat("x", 2000))
	if _, ok := r.get(1000); !ok || len(r.entries) != 1 {
		t.Error("one that is too large is not alone")
	}
	r.delete(1000)
	if r.full != 0 {
		t.Errorf("nothing has %d bytes", r.full)
	}
}
