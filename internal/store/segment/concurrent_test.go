package segment_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/segment"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// Appenders, followers and Drop at once: every follower sees every record that
// was not dropped before it came by, in order and whole.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	const appenders, appends, batchSize = 3, 60, 4
	const total = appenders * appends * batchSize
	l := mustOpen(t, segment.Options{Dir: "log", FS: faultfs.New(), MaxBytes: 2000, Reserve: 500})
	var wg sync.WaitGroup
	for a := range appenders {
		wg.Go(func() {
			for i := range appends {
				var b [][]byte
				for j := range batchSize {
					b = append(b, fmt.Appendf(nil, "%d/%d#%d", a, i, j))
				}
				first, err := l.Append(b)
				if err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				if first > total/2 {
					if err := l.Drop(first - total/3); err != nil {
						t.Errorf("Drop: %v", err)
						return
					}
				}
			}
		})
	}
	for range 3 {
		wg.Go(func() { follow(t, l, total) })
	}
	wg.Wait()
	if got := l.Head(); got != total {
		t.Errorf("Head = %d, want %d", got, total)
	}
	var size int64
	for _, s := range l.Segments() {
		size += s.Bytes
	}
	if l.Bytes() != size || l.First() == 1 {
		t.Errorf("Bytes = %d, First = %d; the files have %d bytes", l.Bytes(), l.First(), size)
	}
}

// follow reads l up to a sequence, waiting for what is not there yet.
func follow(t *testing.T, l *segment.Log, until uint64) {
	seen := map[string]int{} // how many records of each append
	for pos := uint64(0); pos < until; {
		changed := l.Changed()
		for r, err := range l.Read(pos) {
			if err != nil {
				t.Errorf("Read: %v", err)
				return
			}
			next := r.Sequence == pos+1
			if r.Sequence <= pos || !next && r.Sequence > l.First() {
				t.Errorf("Read yields %d after %d, and First is %d", r.Sequence, pos, l.First())
				return
			}
			of, number, _ := strings.Cut(string(r.Payload), "#")
			if want := strconv.Itoa(seen[of]); number != want && next {
				t.Errorf("record %d is %q, want number %s of its append", r.Sequence, r.Payload, want)
				return
			}
			seen[of]++
			pos = r.Sequence
		}
		if pos < until {
			<-changed
		}
	}
}

func TestCloseEndsReaders(t *testing.T) {
	t.Parallel()
	l := mustOpen(t, segment.Options{Dir: "log", FS: faultfs.New(), MaxBytes: 64})
	for i := range 4 {
		mustAppend(t, l, fmt.Sprint(i))
	}
	var got []error
	for r, err := range l.Read(0) {
		if r.Sequence == 1 {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		got = append(got, err)
	}
	if len(got) != 2 || got[0] != nil || tvilling.CodeOf(got[1]) != tvilling.Unavailable {
		t.Errorf("Read during Close yields %v, want a record and code Unavailable", got)
	}
	if err := l.Drop(2); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("Drop after Close = %v, want code Unavailable", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second Close = %v", err)
	}
}
