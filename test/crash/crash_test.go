// The tests of this directory end a hub without warning while it takes writes
// of every kind, start it again over the same data, and look whether all that
// was acknowledged is there, and nothing of it by halves.
package crash_test

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// lives is how often one data directory goes through a crash: recovering from
// a crash must leave what the next recovery needs.
const lives = 5

// runs is how many crashes a test makes: TVILLING_CRASH_RUNS, or as many as
// there is time for in every run of the tests.
func runs(t *testing.T, quick int) int {
	t.Helper()
	s := os.Getenv("TVILLING_CRASH_RUNS")
	if s == "" {
		return quick
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("TVILLING_CRASH_RUNS is %q, want a number of at least 1", s)
	}
	return n
}

// seed is what the choices of a test come from: TVILLING_CRASH_SEED, or the
// time. What the scheduler and the disk do is not repeated by it.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := os.Getenv("TVILLING_CRASH_SEED")
	if s == "" {
		return uint64(time.Now().UnixNano())
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("TVILLING_CRASH_SEED is %q, want a number", s)
	}
	return n
}

// TestCrashKill kills the process of a hub: every other directory belongs to
// the program as it is shipped, the others to one whose store is busier.
func TestCrashKill(t *testing.T) {
	t.Parallel()
	chains(t, 20, newWorkers, processes(t, 60*time.Millisecond))
}

// processes returns what makes the hub of a directory, as a process. At times
// it is killed within so long after its start, too.
func processes(t *testing.T, early time.Duration) func(*testing.T, int, *rand.Rand) hub {
	t.Helper()
	bin := build(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T, i int, random *rand.Rand) hub {
		p := &process{dir: filepath.Join(t.TempDir(), "data")}
		p.argv = []string{bin, "serve", "--data", p.dir, "--mqtt", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"}
		if i%2 == 1 {
			p.argv, p.env = []string{self}, []string{childEnv + "=" + p.dir}
		}
		started := false
		p.unready = func() (time.Duration, bool) {
			first := !started
			started = true
			return time.Duration(random.Int64N(int64(early))), !first && random.IntN(3) == 0
		}
		return p
	}
}

// TestCrashPower cuts the power of a hub's disk: of what was not synced, some
// sectors, sizes and names are there and some are not.
func TestCrashPower(t *testing.T) {
	t.Parallel()
	chains(t, 20, newWorkers, powers)
}

func powers(t *testing.T, _ int, random *rand.Rand) hub {
	return &powered{dir: filepath.Join(t.TempDir(), "data"), disk: faultfs.New(), random: random}
}

// crew is who works on a hub and looks after it.
type crew interface {
	setUp(l *life)
	verify(l *life)
	list() []worker
	// most is how many acknowledgements there are at most before the crash.
	most() float64
}

// chains runs directories through their lives, one directory after another.
func chains(t *testing.T, quick int, staff func(*rand.Rand) crew, fresh func(t *testing.T, i int, random *rand.Rand) hub) {
	t.Helper()
	n, first := runs(t, quick), seed(t)
	for i := 0; i*lives < n; i++ {
		// Each directory has a seed of its own, so that one can be run alone.
		s := first + uint64(i)
		t.Run("seed "+strconv.FormatUint(s, 10), func(t *testing.T) {
			random := rand.New(rand.NewPCG(s, 0))
			chain(t, fresh(t, i, random), staff(random), random, min(lives, n-i*lives))
		})
	}
}

// chain takes one directory through so many crashes, and then through an
// orderly stop.
func chain(t *testing.T, h hub, w crew, random *rand.Rand, crashes int) {
	t.Helper()
	for n := range crashes + 2 {
		l := begin(t, h)
		if n == 0 {
			w.setUp(l)
		} else {
			w.verify(l)
		}
		if t.Failed() {
			t.Logf("crash %d; run this directory again with TVILLING_CRASH_SEED and the seed in the test's name", n)
			h.kill()
			return
		}
		if n >= crashes {
			l.end()
			h.stop(t)
			continue
		}
		// Most crashes come early, some late.
		l.left.Store(int64(math.Exp2(random.Float64() * math.Log2(w.most()))))
		var wg sync.WaitGroup
		for _, worker := range w.list() {
			wg.Go(func() { worker.work(l) })
		}
		wg.Wait()
		l.end()
		if p, ok := h.(*powered); ok {
			// The hub notices that its disk is gone, or was asked to stop before.
			_ = p.wait(t)
		}
	}
}
