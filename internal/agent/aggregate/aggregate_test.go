package aggregate_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tvilling/tvilling/internal/agent/aggregate"
	"github.com/tvilling/tvilling/internal/security/event"
)

var noon = time.Date(2030, 5, 6, 12, 0, 0, 0, time.UTC)

func all(interval time.Duration) *aggregate.Aggregator {
	a := aggregate.New()
	for _, k := range []event.Kind{event.ProcessCreateKind, event.ProcessTerminateKind, event.ConnectionCreateKind} {
		a.Set(k, true, interval)
	}
	return a
}

func process(line string, pid int64, extra ...event.Detail) *event.ProcessCreate {
	return &event.ProcessCreate{Executable: "/usr/bin/a", CommandLine: line, UserID: "0", UserName: "root", ProcessID: pid, ParentProcessID: 1, Extra: extra}
}

func connection(direction, local, remote string, extra ...event.Detail) *event.ConnectionCreate {
	return &event.ConnectionCreate{
		Direction: direction, LocalAddress: "10.0.0.5", LocalPort: local, RemoteAddress: "192.0.2.7", RemotePort: remote,
		Protocol: "tcp", Executable: "/usr/bin/a", CommandLine: "a", UserID: "0", ProcessID: 7, Extra: extra,
	}
}

// hit is what an aggregated item has more, for hits between two seconds after noon.
func hit(n, from, to int) event.Details {
	start, end := noon.Add(time.Duration(from)*time.Second), noon.Add(time.Duration(to)*time.Second)
	return event.Details{
		{Name: "HitCount", Value: strconv.Itoa(n)},
		{Name: "StartTimeLocal", Value: start.Local().Format(time.RFC3339)},
		{Name: "StartTimeUtc", Value: start.Format(time.RFC3339)},
		{Name: "EndTimeLocal", Value: end.Local().Format(time.RFC3339)},
		{Name: "EndTimeUtc", Value: end.Format(time.RFC3339)},
	}
}

func TestItems(t *testing.T) {
	hash := event.Detail{Name: "Hash", Value: "sha256:aa"}
	other := event.Detail{Name: "Hash", Value: "sha256:bb"}
	parent := event.Detail{Name: "ParentExecutable", Value: "/bin/sh"}
	refused := event.Detail{Name: "Established", Value: "false"}
	with := func(d event.Details, more ...event.Detail) event.Details { return append(more, d...) }
	for _, c := range []struct {
		name string
		in   []event.Item // one each second
		want []event.Item
	}{
		{
			"the same process, with its hash",
			[]event.Item{process("a", 5, hash, parent), process("a", 6, hash, parent)},
			[]event.Item{&event.ProcessCreate{Executable: "/usr/bin/a", CommandLine: "a", UserID: "0", UserName: "root", Extra: with(hit(2, 0, 1), hash, parent)}},
		},
		{
			"the program was replaced meanwhile",
			[]event.Item{process("a", 5, hash, parent), process("a", 6, other, parent), process("a", 7, hash, parent)},
			[]event.Item{&event.ProcessCreate{Executable: "/usr/bin/a", CommandLine: "a", UserID: "0", UserName: "root", Extra: with(hit(3, 0, 2), parent)}},
		},
		{
			"other arguments",
			[]event.Item{process("a", 5), process("a b", 5)},
			[]event.Item{
				&event.ProcessCreate{Executable: "/usr/bin/a", CommandLine: "a", UserID: "0", UserName: "root", Extra: hit(1, 0, 0)},
				&event.ProcessCreate{Executable: "/usr/bin/a", CommandLine: "a b", UserID: "0", UserName: "root", Extra: hit(1, 1, 1)},
			},
		},
		{"ends", []event.Item{
			&event.ProcessTerminate{Executable: "/bin/a", ProcessID: 1}, &event.ProcessTerminate{Executable: "/bin/a", ProcessID: 2}, &event.ProcessTerminate{Executable: "/bin/a", ProcessID: 2, ExitStatus: 137},
		}, []event.Item{
			&event.ProcessTerminate{Executable: "/bin/a", Extra: hit(2, 0, 1)}, &event.ProcessTerminate{Executable: "/bin/a", ExitStatus: 137, Extra: hit(1, 2, 2)},
		}},
		{
			"out: the local port is the source's",
			[]event.Item{connection("Out", "50000", "443"), connection("Out", "50001", "443"), connection("Out", "50000", "80")},
			[]event.Item{
				&event.ConnectionCreate{Direction: "Out", LocalAddress: "10.0.0.5", RemoteAddress: "192.0.2.7", RemotePort: "443", Protocol: "tcp", Executable: "/usr/bin/a", CommandLine: "a", UserID: "0", Extra: hit(2, 0, 1)},
				&event.ConnectionCreate{Direction: "Out", LocalAddress: "10.0.0.5", RemoteAddress: "192.0.2.7", RemotePort: "80", Protocol: "tcp", Executable: "/usr/bin/a", CommandLine: "a", UserID: "0", Extra: hit(1, 2, 2)},
			},
		},
		{
			"in: the remote port is the source's",
			[]event.Item{connection("In", "22", "50000"), connection("In", "22", "50001")},
			[]event.Item{&event.ConnectionCreate{Direction: "In", LocalAddress: "10.0.0.5", LocalPort: "22", RemoteAddress: "192.0.2.7", RemotePort: "*", Protocol: "tcp", Executable: "/usr/bin/a", CommandLine: "a", UserID: "0", Extra: hit(2, 0, 1)}},
		},
		{
			"refused is not made",
			[]event.Item{connection("Out", "1", "443"), connection("Out", "2", "443", refused)},
			[]event.Item{
				&event.ConnectionCreate{Direction: "Out", LocalAddress: "10.0.0.5", RemoteAddress: "192.0.2.7", RemotePort: "443", Protocol: "tcp", Executable: "/usr/bin/a", CommandLine: "a", UserID: "0", Extra: hit(1, 0, 0)},
				&event.ConnectionCreate{Direction: "Out", LocalAddress: "10.0.0.5", RemoteAddress: "192.0.2.7", RemotePort: "443", Protocol: "tcp", Executable: "/usr/bin/a", CommandLine: "a", UserID: "0", Extra: with(hit(1, 1, 1), refused)},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := all(time.Hour)
			for i, it := range c.in {
				if !a.Add(noon.Add(time.Duration(i)*time.Second), it) {
					t.Fatalf("event %d was not taken", i)
				}
			}
			groups := a.Flush()
			if len(groups) != 1 {
				t.Fatalf("got %d groups", len(groups))
			}
			if d := cmp.Diff(c.want, groups[0].Items, cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
			if at := noon.Add(time.Duration(len(c.in)-1) * time.Second); !groups[0].At.Equal(at) || groups[0].Kind != c.in[0].Kind() {
				t.Errorf("kind %v at %v, want %v", groups[0].Kind, groups[0].At, at)
			}
		})
	}
}

func TestAddLeavesTheItem(t *testing.T) {
	it := process("a", 5, event.Detail{Name: "Hash", Value: "x"})
	a := all(time.Hour)
	a.Add(noon, it)
	a.Add(noon, process("a", 5))
	a.Flush()
	if d := cmp.Diff(process("a", 5, event.Detail{Name: "Hash", Value: "x"}), it); d != "" {
		t.Error(d)
	}
}

func TestNotAggregated(t *testing.T) {
	a := all(time.Hour)
	a.Set(event.LoginKind, true, time.Hour)
	a.Set(event.ProcessTerminateKind, false, time.Hour)
	a.Set(event.ConnectionCreateKind, true, 0)
	for _, it := range []event.Item{
		&event.Login{}, &event.ProcessTerminate{}, &event.ConnectionCreate{},
		process("a", 1, event.Detail{Name: "HitCount", Value: "3"}),
	} {
		if a.Add(noon, it) {
			t.Errorf("%T was taken", it)
		}
	}
	if g := a.Flush(); len(g) > 0 {
		t.Error("it gave", g)
	}
}

func TestWindows(t *testing.T) {
	a := aggregate.New()
	a.Set(event.ProcessCreateKind, true, time.Minute)
	a.Set(event.ConnectionCreateKind, true, time.Hour)
	a.Add(noon, process("a", 1))
	a.Add(noon, connection("Out", "1", "2"))
	due := func(after time.Duration, want ...event.Kind) {
		t.Helper()
		var got []event.Kind
		for _, g := range a.Due(noon.Add(after)) {
			got = append(got, g.Kind)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("after %v: %s", after, d)
		}
	}
	due(59 * time.Second)
	due(time.Minute, event.ProcessCreateKind)
	due(2 * time.Minute)
	a.Add(noon.Add(5*time.Minute), process("a", 1)) // a window begins with its first event
	due(5*time.Minute + 59*time.Second)
	a.Set(event.ProcessCreateKind, true, time.Second) // shorter now
	due(5*time.Minute+59*time.Second, event.ProcessCreateKind)
	a.Set(event.ConnectionCreateKind, false, time.Hour) // switched off
	due(6*time.Minute, event.ConnectionCreateKind)
	a.Set(event.ConnectionCreateKind, true, time.Hour)
	a.Add(noon, connection("Out", "1", "2"))
	due(6 * time.Minute)
	due(-2*time.Hour, event.ConnectionCreateKind) // the clock was set back
}

// At the limits nothing is lost: what is not taken is told, and the oldest
// window is given out.
func TestBounds(t *testing.T) {
	long := strings.Repeat("x", 4<<10)
	for _, c := range []struct {
		name string
		line func(i int) string
		most int
	}{
		{"items", strconv.Itoa, 1024},
		{"bytes", func(i int) string { return long + strconv.Itoa(i) }, 512 << 10 / len(long)},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := all(time.Hour)
			a.Add(noon.Add(time.Second), connection("Out", "1", "2"))
			n := 0
			for a.Add(noon, process(c.line(n), 1)) {
				if n++; n > c.most {
					t.Fatalf("it took more than %d", c.most)
				}
			}
			if n < c.most*8/10 {
				t.Errorf("it took %d only", n)
			}
			if !a.Add(noon, process(c.line(0), 1)) {
				t.Error("it did not count what it has")
			}
			groups := a.Due(noon)
			got := 0
			for _, g := range groups {
				if g.Kind != event.ProcessCreateKind {
					t.Error("that was not the oldest window:", g.Kind)
				}
				got += len(g.Items)
			}
			if got != n {
				t.Errorf("%d items for %d", got, n)
			}
			if !a.Add(noon, process(c.line(n), 1)) {
				t.Error("there is no room after that")
			}
		})
	}
}

// Whatever comes in, and whenever something is taken out: the hits are as many
// as the events, per identity, and the times enclose them.
func TestNothingIsLostOrDoubled(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		a := all(time.Duration(1+r.IntN(100)) * time.Second)
		in, out := map[string]int64{}, map[string]int64{}
		now := noon
		take := func(groups []aggregate.Group) {
			for _, g := range groups {
				for _, it := range g.Items {
					out[name(it)] += event.Hits(it)
				}
			}
		}
		for range 3000 {
			now = now.Add(time.Duration(r.IntN(2000)-50) * time.Millisecond)
			var it event.Item
			switch n := strconv.Itoa(r.IntN(1 + int(seed)*40)); r.IntN(3) {
			case 0:
				it = process(n, int64(r.IntN(9)))
			case 1:
				it = &event.ProcessTerminate{Executable: n, ExitStatus: int64(r.IntN(3)), ProcessID: int64(r.IntN(9))}
			default:
				it = connection([]string{"In", "Out"}[r.IntN(2)], n, n)
			}
			in[name(it)]++
			if !a.Add(now, it) {
				out[name(it)]++
			}
			switch r.IntN(300) {
			case 0:
				a.Set(it.Kind(), r.IntN(2) == 0, time.Duration(r.IntN(20))*time.Second)
			case 1, 2, 3:
				take(a.Due(now))
			}
		}
		take(a.Flush())
		if g := a.Flush(); len(g) > 0 {
			t.Fatal("something was left")
		}
		if d := cmp.Diff(in, out); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
	}
}

// name names the identity of an item in this test.
func name(it event.Item) string {
	switch i := it.(type) {
	case *event.ProcessCreate:
		return "p " + i.CommandLine
	case *event.ProcessTerminate:
		return fmt.Sprint("t ", i.Executable, i.ExitStatus)
	case *event.ConnectionCreate:
		if i.Direction == "In" {
			return "in " + i.LocalPort
		}
		return "out " + i.RemotePort
	default:
		panic(it)
	}
}

func BenchmarkAdd(b *testing.B) {
	a := all(time.Hour)
	it := process("/usr/bin/sleep 1", 5)
	b.ReportAllocs()
	for b.Loop() {
		a.Add(noon, it)
	}
}
