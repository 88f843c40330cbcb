package crash_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
)

// TestCrashPipeline kills hubs on the way from security messages to what
// follows from them: at an acknowledgement, when a conclusion becomes durable,
// and while a hub catches up after its start. In the end every event of every
// message in the log is kept once, every alert is there once and counts what
// it has to, the feed tells of each change once, and the twins say the same.
func TestCrashPipeline(t *testing.T) {
	t.Parallel()
	chains(t, 7, newGuards, processes(t, 800*time.Millisecond))
}

// TestCrashPipelinePower does so with a disk that loses power.
func TestCrashPipelinePower(t *testing.T) {
	t.Parallel()
	chains(t, 3, newGuards, powers)
}

// guards are the agents of some devices, somebody who watches the feed, and
// an operator who works on alerts.
type guards struct {
	agents   []*guard
	watcher  *watcher
	operator *operator
	marker   *guard
	drains   int
}

func newGuards(random *rand.Rand) crew {
	child := func() *rand.Rand { return rand.New(rand.NewPCG(random.Uint64(), 0)) }
	// Events are of the last hour, one second after the other.
	begin := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	g := &guards{watcher: &watcher{}, operator: &operator{random: child()}}
	for i := range 4 {
		g.agents = append(g.agents, &guard{id: name("guard", i), index: i, begin: begin, random: child()})
	}
	g.marker = &guard{id: "marker", index: 9, begin: begin, random: child()}
	return g
}

func (g *guards) most() float64 { return 1000 }

func (g *guards) list() []worker {
	list := []worker{g.watcher, g.operator}
	for _, a := range g.agents {
		list = append(list, a)
	}
	return list
}

func (g *guards) setUp(l *life) {
	l.t.Helper()
	g.marker.setUp(l)
	for _, w := range g.list() {
		w.setUp(l)
	}
}

func (g *guards) verify(l *life) {
	l.t.Helper()
	verifyJournal(l)
	if !g.drain(l) {
		return
	}
	truth := readLog(l)
	for _, a := range g.agents {
		a.check(l, truth)
		if l.t.Failed() {
			return
		}
	}
	verifyFeed(l)
	g.operator.verify(l)
}

// drain sends one more message and waits until what follows from it is there:
// messages are worked through in one order.
func (g *guards) drain(l *life) bool {
	l.t.Helper()
	g.drains++
	c, err := l.connect(device.Options{ID: securityOf(g.marker.id), Key: g.marker.key, Clean: true})
	if err != nil {
		l.t.Errorf("connect to drain: %v", err)
		return false
	}
	defer func() { _ = c.Close() }()
	name := "/tmp/drain-" + strconv.Itoa(g.drains)
	m := &tvilling.Message{Body: envelope(g.marker.started(g.drains, 1, name, miner))}
	device.MarkSecurity(m)
	if err := c.Send(l.ctx, m); err != nil {
		l.t.Errorf("send to drain: %v", err)
		return false
	}
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	for e, err := range l.api.Feed(ctx, client.StreamOptions{Follow: true}) {
		if err != nil {
			l.t.Errorf("follow the feed to drain: %v", err)
			return false
		}
		if e.Device == g.marker.id && strings.Contains(string(e.Body), name+`"`) {
			return true
		}
	}
	l.t.Error("the feed ended")
	return false
}

const miner = `sh -c "echo cpuminer-multi"`

// guard is the agent of one device. What its message n says follows from n, so
// that one that was not acknowledged can be sent again as it was.
type guard struct {
	id     tvilling.DeviceID
	index  int
	key    string
	begin  time.Time
	random *rand.Rand

	mu    sync.Mutex
	sent  int
	acked []bool // by number
}

func (g *guard) setUp(l *life) {
	l.t.Helper()
	l.register(g.id)
	g.key = l.moduleKey(g.id)
	g.acked = []bool{true}
}

func (g *guard) work(l *life) {
	c, err := l.connect(device.Options{ID: securityOf(g.id), Key: g.key, InFlight: 1 + g.random.IntN(16)})
	if l.over("connect "+string(g.id), err) {
		return
	}
	defer func() { _ = c.Close() }() // killed, most likely
	g.mu.Lock()
	var again []int
	for n, acked := range g.acked {
		if !acked {
			again = append(again, n)
		}
	}
	g.mu.Unlock()
	for _, n := range again {
		if g.send(l, c, n) {
			return
		}
	}
	for !l.killed.Load() {
		g.mu.Lock()
		g.sent++
		n := g.sent
		g.acked = append(g.acked, false)
		g.mu.Unlock()
		if g.send(l, c, n) {
			return
		}
	}
}

func (g *guard) send(l *life, c *device.Client, n int) (over bool) {
	m := &tvilling.Message{Body: g.body(n)}
	device.MarkSecurity(m)
	err := c.SendAsync(l.ctx, m, func(err error) {
		if err != nil {
			l.over("send "+string(g.id), err)
			return
		}
		g.mu.Lock()
		g.acked[n] = true
		g.mu.Unlock()
		l.acked()
	})
	return l.over("send "+string(g.id), err)
}

// unreadable tells which messages are not JSON.
func unreadable(n int) bool { return n%11 == 0 }

// body is message n: ordinary events, a failed login of some attack, at times
// a miner, a snapshot of ports, events that were sent before, or nothing that
// can be read.
func (g *guard) body(n int) []byte {
	if unreadable(n) {
		return fmt.Appendf(nil, `{"Events":[%d`, n)
	}
	events := g.events(n)
	if n%7 == 0 && !unreadable(n-1) && n > 1 {
		events = append(g.events(n-1), events...)
	}
	return envelope(events...)
}

func envelope(events ...string) []byte {
	return []byte(`{"AgentVersion":"0.0.5","AgentId":"5a4b8c1e-7d2f-4c3a-9b6e-0f1d2c3b4a59","MessageSchemaVersion":"1.0","Events":[` + strings.Join(events, ",") + `]}`)
}

func (g *guard) events(n int) []string {
	attacker := n / 20
	list := []string{
		g.started(n, 1, "/usr/bin/tool", "tool --run "+strconv.Itoa(n)),
		g.event(n, 2, "Login", fmt.Sprintf(`{"ProcessId":9,"UserName":"u%d","Operation":"PAM:authentication","Executable":"/usr/sbin/sshd","RemoteAddress":"198.51.100.%d","Result":"Fail"}`, attacker, attacker%250)),
	}
	if n%3 == 0 {
		list = append(list, g.started(n, 3, "/tmp/miner-"+strconv.Itoa(n%5), miner))
	}
	if n%4 == 0 {
		address := "127.0.0.1"
		if n%8 == 0 {
			address = "0.0.0.0"
		}
		list = append(list, g.event(n, 4, "ListeningPorts", `{"Protocol":"tcp","LocalAddress":"`+address+`","LocalPort":"23","RemoteAddress":"0.0.0.0","RemotePort":"*"}`))
	}
	return list
}

func (g *guard) started(n, part int, executable, line string) string {
	command, _ := json.Marshal(line)
	return g.event(n, part, "ProcessCreate", fmt.Sprintf(`{"Executable":%q,"ProcessId":%d,"ParentProcessId":1,"UserId":"0","CommandLine":%s}`, executable, n, command))
}

func (g *guard) event(n, part int, name, item string) string {
	stamp := g.begin.Add(time.Duration(n) * time.Second).Format(time.RFC3339)
	return fmt.Sprintf(`{"Id":%q,"TimestampLocal":%q,"TimestampUTC":%q,"Category":"Triggered","Name":%q,"EventType":"Security","IsEmpty":false,"PayloadSchemaVersion":"1.0","Payload":[%s]}`,
		g.eventID(n, part), stamp, stamp, name, item)
}

func (g *guard) eventID(n, part int) string {
	return fmt.Sprintf("%08d-0000-4000-8000-%010d%02d", g.index, n, part)
}

func (*guard) verify(*life) {} // guards do it for all, who read the log once

// key names an alert of a device.
type key struct{ typ, cause string }

// facts are what must follow from the messages of a device in the log.
type facts struct {
	events []string // ids, in the order in which each came first
	seen   map[string]bool
	alerts map[key]int64
	fails  map[string]int64 // by address
	// open says whether the newest snapshot has an open port.
	open        bool
	deadLetters int
}

// readLog concludes from the log what there must be.
func readLog(l *life) map[tvilling.DeviceID]*facts {
	l.t.Helper()
	all := make(map[tvilling.DeviceID]*facts)
	for m, err := range l.api.Messages(l.ctx, client.Security, client.StreamOptions{}) {
		if err != nil {
			l.t.Errorf("read security messages: %v", err)
			return all
		}
		f := all[m.DeviceID]
		if f == nil {
			f = &facts{seen: map[string]bool{}, alerts: map[key]int64{}, fails: map[string]int64{}}
			all[m.DeviceID] = f
		}
		f.add(m.Body)
	}
	for _, f := range all {
		for address, n := range f.fails {
			if n >= 10 {
				f.alerts[key{"IoT_Bruteforce_Fail", address}] = n
			}
		}
	}
	return all
}

func (f *facts) add(body []byte) {
	var m struct {
		Events []struct {
			ID      string `json:"Id"`
			Name    string
			Payload []struct{ Executable, CommandLine, RemoteAddress, LocalAddress string }
		}
	}
	if err := json.Unmarshal(body, &m); err != nil || len(m.Events) == 0 {
		f.deadLetters++
		return
	}
	for _, e := range m.Events {
		if f.seen[e.ID] {
			continue
		}
		f.seen[e.ID] = true
		f.events = append(f.events, e.ID)
		item := e.Payload[0]
		switch {
		case e.Name == "ProcessCreate" && item.CommandLine == miner:
			f.alerts[key{"IoT_CryptoMiner", item.Executable}]++
		case e.Name == "Login":
			f.fails[item.RemoteAddress]++
		case e.Name == "ListeningPorts":
			f.open = item.LocalAddress == "0.0.0.0"
		}
	}
}

// check fails unless the hub has all that follows from the log, once.
func (g *guard) check(l *life, truth map[tvilling.DeviceID]*facts) {
	l.t.Helper()
	f := truth[g.id]
	if f == nil {
		f = &facts{}
	}
	for n, acked := range g.acked {
		if n > 0 && acked && !unreadable(n) && !f.seen[g.eventID(n, 1)] {
			l.t.Errorf("%s: message %d was acknowledged and is not in the log", g.id, n)
		}
	}
	var events []string
	for e, err := range l.api.Events(l.ctx, client.EventFilter{Device: g.id}, client.Paging{PageSize: 1000}, false) {
		if err != nil {
			l.t.Errorf("%s: read events: %v", g.id, err)
			return
		}
		events = append(events, e.ID)
	}
	if !slices.Equal(events, f.events) {
		at := 0
		for at < min(len(events), len(f.events)) && events[at] == f.events[at] {
			at++
		}
		l.t.Errorf("%s: %d events are kept, %d were sent; they differ from %d on: %.3q, want %.3q", g.id, len(events), len(f.events), at, events[at:], f.events[at:])
	}
	letters := 0
	for _, err := range l.api.DeadLetters(l.ctx, g.id, client.Paging{PageSize: 1000}) {
		if err != nil {
			l.t.Errorf("%s: read dead letters: %v", g.id, err)
			return
		}
		letters++
	}
	if letters != f.deadLetters {
		l.t.Errorf("%s: %d dead letters are kept, want %d", g.id, letters, f.deadLetters)
	}
	open := g.checkAlerts(l, f)
	advice := map[string]int64{}
	r, err := l.api.Recommendation(l.ctx, "IoT_OpenPorts", g.id)
	active := err == nil && r.State == "active"
	if err != nil && tvilling.CodeOf(err) != tvilling.NotFound || active != f.open {
		l.t.Errorf("%s: open ports are recommended to be closed: %t (%v), want %t", g.id, active, err, f.open)
	}
	if active {
		advice["medium"] = 1
	}
	g.checkPosture(l, open, advice)
}

// checkAlerts compares the alerts, and returns the open ones by severity.
func (g *guard) checkAlerts(l *life, f *facts) map[string]int64 {
	l.t.Helper()
	got, open := map[key]int64{}, map[string]int64{}
	for a, err := range l.api.Alerts(l.ctx, client.AlertFilter{Device: g.id}, client.Paging{PageSize: 1000}) {
		if err != nil {
			l.t.Errorf("%s: read alerts: %v", g.id, err)
			return nil
		}
		k := key{a.Type, strings.TrimPrefix(a.Cause, "address ")}
		if _, twice := got[k]; twice {
			l.t.Errorf("%s: there are two alerts of %v", g.id, k)
		}
		got[k] = a.Count
		if a.Status != "resolved" && a.Status != "dismissed" {
			open[a.Severity]++
		}
	}
	for k, n := range f.alerts {
		if got[k] != n {
			l.t.Errorf("%s: alert of %v counts %d, want %d", g.id, k, got[k], n)
		}
	}
	if len(got) != len(f.alerts) {
		l.t.Errorf("%s: %d alerts are there, want %d: %v", g.id, len(got), len(f.alerts), got)
	}
	return open
}

// checkPosture waits until the twin says what alerts and recommendations say.
func (g *guard) checkPosture(l *life, alerts, advice map[string]int64) {
	l.t.Helper()
	var doc struct {
		Security *struct {
			Alerts, Recommendations map[string]int64
		} `json:"security"`
	}
	fits := func(got, want map[string]int64) bool {
		for _, severity := range []string{"high", "medium", "low", "informational"} {
			if got[severity] != want[severity] {
				return false
			}
		}
		return true
	}
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	for ch, err := range l.api.Changes(ctx, client.StreamOptions{Device: g.id, Follow: true}) {
		if err != nil {
			l.t.Errorf("%s: follow the journal: %v; the twin says %+v, alerts are %v, recommendations %v", g.id, err, doc.Security, alerts, advice)
			return
		}
		if ch.Op != "updateOwned" && ch.Op != "createModuleIdentity" {
			continue
		}
		t, err := l.api.Twin(l.ctx, securityOf(g.id))
		if err != nil {
			l.t.Errorf("%s: read twin: %v", g.id, err)
			return
		}
		doc.Security = nil
		if err := json.Unmarshal(t.Raw, &doc); err != nil {
			l.t.Error(err)
			return
		}
		switch {
		case doc.Security != nil && fits(doc.Security.Alerts, alerts) && fits(doc.Security.Recommendations, advice):
			return
		case doc.Security == nil && len(alerts)+len(advice) == 0:
			return
		}
	}
	l.t.Errorf("%s: the twin says %+v, alerts are %v, recommendations %v", g.id, doc.Security, alerts, advice)
}
