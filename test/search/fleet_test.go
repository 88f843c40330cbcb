// The benchmarks of this directory ask a large fleet in a real store, through
// the search as the hub has it.
package search_test

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// A fleet that is kept is made once:
//
//	go test ./test/search -run - -bench . -search-dir /tmp/fleet -search-size 1000000
var (
	fleetDir  = flag.String("search-dir", "", "keep the fleet of the benchmarks in this `directory`")
	fleetSize = flag.Int("search-size", 10_000, "the fleet has this many `devices`, each with a security module")
)

// templates is how many different twins there are of each kind.
const templates = 2000

// fleet is a store with an index and a search over it, and a committer.
type fleet struct {
	store     *sqlite.Store
	index     *index.Index
	search    *search.Service
	committer *commit.Committer
}

type nobody struct{}

func (nobody) Live(tvilling.Identity) (connected bool, since, activity time.Time) {
	return false, time.Time{}, time.Time{}
}

func deviceID(n int) tvilling.Identity {
	return tvilling.Device(tvilling.DeviceID(fmt.Sprintf("device-%08d", n)))
}

func section(b testing.TB, part doc.Part, body string) doc.Section {
	b.Helper()
	p, err := doc.Parse([]byte(body), part)
	if err != nil {
		b.Fatal(err)
	}
	s, err := doc.Section(nil).Merge(p, part, doc.Stamp{Time: time.Unix(1_800_000_000, 0), Actor: "device:d"})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// twins returns templates of devices' and of security modules' twins.
func twins(b testing.TB) (devices, modules []*state.Twin) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	for range templates {
		d, m := state.NewTwin(tvilling.Device("d")), state.NewTwin(tvilling.Device("d"))
		d.Tags = section(b, doc.Tags, fmt.Sprintf(`{"site":"s%03d","tier":%q}`, r.IntN(200), pick("gold", "silver")))
		d.Reported = section(b, doc.Reported, fmt.Sprintf(`{"battery":%d,"firmware":"4.%d"}`, r.IntN(101), r.IntN(20)))
		m.Tags = section(b, doc.Tags, fmt.Sprintf(`{"ring":%d}`, r.IntN(10)))
		m.Desired = section(b, doc.Desired, fmt.Sprintf(`{"agent":{"snapshotFrequency":%q,"maxMessageSizeInBytes":%d,"eventPriorityLogin":"Low","hubResourceId":"/subscriptions/x"}}`, pick("PT13H", "PT6H"), 1024*r.IntN(3)))
		m.Reported = section(b, doc.Reported, fmt.Sprintf(`{"agent":{"version":"0.%d.%d","started":"2026-01-02T%02d:%02d:00Z"},"machine":{"os":"Linux","release":"6.1.%d","memory":%d,"serial":"%016x%016x"},"baseline":{"passed":%d,"failed":%d},"ports":[22,%d],"text":"%0600d"}`,
			r.IntN(4), r.IntN(9), r.IntN(24), r.IntN(60), r.IntN(120), 512<<r.IntN(5), r.Uint64(), r.Uint64(), r.IntN(80), r.IntN(30), r.IntN(40000), r.IntN(1000)))
		m.Owned = []state.Owned{{Name: "security", Value: section(b, doc.Owned, fmt.Sprintf(`{"state":%q,"score":%d}`, pick("healthy", "healthy", "atRisk", "unknown"), r.IntN(100)))}}
		devices, modules = append(devices, d), append(modules, m)
	}
	return devices, modules
}

// makeFleet fills a new store.
func makeFleet(b *testing.B, o sqlite.Options) {
	b.Helper()
	s, err := sqlite.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	devices, modules := twins(b)
	for n := 0; n < *fleetSize; {
		var batch state.Batch
		head, _ := s.Head()
		for range min(500, *fleetSize-n) {
			for _, template := range []*state.Twin{devices[n%templates], modules[n%templates]} {
				t := *template
				if t.ID = deviceID(n); template == modules[n%templates] {
					t.ID.Module = tvilling.SecurityModule
				}
				batch.Writes = append(batch.Writes,
					state.Write{ID: t.ID, Identity: &state.Identity{ID: t.ID, Version: 1, Auth: state.Authentication{Type: state.SAS}}},
					state.Write{ID: t.ID, Twin: &t})
			}
			n++
		}
		batch.Changes = []state.Change{{Sequence: head + 1, Time: time.Now(), Op: state.CreateDevice, ID: deviceID(n - 1)}}
		if err := s.Commit(context.Background(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

var opened struct {
	once sync.Once
	*fleet
}

// open opens the fleet, once for all benchmarks.
func open(b *testing.B) *fleet {
	b.Helper()
	opened.once.Do(func() { opened.fleet = openFleet(b) })
	if opened.fleet == nil {
		b.Fatal("the fleet could not be opened")
	}
	return opened.fleet
}

func openFleet(b *testing.B) *fleet {
	b.Helper()
	o := sqlite.Options{Dir: *fleetDir}
	if o.Dir == "" {
		var err error
		if o.Dir, err = os.MkdirTemp("", "search"); err != nil { //nolint:usetesting // it outlives the first benchmark
			b.Fatal(err)
		}
		removed = o.Dir
	}
	made := filepath.Join(o.Dir, fmt.Sprintf("made-%d", *fleetSize))
	if _, err := os.Stat(made); err != nil {
		makeFleet(b, o)
		if err := os.WriteFile(made, nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	f := &fleet{}
	var err error
	if f.store, err = sqlite.Open(context.Background(), o); err != nil { // it outlives the first benchmark
		b.Fatal(err)
	}
	f.index = index.New(index.Options{Live: nobody{}.Live})
	begin := time.Now()
	if err := f.index.Build(b.Context(), func(ctx context.Context, kind state.Kind) iter.Seq2[state.Entry, error] {
		return f.store.Scan(ctx, state.Range{Kind: kind})
	}, f.store.Session); err != nil {
		b.Fatal(err)
	}
	b.Logf("index of %d devices built in %s, %d MiB", *fleetSize, time.Since(begin).Round(time.Millisecond), f.index.Stats().Bytes>>20)
	so := search.Options{Store: f.store, Sessions: nobody{}, Document: hubapi.Document}
	so.Index = f.index
	f.search = search.New(so)
	if f.committer, err = commit.New(b.Context(), commit.Options{Store: f.store, Follow: f.index.Committed, Fatal: func(err error) { panic(err) }}); err != nil {
		b.Fatal(err)
	}
	return f
}

// removed is the directory to remove at the end.
var removed string

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if f := opened.fleet; f != nil {
		if err := f.store.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if removed != "" {
		if err := os.RemoveAll(removed); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
