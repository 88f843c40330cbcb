package index_test

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// fleetSize is how many devices, each with a security module, the benchmarks are over.
var fleetSize = flag.Int("index-rows", 100_000, "devices in the fleet of the benchmarks")

// templates is how many different twins of each kind the fleet has.
const templates = 50_000

type fleet struct {
	devices, modules []*state.Twin
	size             int
}

const agentObject = `{"highPriorityMessageFrequency":"PT7M","lowPriorityMessageFrequency":"PT5H","snapshotFrequency":%q,` +
	`"maxLocalCacheSizeInBytes":2560000,"maxMessageSizeInBytes":%d,"hubResourceId":"/subscriptions/x","baselineCustomChecksEnabled":false,` +
	`"baselineCustomChecksFilePath":"","baselineCustomChecksFileHash":"","eventPriorityProcessCreate":"Off","eventPriorityListeningPorts":"High",` +
	`"eventPriorityLogin":"Low","eventPriorityConnectionCreate":"Low","eventPriorityFirewallConfiguration":"Low","eventPriorityOSBaseline":"Low",` +
	`"eventPrioritySystemInformation":"Low","eventPriorityLocalUsers":"High","eventPriorityDiagnostic":"Low","eventPriorityOperational":"Low"}`

// merged returns a section with the members of a JSON object.
func merged(tb testing.TB, s doc.Section, part doc.Part, body string, minute int) doc.Section {
	tb.Helper()
	p, err := doc.Parse([]byte(body), part)
	if err != nil {
		tb.Fatalf("%s: %v", body, err)
	}
	s, err = s.Merge(p, part, doc.Stamp{Time: start.Add(time.Duration(minute) * time.Minute), Actor: "device:d"})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

var (
	makeFleet sync.Once
	theFleet  *fleet
)

// newFleet makes twins as security agents leave them: configuration, what they
// report of themselves and their machine, and a posture.
func newFleet(tb testing.TB) *fleet {
	tb.Helper()
	makeFleet.Do(func() {
		f := &fleet{size: *fleetSize}
		r := rand.New(rand.NewPCG(1, 2))
		pick := func(list ...string) string { return list[r.IntN(len(list))] }
		for i := range min(templates, f.size) {
			d, m := state.NewTwin(tvilling.Device("d")), state.NewTwin(tvilling.Device("d"))
			d.Tags = merged(tb, d.Tags, doc.Tags, fmt.Sprintf(`{"site":"s%03d","customer":"customer-%03d","tier":%q}`, r.IntN(400), r.IntN(300), pick("gold", "silver")), i)
			d.Desired = merged(tb, d.Desired, doc.Desired, fmt.Sprintf(`{"interval":%d,"mode":%q}`, 10*r.IntN(30), pick("eco", "normal")), i)
			d.Reported = merged(tb, d.Reported, doc.Reported, fmt.Sprintf(`{"firmware":{"version":"4.%d.%d","state":"applied"},"battery":{"level":%d,"charging":%t},"uptime":%d}`,
				r.IntN(20), r.IntN(9), r.IntN(101), r.IntN(2) == 0, r.IntN(1e7)), i)
			object := fmt.Sprintf(agentObject, pick("PT13H", "PT6H"), 1024*r.IntN(3))
			m.Tags = merged(tb, m.Tags, doc.Tags, fmt.Sprintf(`{"ring":%d,"owner":"team-%02d"}`, r.IntN(10), r.IntN(40)), i)
			m.Desired = merged(tb, m.Desired, doc.Desired, `{"agent":`+object+`}`, i)
			m.Reported = merged(tb, m.Reported, doc.Reported, fmt.Sprintf(`{"agent":%s,"x":%d,"process":{"version":"0.%d.%d","started":"2026-01-02T%02d:%02d:%02dZ","spooled":%d},"machine":{"os":"Linux","release":"6.1.%d","memory":%d,"ip":"10.%d.%d.%d","serial":"%08x-%d"},"baseline":{"passed":%d,"failed":%d},"ports":[22,%d],"fingerprint":"%016x%016x%016x%016x"}`,
				object, i%1000, r.IntN(4), r.IntN(9), r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(5000), r.IntN(120), 512<<r.IntN(5), r.IntN(255), r.IntN(255), r.IntN(255),
				r.Uint32(), i, r.IntN(80), r.IntN(30), r.IntN(40000), r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()), i)
			posture := merged(tb, nil, doc.Owned, fmt.Sprintf(`{"state":%q,"score":%d,"parts":{"alerts":0,"recommendations":%d,"agent":0},"alerts":{"high":0,"medium":%d,"low":0},"agent":{"version":"0.%d.1"},"configuration":%q}`,
				pick("healthy", "healthy", "atRisk", "unknown"), r.IntN(100), r.IntN(9), r.IntN(3), r.IntN(4), pick("inSync", "inSync", "differs")), i)
			m.Owned = []state.Owned{{Name: "security", Value: posture}}
			f.devices, f.modules = append(f.devices, d), append(f.modules, m)
		}
		theFleet = f
	})
	return theFleet
}

func (f *fleet) id(i int) tvilling.Identity {
	return tvilling.Device(tvilling.DeviceID(fmt.Sprintf("device-%07d", i)))
}

func (f *fleet) twin(i int, kind state.Kind) (*state.Identity, *state.Twin) {
	id, list := f.id(i), f.devices
	if kind == state.Modules {
		id.Module, list = tvilling.SecurityModule, f.modules
	}
	t := *list[i%len(list)]
	t.ID = id
	return &state.Identity{ID: id, Version: 1, Auth: state.Authentication{Type: state.SAS}}, &t
}

func (f *fleet) scan(_ context.Context, kind state.Kind) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		for i := range f.size {
			rec, t := f.twin(i, kind)
			if !yield(state.Entry{ID: rec.ID, Identity: rec, Twin: t}, nil) {
				return
			}
		}
	}
}

func noSession(context.Context, tvilling.Identity) (*state.Session, error) { return nil, nil }

var (
	makeIndex sync.Once
	theIndex  *index.Index
)

// fleetIndex returns an index over the fleet.
func fleetIndex(tb testing.TB) (*index.Index, *fleet) {
	tb.Helper()
	f := newFleet(tb)
	makeIndex.Do(func() {
		theIndex = index.New(index.Options{Budget: 1 << 30})
		if err := theIndex.Build(tb.Context(), f.scan, noSession); err != nil {
			tb.Fatal(err)
		}
	})
	return theIndex, f
}

// BenchmarkBuild fills an index and tells what it takes, by its own account and
// by that of the runtime.
func BenchmarkBuild(b *testing.B) {
	f := newFleet(b)
	for b.Loop() {
		before := heap()
		x := index.New(index.Options{Budget: 1 << 30})
		begin := time.Now()
		if err := x.Build(b.Context(), f.scan, noSession); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(begin).Seconds(), "s/build")
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
		b.ReportMetric(float64(x.Stats().Bytes)/(1<<20), "MiB-accounted")
		b.ReportMetric(float64(len(x.Stats().Columns)), "columns")
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

var countQueries = []struct{ name, text string }{
	{"TwoPredicates", "SELECT COUNT() AS n FROM devices.modules WHERE security.state = 'atRisk' AND properties.reported.x > 990"},
	{"TwoPredicatesOfDevices", "SELECT COUNT() AS n FROM devices WHERE tags.site = 's007' AND properties.reported.battery.level < 20"},
	{"OnePredicate", "SELECT COUNT() AS n FROM devices.modules WHERE security.state = 'atRisk'"},
	{"RawNumber", "SELECT COUNT() AS n FROM devices WHERE properties.reported.uptime > 9000000"},
	{"HashedText", "SELECT COUNT() AS n FROM devices.modules WHERE properties.reported.machine.ip = '10.1.2.3'"},
	{"DeviceIDs", "SELECT COUNT() AS n FROM devices WHERE STARTSWITH(deviceId, 'device-00000')"},
	{"Silent", "SELECT COUNT() AS n FROM devices.modules WHERE properties.reported.$metadata.$lastUpdated < '2026-03-05'"},
	{"LastActivity", "SELECT COUNT() AS n FROM devices.modules WHERE lastActivityTime < '2026-03-05'"},
	{"Joined", "SELECT COUNT() AS n FROM devices JOIN devices.modules WHERE tags.site = 's007' AND modules.security.state = 'atRisk'"},
}

func BenchmarkCount(b *testing.B) {
	x, _ := fleetIndex(b)
	for _, tt := range countQueries {
		b.Run(tt.name, func(b *testing.B) {
			q := compile(b, tt.text)
			h := newQuantiles(b)
			for b.Loop() {
				h.begin()
				n, err := x.Count(b.Context(), q)
				if err != nil || n.Examined == 0 {
					b.Fatal(n, err)
				}
				h.end()
			}
			h.report()
		})
	}
}

func BenchmarkGroup(b *testing.B) {
	x, _ := fleetIndex(b)
	for _, tt := range []struct{ name, text string }{
		{"OnePath", "SELECT security.state, COUNT() AS n FROM devices.modules GROUP BY security.state"},
		{"TwoPaths", "SELECT security.state, security.configuration, COUNT() AS n FROM devices.modules GROUP BY security.state, security.configuration"},
		{"ManyGroups", "SELECT tags.site, tags.customer, COUNT() AS n FROM devices WHERE tags.tier = 'gold' AND properties.reported.battery.level < 1 GROUP BY tags.site, tags.customer"},
		{"Average", "SELECT security.state, AVG(security.score) AS score FROM devices.modules GROUP BY security.state"},
		{"RawNumbers", "SELECT tags.tier, AVG(properties.reported.uptime) AS uptime FROM devices GROUP BY tags.tier"},
		{"Joined", "SELECT tags.site, modules.security.state, COUNT() AS n FROM devices JOIN devices.modules GROUP BY tags.site, modules.security.state"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			q := compile(b, tt.text)
			h := newQuantiles(b)
			for b.Loop() {
				h.begin()
				g := q.NewGroups()
				if n, err := x.Group(b.Context(), q, g); err != nil || n.Doubtful > 0 {
					b.Fatal(n, err)
				}
				if _, err := g.Page(100, ""); err != nil {
					b.Fatal(err)
				}
				h.end()
			}
			h.report()
		})
	}
}

func BenchmarkTop(b *testing.B) {
	x, _ := fleetIndex(b)
	for _, tt := range []struct{ name, text string }{
		{"Coded", "SELECT * FROM devices.modules ORDER BY security.score DESC"},
		{"Raw", "SELECT * FROM devices WHERE tags.tier = 'gold' ORDER BY properties.reported.uptime DESC"},
		{"Joined", "SELECT deviceId FROM devices JOIN devices.modules WHERE moduleId = 'azureiotsecurity' ORDER BY modules.security.score"},
		{"JoinedAlerts", "SELECT deviceId FROM devices JOIN devices.modules WHERE moduleId = 'azureiotsecurity' ORDER BY modules.security.alerts.high DESC, modules.security.alerts.medium DESC"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			q := compile(b, tt.text)
			h := newQuantiles(b)
			for b.Loop() {
				h.begin()
				if f, err := x.Top(b.Context(), q, query.Position{}, 100); err != nil || len(f.IDs) != 100 || f.Doubtful > 0 {
					b.Fatal(f.Doubtful, err)
				}
				h.end()
			}
			h.report()
		})
	}
}

func BenchmarkFind(b *testing.B) {
	x, _ := fleetIndex(b)
	for _, tt := range []struct{ name, text string }{
		{"All", "SELECT * FROM devices.modules"},
		{"Selective", "SELECT * FROM devices.modules WHERE security.score = 7 AND tags.ring = 3"},
		{"VerySelective", "SELECT * FROM devices.modules WHERE security.score = 7 AND tags.ring = 3 AND properties.reported.x = 17"},
		{"HashedText", "SELECT * FROM devices.modules WHERE properties.reported.machine.ip = '10.1.2.3'"},
		{"Devices", "SELECT * FROM devices WHERE tags.site = 's007' AND properties.reported.battery.level < 5"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			q := compile(b, tt.text)
			h := newQuantiles(b)
			for b.Loop() {
				h.begin()
				if _, err := x.Find(b.Context(), q, tvilling.Identity{}, 100); err != nil {
					b.Fatal(err)
				}
				h.end()
			}
			h.report()
		})
	}
}

// BenchmarkCommitted takes on reported patches of five leaves, in rounds of 256.
func BenchmarkCommitted(b *testing.B) {
	x, f := fleetIndex(b)
	const round = 256
	var rounds [][]commit.Touched
	r := rand.New(rand.NewPCG(3, 4))
	for range 64 {
		var list []commit.Touched
		for range round {
			_, t := f.twin(r.IntN(f.size), state.Modules)
			next := *t
			next.Reported = merged(b, t.Reported, doc.Reported, fmt.Sprintf(`{"x":%d,"process":{"spooled":%d,"version":"0.%d.1"},"baseline":{"passed":%d},"machine":{"ip":"10.9.%d.%d"}}`,
				r.IntN(1000), r.IntN(5000), r.IntN(9), r.IntN(80), r.IntN(255), r.IntN(255)), 7)
			list = append(list,
				commit.Touched{ID: t.ID, HasTwin: true, Before: t, Twin: &next},
				commit.Touched{ID: t.ID, HasTwin: true, Before: &next, Twin: t})
		}
		rounds = append(rounds, list)
	}
	b.ResetTimer()
	before := processorTime(b)
	for i := 0; b.Loop(); i++ {
		x.Committed(rounds[i%len(rounds)])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/round/2, "ns/patch")
	b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N)/round/2, "cpu-ns/patch")
}

// processorTime is what the process has had of the processors: on a machine
// that others use, too, it tells more than the time that passed.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// quantiles collects how long single queries take.
type quantiles struct {
	b     *testing.B
	times []time.Duration
	begun time.Time
	used  time.Duration
}

func newQuantiles(b *testing.B) *quantiles { return &quantiles{b: b, used: processorTime(b)} }

func (q *quantiles) begin() { q.begun = time.Now() }
func (q *quantiles) end()   { q.times = append(q.times, time.Since(q.begun)) }

func (q *quantiles) report() {
	slices.Sort(q.times)
	q.b.ReportMetric(float64((processorTime(q.b)-q.used).Microseconds())/1000/float64(len(q.times)), "cpu-ms/op")
	q.b.ReportMetric(float64(q.times[len(q.times)/2].Microseconds())/1000, "ms-p50")
	q.b.ReportMetric(float64(q.times[len(q.times)*99/100].Microseconds())/1000, "ms-p99")
}
