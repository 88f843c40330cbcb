package budget_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/agent/budget"
)

// worker is a process whose use of the CPU is what the test says.
type worker struct{ used time.Duration }

func (w *worker) cpu() (time.Duration, error) { return w.used, nil }

func newCPU(t *testing.T, percent float64) (*budget.Budget, *worker) {
	t.Helper()
	w := &worker{}
	return budget.New(budget.Options{Root: t.TempDir(), Limits: budget.Limits{CPUPercent: percent}, CPU: w.cpu}), w
}

// waited is how long a Wait took.
func waited(t *testing.T, b *budget.Budget) time.Duration {
	t.Helper()
	start := time.Now()
	if err := b.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return time.Since(start)
}

func TestWaitHoldsTheShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := newCPU(t, 5)
		// What was saved up, 5 % of 20 s, is used at once.
		w.used += time.Second
		if d := waited(t, b); d != 0 || b.Busy() {
			t.Errorf("waited %v with a bucket just empty, busy %v", d, b.Busy())
		}
		w.used += 100 * time.Millisecond
		if !b.Busy() {
			t.Error("not busy with a debt of 100 ms")
		}
		if d := waited(t, b); d != 2*time.Second { // 100 ms are 5 % of 2 s
			t.Errorf("waited %v, want 2s", d)
		}
		if b.Busy() {
			t.Error("busy after the wait")
		}
		// Work without end, in units of 10 ms, stays at the share.
		start, used := time.Now(), w.used
		for range 1000 {
			waited(t, b)
			w.used += 10 * time.Millisecond
		}
		share := float64(w.used-used) / float64(time.Since(start))
		if share < 0.049 || share > 0.051 {
			t.Errorf("used %.4f of a core, want 0.05", share)
		}
		if got := b.Use(); got.Sheds.CPU != 1000 {
			t.Errorf("counted %d waits, want 1000", got.Sheds.CPU)
		}
	})
}

func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := newCPU(t, 1)
		w.used = time.Hour
		if d := waited(t, b); d != 10*time.Second {
			t.Errorf("waited %v, want 10s", d)
		}
		// The debt is bounded, too: the share of a minute.
		<-time.After(50*time.Second + time.Millisecond)
		if b.Busy() {
			t.Error("busy a minute after an hour of work")
		}
		w.used += time.Hour
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := b.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait returned %v, want the context's error", err)
		}
		if err := b.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait returned %v after the context's end", err)
		}
		b.Set(budget.Limits{})
		w.used += time.Hour
		if b.Busy() || waited(t, b) != 0 {
			t.Error("held back without a limit")
		}
	})
}

func TestUseOfCPU(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, w := newCPU(t, 5)
		if u := b.Use(); u.CPUPercent != 0 || u.CPUSeconds != 0 {
			t.Errorf("used %+v at the start", u)
		}
		for range 30 { // 2 % for five minutes
			<-time.After(10 * time.Second)
			w.used += 200 * time.Millisecond
			b.Check()
		}
		if u := b.Use(); u.CPUPercent != 2 || u.CPUSeconds != 6 {
			t.Errorf("used %+v, want 2 %% and 6 s", u)
		}
		<-time.After(30 * time.Second) // then nothing for half a minute
		if u := b.Use(); u.CPUPercent != 1 || u.CPUSeconds != 6 {
			t.Errorf("used %+v, want 1 %% and 6 s", u)
		}
	})
}

func TestBytesOfADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // it begins at midnight of UTC, 2000
		<-time.After(25 * 365 * 24 * time.Hour)
		date := time.Now().UTC().Format(time.DateOnly)
		b := budget.New(budget.Options{Embedded: true, Limits: budget.Limits{BytesPerDay: 1000}, Day: budget.Day{Date: date, Bytes: 700}})
		check := func(left int64, low, high bool) {
			t.Helper()
			if got := b.Left(); got != left {
				t.Errorf("%d bytes are left, want %d", got, left)
			}
			if l, h := b.MayTry(false), b.MayTry(true); l != low || h != high {
				t.Errorf("may try: low %v, high %v, want %v, %v", l, h, low, high)
			}
		}
		check(300, true, true)
		b.Charge(99)
		check(201, true, true)
		b.Charge(1)
		check(200, false, true)
		b.Charge(199)
		check(1, false, true)
		b.Charge(1)
		check(0, false, false)
		b.Charge(-5)
		b.Charge(math.MaxInt64)
		if got := b.Today(); got != (budget.Day{Date: date, Bytes: 1000}) {
			t.Errorf("today is %+v", got)
		}
		if u := b.Use(); u.Sheds.Bytes != 1 || u.BytesToday != 1000 {
			t.Errorf("use is %+v", u)
		}
		<-time.After(24*time.Hour - time.Nanosecond)
		check(0, false, false)
		<-time.After(time.Nanosecond)
		check(1000, true, true)
		b.Set(budget.Limits{})
		b.Charge(5000)
		check(math.MaxInt64, true, true)
	})
}

// A device whose clock is not set yet does not get the bytes of another day.
func TestBytesBeforeTheClockIsSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the year is 2000
		kept := budget.Day{Date: "2026-11-28", Bytes: 900}
		b := budget.New(budget.Options{Embedded: true, Limits: budget.Limits{BytesPerDay: 1000}, Day: kept})
		b.Charge(50)
		if got := b.Today(); got != (budget.Day{Date: "2026-11-28", Bytes: 950}) {
			t.Errorf("today is %+v", got)
		}
		fresh := budget.New(budget.Options{Embedded: true})
		if got := fresh.Today(); got != (budget.Day{Date: "2000-01-01"}) {
			t.Errorf("without a kept day today is %+v", got)
		}
	})
}

// It does not run with others: the runtime's limit is the process's.
func TestEmbedded(t *testing.T) {
	w := &worker{}
	before := debug.SetMemoryLimit(-1)
	b := budget.New(budget.Options{Embedded: true, CPU: w.cpu, Limits: budget.Limits{MemoryBytes: 1, CPUPercent: 1}})
	w.used = time.Hour
	if l := b.Check(); l != budget.Normal || b.Busy() {
		t.Errorf("level %v, busy %v", l, b.Busy())
	}
	if u := b.Use(); u != (budget.Use{}) {
		t.Errorf("use is %+v", u)
	}
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("the runtime's limit became %d", got)
	}
	if got := b.Enforcement(); got != "none: the agent is part of another program" {
		t.Errorf("enforced by %q", got)
	}
}

// fixture writes files below a folder.
func fixture(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		put(t, root, name, content)
	}
	return root
}

func put(t *testing.T, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// pages is statm of a process with so many bytes.
func pages(resident, shared int) string {
	size := os.Getpagesize()
	return "1000000 " + strconv.Itoa(resident/size) + " " + strconv.Itoa(shared/size) + " 900 0 7000 0\n"
}

// It does not run with others: the runtime's limit is the process's.
func TestMemory(t *testing.T) {
	const mib = 1 << 20
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	// The limits are larger than an agent's, for the test's own program.
	root := fixture(t, map[string]string{"proc/self/statm": pages(800*mib, 100*mib), "proc/self/status": "Name:\tx\nVmHWM:\t  921600 kB\n"})
	b := budget.New(budget.Options{Root: root, Limits: budget.Limits{MemoryBytes: 1000 * mib}})
	soft := func(want int64) {
		t.Helper()
		if got := debug.SetMemoryLimit(-1); got != want*mib {
			t.Errorf("the runtime may have %d MiB, want %d", got/mib, want)
		}
	}
	level := func(resident, shared int, want budget.Level) {
		t.Helper()
		put(t, root, "proc/self/statm", pages(resident, shared))
		if got := b.Check(); got != want {
			t.Errorf("at %d MiB the level is %v, want %v", resident/mib, got, want)
		}
	}
	soft(800)
	level(900*mib-os.Getpagesize(), 100*mib, budget.Normal)
	level(900*mib, 100*mib, budget.Tight)
	level(1000*mib, 300*mib, budget.Tight)
	soft(600)
	level(1000*mib+os.Getpagesize(), 700*mib, budget.Over)
	soft(500)
	level(500*mib, 100*mib, budget.Normal)
	level(950*mib, 100*mib, budget.Tight)
	u := b.Use()
	if u.RSSBytes != 950*mib || u.PeakRSSBytes != 1000*mib+int64(os.Getpagesize()) || u.Sheds.Memory != 2 {
		t.Errorf("use is %+v", u)
	}
	put(t, root, "proc/self/statm", "nonsense")
	if got := b.Check(); got != budget.Normal {
		t.Errorf("what cannot be read is %v", got)
	}
	b.Set(budget.Limits{})
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("without a limit the runtime may have %d", got)
	}
}

func TestOnThisMachine(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/statm"); err != nil {
		t.Skip(err)
	}
	b := budget.New(budget.Options{})
	for end := time.Now().Add(time.Minute); ; { // until some CPU time is seen
		u := b.Use()
		if u.RSSBytes < 1<<20 || u.RSSBytes > 1<<33 || u.PeakRSSBytes < u.RSSBytes {
			t.Fatalf("use is %+v", u)
		}
		if u.CPUSeconds > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("no CPU time was used")
		}
	}
}
