package spool_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// fate is what a crash may do to an event.
type fate int

const (
	// maybe: it may be there or not.
	maybe fate = iota
	// safe: it is there.
	safe
	// gone: it is not.
	gone
)

// crasher is a spool on a disk that crashes, and what may be left of it.
type crasher struct {
	fs    *faultfs.FS
	spool *spool.Spool
	n     int
	// Events by class and number: those not in fates have been added since the
	// last Sync that succeeded or failed.
	fates [spool.Classes]map[int]fate
	lost  uint64
}

func (c *crasher) dropped() (n uint64) {
	for _, count := range c.spool.Counts() {
		n += count.Lost()
	}
	return n
}

// settle gives events that were added since the last time a fate.
func (c *crasher) settle(from map[fate]fate) {
	for _, events := range c.fates {
		for n, f := range events {
			if to, ok := from[f]; ok {
				events[n] = to
			}
		}
	}
}

// fresh is the fate of events that no Sync has seen yet.
const fresh fate = -1

func (c *crasher) add(t *rapid.T) {
	class := spool.Class(rapid.IntRange(0, int(spool.Classes)-1).Draw(t, "class"))
	size := rapid.SampledFrom([]int{20, 300, 490, 1000, 5000, 30_000}).Draw(t, "size")
	for range rapid.IntRange(1, 8).Draw(t, "events") {
		c.n++
		if err := c.spool.Add(class, unlike(c.n, size)); err == nil {
			c.fates[class][c.n] = fresh
		}
	}
}

func (c *crasher) sync(*rapid.T) {
	if c.spool.Sync() == nil {
		c.settle(map[fate]fate{fresh: safe})
	} else {
		c.settle(map[fate]fate{fresh: maybe})
	}
}

func (c *crasher) send(t *rapid.T) {
	b, err := c.spool.Take(rapid.IntRange(300, 100_000).Draw(t, "budget"), 0, rapid.Permutation(all).Draw(t, "order")...)
	if err != nil {
		t.Fatal(err)
	}
	to := gone
	if rapid.Bool().Draw(t, "acknowledged") {
		if c.spool.Done(b) != nil {
			to = maybe
		}
	} else {
		return
	}
	for e := range b.Events() {
		n := number(t, e)
		for _, events := range c.fates {
			if _, ok := events[n]; ok {
				events[n] = to
			}
		}
	}
}

// unlike returns an event with a number, of which no part is like that of
// another: a sector of another must not be able to make one whole.
func unlike(n, size int) []byte {
	e := fmt.Appendf(nil, "%d ", n)
	rng := rand.New(rand.NewPCG(uint64(n), 0))
	for len(e) < size {
		e = strconv.AppendUint(e, rng.Uint64(), 36)
	}
	return e
}

// number returns the number of an event.
func number(t failer, e []byte) int {
	s, _, _ := strings.Cut(string(e), " ")
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// crash cuts the power, and looks at what is left.
func (c *crasher) crash(t *rapid.T) {
	if c.dropped() > c.lost { // to make room: which ones is the model's to check
		c.settle(map[fate]fate{safe: maybe})
	}
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	odds := rapid.SampledFrom([]int{0, 1, 5, 9, 10}).Draw(t, "kept of ten")
	c.fs.Crash(func() bool { return rng.IntN(10) < odds })
	left := drain(t, c.fs)
	c.spool = on(t, c.fs, 2<<20)
	c.lost = c.dropped()
	for class, events := range c.fates {
		last := 0
		there := map[int]bool{}
		for _, n := range left[class] {
			f, known := events[n]
			if !known || n <= last || f == gone {
				t.Fatalf("event %d in %s after %d: known %v, fate %d", n, spool.Class(class), last, known, f)
			}
			last = n
			there[n] = true
		}
		for _, n := range slices.Sorted(maps.Keys(events)) {
			if events[n] == safe && !there[n] {
				t.Fatalf("event %d in %s is lost: %v are left", n, spool.Class(class), left[class])
			}
			if there[n] {
				events[n] = safe // what is found after a crash is durable
			} else {
				delete(events, n)
			}
		}
	}
}

// drain returns the numbers of all events that a spool would find on fs, and
// leaves fs as it is.
func drain(t failer, fs *faultfs.FS) (left [spool.Classes][]int) {
	t.Helper()
	copied := faultfs.New()
	for _, name := range fs.Files() {
		copied.SetData(name, fs.Data(name))
	}
	s := on(t, copied, 2<<20)
	for c := range spool.Classes {
		for _, e := range empty(t, s, c) {
			left[c] = append(left[c], number(t, []byte(e)))
		}
	}
	return left
}

// empty takes all events of the classes out of a spool.
func empty(t failer, s *spool.Spool, classes ...spool.Class) (events []string) {
	t.Helper()
	for {
		b, err := s.Take(1<<18, 0, classes...)
		if err == nil {
			err = s.Done(b)
		}
		if err != nil {
			t.Fatal(err)
		}
		if b.Len() == 0 {
			return events
		}
		events = append(events, eventsOf(b)...)
	}
}

// TestCrash cuts the power again and again: what was synced and not done is
// there once, in order; what was done durably is not.
func TestCrash(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &crasher{fs: faultfs.New()}
		for class := range c.fates {
			c.fates[class] = map[int]fate{}
		}
		c.spool = on(t, c.fs, 2<<20)
		t.Repeat(map[string]func(*rapid.T){
			"add":  c.add,
			"add2": c.add,
			"sync": c.sync,
			"send": c.send,
			"wait": func(*rapid.T) { c.spool.RetryNow() },
			"fail": func(t *rapid.T) {
				n := rapid.IntRange(0, 4).Draw(t, "after")
				switch rapid.SampledFrom([]string{"sync", "write", "dir", "create", "remove", "full", "none", "none"}).Draw(t, "fault") {
				case "sync":
					c.fs.FailSync(n, syscall.EIO)
				case "write":
					c.fs.FailWrite(n, syscall.EIO)
				case "dir":
					c.fs.FailSyncDir(n, syscall.EIO)
				case "create":
					c.fs.Fail("create", syscall.ENOSPC)
				case "remove":
					c.fs.Fail("remove", syscall.EROFS)
				case "full":
					c.fs.SetSpace(int64(n) * 1000)
				default:
					c.fs.FailSync(0, nil)
					c.fs.FailWrite(0, nil)
					c.fs.FailSyncDir(0, nil)
					c.fs.Fail("create", nil)
					c.fs.Fail("remove", nil)
					c.fs.SetSpace(-1)
				}
			},
			"crash": c.crash,
		})
		c.crash(t)
	})
}
