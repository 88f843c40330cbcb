package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tvilling/tvilling/bench/load"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/event"
)

// starter starts programs that do nothing, when they are due.
type starter struct {
	program string
	// marker is part of each one's arguments, and in no other program's.
	marker string
	rate   int // a second
	during time.Duration

	late load.Histogram
	mu   sync.Mutex
	pids map[int64]bool
}

// newStarter makes a starter of true(1).
func (b *bench) newStarter(name string, rate int, during time.Duration) (*starter, error) {
	program, err := exec.LookPath("true")
	if err != nil {
		return nil, skip("there is no true(1)")
	}
	return &starter{
		program: program, rate: rate, during: during, pids: make(map[int64]bool),
		marker: fmt.Sprintf("tvilling-bench-%s-%d-", name, os.Getpid()),
	}, nil
}

// count is how many programs the starter starts.
func (s *starter) count() int { return int(s.during.Seconds() * float64(s.rate)) }

// run starts all programs, and returns when the last has ended. Each is due at a
// moment of its own, whether or not those before are late.
func (s *starter) run(ctx context.Context) error {
	const workers = 16
	due := make(chan int, workers)
	every := time.Second / time.Duration(s.rate)
	begin := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := range due {
				s.late.Add(max(time.Since(begin.Add(time.Duration(i)*every)), 0))
				if err := s.start(i); err != nil {
					errs[w] = err
				}
			}
		})
	}
	var err error
	for i := 0; i < s.count() && err == nil; i++ {
		if wait := time.Until(begin.Add(time.Duration(i) * every)); wait > 0 {
			err = sleep(ctx, wait)
		}
		due <- i
	}
	close(due)
	wg.Wait()
	return errors.Join(err, errors.Join(errs...))
}

// start starts the i-th program and waits for its end.
func (s *starter) start(i int) error {
	p, err := os.StartProcess(s.program, []string{s.program, s.marker + strconv.Itoa(i)}, &os.ProcAttr{Files: []*os.File{nil, nil, nil}})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.pids[int64(p.Pid)] = true
	s.mu.Unlock()
	_, err = p.Wait()
	return err
}

// told is what has come to the hub of what a starter has started.
type told struct {
	whole int64 // with arguments
	bare  int64 // without
	again int64 // more often than once
}

// countTold reads the hub's events of started programs. Those with a starter's
// marker count for as many as they stand for; what came without arguments is
// known by its process id.
func (s *starter) countTold(ctx context.Context, owner *client.Client) (t told, err error) {
	seen := make(map[string]bool)
	bare := make(map[int64]bool)
	f := client.EventFilter{Device: agentDevice, Names: []string{event.ProcessCreateKind.String()}}
	for e, err := range owner.Events(ctx, f, client.Paging{PageSize: 1000}, false) {
		if err != nil {
			return told{}, err
		}
		var items []struct {
			CommandLine  string
			ProcessID    int64 `json:"ProcessId"`
			ExtraDetails map[string]any
		}
		if err := json.Unmarshal(e.Payload, &items); err != nil {
			return told{}, fmt.Errorf("read the event %s: %w", e.ID, err)
		}
		for _, it := range items {
			switch i := strings.Index(it.CommandLine, s.marker); {
			case i >= 0:
				hits := int64(1)
				if text, ok := it.ExtraDetails[event.HitCount]; ok {
					if hits, err = strconv.ParseInt(fmt.Sprint(text), 10, 64); err != nil {
						return told{}, fmt.Errorf("read the count of the event %s: %w", e.ID, err)
					}
				}
				if seen[it.CommandLine[i:]] {
					t.again += hits
					continue
				}
				seen[it.CommandLine[i:]] = true
				t.whole++
				t.again += hits - 1
			case it.ExtraDetails["ArgumentsMissing"] == "true" && s.pids[it.ProcessID]:
				bare[it.ProcessID] = true
			}
		}
	}
	t.bare = int64(len(bare))
	return t, nil
}

// settled waits until the agent has taken its first snapshots and has told of
// them.
func (r *agentRun) settled(ctx context.Context) error {
	return r.until(ctx, "the agent has taken its first snapshots", time.Minute, func() (bool, error) {
		for e, err := range r.owner.Events(ctx, client.EventFilter{Device: agentDevice, Names: []string{event.LocalUsersKind.String()}}, client.Paging{}, true) {
			return err == nil && e != nil, err
		}
		return false, nil
	})
}

// drain makes the agent send everything that it holds: what it aggregates goes
// into its spool when it ends, and from there to the hub when it is back.
func (r *agentRun) drain(ctx context.Context) error {
	if err := r.agent.stop(syscall.SIGTERM); err != nil {
		return err
	}
	if err := r.run(ctx); err != nil {
		return err
	}
	if err := r.agent.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	return errors.Join(r.still(ctx, 3*time.Second), r.looked(ctx))
}

// looked waits until the hub has looked at all that it has.
func (r *agentRun) looked(ctx context.Context) error {
	_, err := r.hub.drained(ctx, time.Minute)
	return err
}

// losses are events of started programs that the agent counted as lost, by
// reason, and those that its queues had no room for.
func losses(before, after *agentStatus) map[string]int64 {
	lost := make(map[string]int64)
	for reason, n := range after.Lost {
		if why, ok := strings.CutPrefix(reason, event.ProcessCreateKind.String()+": "); ok && n > before.Lost[reason] {
			lost[why] = n - before.Lost[reason]
		}
	}
	if n := after.dropped() - before.dropped(); n > 0 {
		lost["no room in a queue"] = n
	}
	return lost
}

// started is one load of started programs.
type started struct {
	*starter
	*agentMeter
	told     told
	lost     map[string]int64 // counted by the agent, of all programs of the machine
	waiting  int
	peak     int64
	uplinked int64
	source   string
}

// runStarts starts programs under an agent's eyes, and counts what the hub is
// told of them.
func (b *bench) runStarts(ctx context.Context, r *agentRun, s *starter) (_ *started, err error) {
	if err := errors.Join(r.settled(ctx), r.still(ctx, 3*time.Second)); err != nil {
		return nil, err
	}
	before, err := r.status(ctx)
	if err != nil {
		return nil, err
	}
	sent := r.proxy.bytes()
	pid := r.agent.cmd.Process.Pid
	m := newAgentMeter(ctx, pid)
	if err := s.run(ctx); err != nil {
		return nil, fmt.Errorf("start programs: %w", err)
	}
	m.end()
	// What is in the kernel's buffers takes its time.
	if err := r.still(ctx, 3*time.Second); err != nil {
		return nil, err
	}
	after, err := r.status(ctx)
	if err != nil {
		return nil, err
	}
	res := &started{starter: s, agentMeter: m, lost: losses(&before, &after), waiting: after.waiting(), peak: peak(pid), source: after.source()}
	if err := r.drain(ctx); err != nil {
		return nil, err
	}
	res.uplinked = r.proxy.bytes().minus(sent).up
	res.told, err = s.countTold(ctx, r.owner)
	return res, err
}

// startsReport reports what all loads of started programs show.
func (b *bench) startsReport(s *started, cpu Figure) {
	n := float64(s.count())
	b.report.event(b.case_, "source", s.source)
	b.figure(Figure{Metric: "started", Value: n / s.took.Seconds(), Unit: "/s"})
	b.figure(Figure{Metric: "started late p99", Value: ms(s.late.Quantile(0.99)), Unit: "ms", Less: true})
	b.figure(Figure{Metric: "told at the hub with arguments", Value: float64(s.told.whole)})
	b.figure(Figure{Metric: "told at the hub without arguments", Value: float64(s.told.bare), Less: true})
	b.figure(Figure{Metric: "told more than once", Value: float64(s.told.again), Less: true})
	for _, why := range slices.Sorted(maps.Keys(s.lost)) {
		b.figure(Figure{Metric: "counted by the agent: " + why, Value: float64(s.lost[why]), Less: true})
	}
	cpu.Metric, cpu.Value, cpu.Unit, cpu.Less = "agent cpu", s.percent, "% of a core", true
	b.figure(cpu)
	b.figure(Figure{Metric: "agent cpu for each start", Value: us(s.cpu) / n, Unit: "µs", Less: true})
	b.figure(Figure{Metric: "agent rss", Value: mb(s.median), Unit: "MB", Less: true})
	b.figure(Figure{Metric: "agent peak rss", Value: mb(s.peak), Unit: "MB", Reach: agentRSSCap, Stretch: agentRSSCapStretch, Less: true})
	b.figure(Figure{Metric: "sent for each start", Value: float64(s.uplinked) / n, Unit: "B", Less: true})
	b.machine(s.agentMeter)
}

// machine reports what else went on.
func (b *bench) machine(m *agentMeter) {
	b.figure(Figure{Metric: "started by the whole machine", Value: float64(m.started) / m.took.Seconds(), Unit: "/s"})
	b.figure(Figure{Metric: "processors busy for others", Value: 100 * m.others, Unit: "%", Less: true})
}

// unboundedDay lets the agent send what it sees: the day's default of 10 MB
// would shed a part of a load that no device has all day.
func unboundedDay(more map[string]any) map[string]any {
	own := map[string]any{"maxBytesPerDay": 0}
	maps.Copy(own, more)
	return own
}

// startsRate is the load that the agent is built for.
const startsRate = 200

// runStartsEBPF is the load by the best means there is.
func runStartsEBPF(ctx context.Context, b *bench) (err error) {
	r, err := b.startAgent(ctx, agentOptions{own: unboundedDay(nil)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	st, err := r.status(ctx)
	if err != nil {
		return err
	}
	if !strings.Contains(strings.ToLower(st.source()), "ebpf") {
		return skip("no eBPF here; the agent sees processes by %s", st.source())
	}
	s, err := b.newStarter("ebpf", startsRate, b.scale.AgentStarts)
	if err != nil {
		return err
	}
	res, err := b.runStarts(ctx, r, s)
	if err != nil {
		return err
	}
	b.startsReport(res, Figure{Reach: 3})
	b.figure(Figure{Metric: "lost", Value: float64(int64(s.count()) - res.told.whole - res.told.bare), Less: true})
	b.figure(Figure{Metric: "told with arguments", Value: 100 * float64(res.told.whole) / float64(s.count()), Unit: "%", Reach: 100})
	return nil
}

// runStartsNetlink is the load by the proc connector, which gives numbers
// only: arguments are read from /proc.
func runStartsNetlink(ctx context.Context, b *bench) (err error) {
	r, err := b.startAgent(ctx, agentOptions{
		own: unboundedDay(map[string]any{"processSource": "netlink"}),
		// Events without arguments are alike, and would be told as one.
		asc: map[string]any{"aggregationEnabledProcessCreate": false},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	st, err := r.status(ctx)
	if err != nil {
		return err
	}
	if !strings.Contains(st.source(), "connector") {
		return skip("no proc connector here; the agent sees processes by %s", st.source())
	}
	s, err := b.newStarter("netlink", startsRate, b.scale.AgentStarts)
	if err != nil {
		return err
	}
	res, err := b.runStarts(ctx, r, s)
	if err != nil {
		return err
	}
	b.startsReport(res, Figure{Reach: 3})
	n := int64(s.count())
	b.figure(Figure{Metric: "lost", Value: float64(n - res.told.whole - res.told.bare), Less: true})
	b.figure(Figure{Metric: "told", Value: 100 * float64(res.told.whole+res.told.bare) / float64(n), Unit: "%", Reach: 100})
	return nil
}

// floodRate is more than any device starts.
const floodRate = 1000

// runAgentFlood is a load that the agent's default budget does not allow for.
func runAgentFlood(ctx context.Context, b *bench) (err error) {
	r, err := b.startAgent(ctx, agentOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	s, err := b.newStarter("flood", floodRate, b.scale.AgentFlood)
	if err != nil {
		return err
	}
	res, err := b.runStarts(ctx, r, s)
	if err != nil {
		return err
	}
	// The default limit of the twin.
	b.startsReport(res, Figure{Reach: 5})
	counted := int64(res.waiting)
	for why, n := range res.lost {
		if why != "arguments gone" && why != "hash not computed" { // told, with less in them
			counted += n
		}
	}
	all := min(res.told.whole+res.told.bare+counted, int64(s.count()))
	b.figure(Figure{Metric: "told or counted", Value: 100 * float64(all) / float64(s.count()), Unit: "%", Reach: 100})
	return nil
}
