package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

var errBroken = errors.New("broken disk")

// crasher runs a store on a file system that fails, and knows what must be
// there. Every batch sets three devices to one version.
type crasher struct {
	dir   string
	fs    *faultfs.FS
	s     *sqlite.Store
	want  map[string]int64
	next  int64
	doubt map[string]int64 // a batch of which is not known whether it was kept
}

var crashDevices = []string{"a", "b", "c", "d", "e", "f"}

func (c *crasher) open(t *rapid.T) {
	s, err := sqlite.Open(context.Background(), sqlite.Options{Dir: c.dir, FS: c.fs, SegmentBytes: 8 << 10, CacheBytes: 1})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	c.s = s
}

func (c *crasher) commit(t *rapid.T) {
	c.next++
	batch := map[string]int64{}
	b := &state.Batch{}
	for _, name := range rapid.Permutation(crashDevices).Draw(t, "devices")[:3] {
		batch[name] = c.next
		b.Writes = append(b.Writes, device(name, c.next)...)
		// An owned member comes and goes with the versions.
		if c.next%2 == 0 {
			b.Writes = append(b.Writes, state.Write{ID: id(name, ""), Twin: owning(id(name, ""), c.next)})
		}
	}
	head, _ := c.s.Head()
	b.Changes = []state.Change{change(head+1, id("a", ""))}
	err := c.s.Commit(context.Background(), b)
	switch tvilling.CodeOf(err) {
	case "":
		if c.doubt != nil {
			t.Fatal("a commit after a failed fsync is accepted")
		}
		maps.Copy(c.want, batch)
	case tvilling.Unavailable:
		// Nothing is kept, now or after a crash.
	default:
		if c.doubt == nil {
			c.doubt = batch
		}
	}
}

func (c *crasher) fault(t *rapid.T) {
	switch rapid.IntRange(0, 3).Draw(t, "fault") {
	case 0:
		c.fs.SetSpace(rapid.Int64Range(0, 4000).Draw(t, "space"))
	case 1:
		c.fs.SetSpace(-1)
	case 2:
		c.fs.FailSync(rapid.IntRange(0, 2).Draw(t, "after"), errBroken)
	default:
		c.fs.FailWrite(rapid.IntRange(0, 2).Draw(t, "after"), errBroken)
	}
}

func (c *crasher) crash(t *rapid.T) {
	if err := c.s.Abandon(); err != nil {
		t.Fatalf("Abandon: %v", err)
	}
	keep := rapid.SliceOfN(rapid.Bool(), 64, 64).Draw(t, "keep")
	n := 0
	c.fs.Crash(func() bool { n++; return keep[n%len(keep)] })
	c.open(t)
	if c.doubt != nil {
		kept := 0
		for name, v := range c.doubt {
			if c.version(t, name) == v {
				kept++
			}
		}
		if kept != 0 && kept != len(c.doubt) {
			t.Fatalf("%d of the %d records of a batch are kept", kept, len(c.doubt))
		}
		if kept > 0 {
			maps.Copy(c.want, c.doubt)
		}
		c.doubt = nil
	}
}

func (c *crasher) version(t *rapid.T, name string) int64 {
	w, err := c.s.Twin(context.Background(), id(name, ""))
	if err != nil {
		t.Fatalf("Twin: %v", err)
	}
	if w == nil {
		return 0
	}
	want := twin(w.ID, w.Version)
	if w.Version%2 == 0 {
		want = owning(w.ID, w.Version)
	}
	if d := cmp.Diff(want, w); d != "" {
		t.Fatalf("device %s: -want +got:\n%s", name, d)
	}
	return w.Version
}

func (c *crasher) check(t *rapid.T) {
	for _, name := range crashDevices {
		if got := c.version(t, name); got != c.want[name] {
			t.Fatalf("device %s has version %d, want %d", name, got, c.want[name])
		}
	}
}

// TestCrash demands of any sequence of commits, failing disks, power cuts and
// starts: what was acknowledged is there, what was refused is not, and what is
// in doubt is there whole or not at all.
func TestCrash(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := &crasher{dir: t.TempDir(), fs: faultfs.New(), want: map[string]int64{}}
		c.open(rt)
		defer func() {
			if err := c.s.Abandon(); err != nil {
				rt.Error(err)
			}
		}()
		rt.Repeat(map[string]func(*rapid.T){
			"commit": c.commit,
			"again":  c.commit,
			"fault":  c.fault,
			"crash":  c.crash,
			"writeback": func(t *rapid.T) {
				if err := c.s.WriteBack(); err != nil {
					t.Fatal(err)
				}
			},
			"": c.check,
		})
	})
}

const crashDirEnv = "TVILLING_STORE_CRASH_DIR"

// TestKill ends a process that commits with SIGKILL and demands everything it
// said was committed.
func TestKill(t *testing.T) {
	if dir := os.Getenv(crashDirEnv); dir != "" {
		commitUntilKilled(t, dir)
		return
	}
	// Not parallel: a process that is being started shares the locks of others.
	dir := t.TempDir()
	acknowledged := int64(0)
	for round := range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), crashDirEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 400*(round+1) && lines.Scan(); {
			if v, ok := strings.CutPrefix(lines.Text(), "committed "); ok {
				if acknowledged, err = strconv.ParseInt(v, 10, 64); err != nil {
					t.Fatal(err)
				}
				n++
			}
		}
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it said before it ended counts, too
			if v, ok := strings.CutPrefix(lines.Text(), "committed "); ok {
				if acknowledged, err = strconv.ParseInt(v, 10, 64); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
		s := open(t, sqlite.Options{Dir: dir})
		head, _ := s.Head()
		if int64(head) < acknowledged || int64(head) > acknowledged+1 {
			t.Errorf("head is %d, %d was acknowledged", head, acknowledged)
		}
		for n := max(1, int64(head)-50); n <= int64(head); n++ {
			if got := version(t, s, fmt.Sprint("d", n%50)); got < n {
				t.Errorf("device d%d has version %d, want %d", n%50, got, n)
			}
		}
		if s.Stats().Replayed == 0 {
			t.Error("no batch was replayed after a kill")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func commitUntilKilled(t *testing.T, dir string) {
	s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, DirtyBytes: 60_000})
	if err != nil {
		t.Fatal(err)
	}
	head, _ := s.Head()
	for n := head + 1; ; n++ {
		name := fmt.Sprint("d", n%50)
		b := &state.Batch{Writes: device(name, int64(n)), Changes: []state.Change{change(n, id(name, ""))}}
		if err := s.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintln(os.Stdout, "committed", n); err != nil {
			t.Fatal(err)
		}
	}
}
