package recommend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/recommend"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

const dev tvilling.DeviceID = "d1"

// bench is an assessor over a ledger in memory.
type bench struct {
	*testing.T
	ledger   *ledger.Ledger
	store    ledger.Store
	assessor *recommend.Assessor
	// desired is what the security module twin desires.
	desired []byte
	n       int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, store: securitymem.New()}
	b.ledger = ledger.NewLedger(b.store)
	b.assessor = recommend.New(recommend.Options{
		Desired: func(context.Context, tvilling.DeviceID) ([]byte, error) { return b.desired, nil },
	})
	return b
}

func (b *bench) do(f func(tx *ledger.Tx) error) {
	b.Helper()
	if err := b.ledger.Do(b.Context(), f); err != nil {
		b.Fatal(err)
	}
}

// send assesses a message of one event, as intake does.
func (b *bench) send(k event.Kind, at time.Time, items ...event.Item) {
	b.Helper()
	b.n++
	b.message(event.Event{ID: strconv.Itoa(b.n), Kind: k, Name: k.String(), Time: at, Items: items, Empty: len(items) == 0})
}

func (b *bench) message(events ...event.Event) {
	b.Helper()
	b.do(func(tx *ledger.Tx) error {
		m := &event.Message{From: tvilling.Device(dev), Received: time.Now().UTC(), Events: events}
		d, err := tx.Device(dev)
		if err != nil {
			return err
		}
		d.LastSeen = m.Received
		tx.PutDevice(d)
		for i := range m.Events {
			if err := b.assessor.Assess(tx, m, &m.Events[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) configuration(desired, reported string) {
	b.Helper()
	wrap := func(s string) []byte {
		if s == "" {
			return []byte(`{"other":1}`)
		}
		return []byte(`{"` + agentconfig.Object + `":` + s + `,"other":1}`)
	}
	b.desired = wrap(desired)
	b.do(func(tx *ledger.Tx) error { return b.assessor.Configuration(tx, dev, wrap(desired), wrap(reported)) })
}

// tick has the device looked at if its time has come.
func (b *bench) tick() {
	b.Helper()
	b.do(func(tx *ledger.Tx) error {
		d, err := tx.Device(dev)
		if err != nil || d.Due.IsZero() || d.Due.After(tx.Now()) {
			return err
		}
		if err := b.assessor.Tick(tx, d, tx.Now()); err != nil {
			return err
		}
		tx.PutDevice(d)
		return nil
	})
}

func (b *bench) get(typ string) *ledger.Recommendation {
	b.Helper()
	r, err := b.store.Recommendation(b.Context(), dev, typ)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func (b *bench) device() *ledger.Device {
	b.Helper()
	d, err := b.store.Device(b.Context(), dev)
	if err != nil || d == nil {
		b.Fatalf("device: %v, %v", d, err)
	}
	return d
}

// active checks whether a recommendation is active, and that the device's
// counts say the same.
func (b *bench) active(typ string, want bool) {
	b.Helper()
	r := b.get(typ)
	if got := r != nil && r.State == ledger.Active; got != want {
		b.Errorf("%s active = %t, want %t", typ, got, want)
	}
	var n [ledger.Severities]int32
	for r, err := range b.store.Recommendations(b.Context(), ledger.RecommendationFilter{Device: dev, State: ledger.Active}, "", "") {
		if err != nil {
			b.Fatal(err)
		}
		n[r.Severity]++
	}
	if d, err := b.store.Device(b.Context(), dev); err != nil || d != nil && d.Recommendations != n {
		b.Errorf("counts = %v, want %v (%v)", d.Recommendations, n, err)
	}
}

func (b *bench) details(typ, want string) {
	b.Helper()
	r := b.get(typ)
	if r == nil {
		b.Fatalf("no %s", typ)
	}
	if diff := cmp.Diff(want, string(r.Details)); diff != "" {
		b.Errorf("details of %s (-want +got):\n%s", typ, diff)
	}
}

// same checks that doing something again writes no entry of the feed.
func (b *bench) same(f func()) {
	b.Helper()
	before := b.store.FeedHead()
	f()
	if after := b.store.FeedHead(); after != before {
		b.Errorf("the same evidence made %d entries of the feed", after-before)
	}
}

func port(protocol, address, n, remote string) event.Item {
	p := &event.ListeningPorts{Protocol: protocol, LocalAddress: address, LocalPort: n}
	if remote != "" {
		p.RemoteAddress, p.RemotePort, _ = strings.Cut(remote, "/")
	}
	return p
}

func TestOpenPorts(t *testing.T) {
	for _, c := range []struct {
		name string
		item event.Item
		open bool
	}{
		{"all interfaces", port("tcp", "0.0.0.0", "22", "0.0.0.0/*"), true},
		{"all interfaces of IPv6", port("tcp6", "::", "22", "::/0"), true},
		{"one interface", port("tcp", "192.168.1.5", "8080", ""), true},
		{"no address", port("tcp", "", "8080", ""), true},
		{"a star", port("TCP", "*", "8080", "*/*"), true},
		{"UDP server", port("udp", "0.0.0.0", "161", "0.0.0.0/*"), true},
		{"a high port of TCP", port("tcp", "0.0.0.0", "40000", "0.0.0.0/0"), true},
		{"loopback", port("tcp", "127.0.0.1", "631", "0.0.0.0/*"), false},
		{"loopback of systemd-resolved", port("udp", "127.0.0.53", "53", "0.0.0.0/*"), false},
		{"loopback of IPv6", port("tcp6", "::1", "631", "::/*"), false},
		{"loopback in IPv6", port("tcp6", "::ffff:127.0.0.1", "631", "::/*"), false},
		{"link-local", port("udp6", "fe80::1", "123", "::/*"), false},
		{"link-local of IPv4", port("udp", "169.254.3.4", "123", "0.0.0.0/*"), false},
		{"a connection", port("tcp", "10.0.0.5", "51000", "192.0.2.1/443"), false},
		{"a connection to a server's port", port("tcp", "10.0.0.5", "22", "192.0.2.1/50122"), false},
		{"client of DHCP", port("udp", "0.0.0.0", "68", "0.0.0.0/*"), false},
		{"client of UDP", port("udp", "0.0.0.0", "50123", "0.0.0.0/*"), false},
		{"raw socket", port("raw", "0.0.0.0", "1", "0.0.0.0/*"), false},
		{"not bound", port("tcp", "0.0.0.0", "*", "0.0.0.0/*"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.send(event.ListeningPortsKind, time.Now(), c.item)
			b.active(recommend.OpenPorts, c.open)
		})
	}
}

func TestOpenPortsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, at := newBench(t), time.Now()
		send := func(items ...event.Item) {
			at = at.Add(13 * time.Hour)
			b.send(event.ListeningPortsKind, at, items...)
		}
		send(port("tcp", "0.0.0.0", "8080", ""), port("tcp", "0.0.0.0", "22", ""), port("tcp", "0.0.0.0", "22", ""))
		b.active(recommend.OpenPorts, true)
		b.details(recommend.OpenPorts, `{"endpoints":[{"address":"0.0.0.0","port":"22","protocol":"tcp"},{"address":"0.0.0.0","port":"8080","protocol":"tcp"}],"count":2}`)
		discovered := b.get(recommend.OpenPorts).Discovered
		b.same(func() { send(port("tcp", "0.0.0.0", "22", ""), port("tcp", "0.0.0.0", "8080", "")) })

		time.Sleep(time.Hour) //nolint:forbidigo // the bubble's time
		send(port("tcp", "0.0.0.0", "22", ""))
		b.details(recommend.OpenPorts, `{"endpoints":[{"address":"0.0.0.0","port":"22","protocol":"tcp"}],"count":1}`)
		if got := b.get(recommend.OpenPorts); !got.Discovered.Equal(discovered) || got.Version != 2 {
			t.Errorf("discovered %s, version %d; want %s, 2", got.Discovered, got.Version, discovered)
		}
		// An older snapshot comes late, and one that could not be read.
		b.same(func() {
			b.send(event.ListeningPortsKind, at.Add(-time.Hour))
			b.message(event.Event{ID: "unreadable", Kind: event.ListeningPortsKind, Time: at.Add(time.Minute)})
		})
		b.active(recommend.OpenPorts, true)
		send() // nothing listens
		b.active(recommend.OpenPorts, false)
		if got := b.get(recommend.OpenPorts); got.Resolved.IsZero() || len(got.Details) == 0 {
			t.Errorf("resolved = %s, details %s; want both", got.Resolved, got.Details)
		}
		b.same(func() { send() })
		send(port("tcp", "0.0.0.0", "22", ""))
		b.active(recommend.OpenPorts, true)
		if got := b.get(recommend.OpenPorts); got.Discovered.Equal(discovered) || !got.Resolved.IsZero() {
			t.Errorf("discovered %s, resolved %s: want a new time and none", got.Discovered, got.Resolved)
		}
	})
}

// TestSplitSnapshot holds that the events of one snapshot count together.
func TestSplitSnapshot(t *testing.T) {
	b, at := newBench(t), time.Now()
	two := func(id string, items ...event.Item) (list []event.Event) {
		for i, it := range items {
			list = append(list, event.Event{ID: fmt.Sprint(id, i), Kind: it.Kind(), Time: at, Items: []event.Item{it}})
		}
		return list
	}
	b.message(two("a", port("tcp", "0.0.0.0", "22", ""), port("tcp", "127.0.0.1", "25", ""))...)
	b.active(recommend.OpenPorts, true)
	if v := b.get(recommend.OpenPorts).Version; v != 1 {
		t.Errorf("version %d after one snapshot, want 1", v)
	}
}

func TestInstallAgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		register := func() {
			b.do(func(tx *ledger.Tx) error { return b.assessor.Registered(tx, dev, tx.Now()) })
		}
		register()
		time.Sleep(30 * time.Minute) //nolint:forbidigo // the bubble's time
		b.same(func() {
			b.do(func(tx *ledger.Tx) error { return b.assessor.Registered(tx, dev, tx.Now().Add(-time.Hour)) })
		})
		b.tick()
		b.active(recommend.InstallAgent, false)
		time.Sleep(30 * time.Minute) //nolint:forbidigo // the bubble's time
		b.tick()
		b.active(recommend.InstallAgent, true)
		b.same(func() { register(); b.tick() })
		if d := b.device(); !d.Due.IsZero() {
			t.Errorf("due %s, want never", d.Due)
		}
		b.send(event.HeartbeatKind, time.Now())
		b.active(recommend.InstallAgent, false)
		b.same(func() { register(); b.send(event.HeartbeatKind, time.Now()) })
		time.Sleep(100 * time.Hour) //nolint:forbidigo // the bubble's time
		b.tick()
		b.active(recommend.InstallAgent, false)
	})
}

func TestAgentInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.do(func(tx *ledger.Tx) error { return b.assessor.Registered(tx, dev, tx.Now()) })
		// What the hub saw is not a word of the agent.
		b.do(func(tx *ledger.Tx) error {
			return b.assessor.Assess(tx, &event.Message{From: tvilling.Device(dev), Hub: true}, &event.Event{Kind: event.HubAuthenticationKind})
		})
		if _, ok := detect.WakeTime(b.device(), "recommend-install"); !ok {
			t.Error("a word of the hub counted as one of the agent")
		}
		b.send(event.HeartbeatKind, time.Now())
		time.Sleep(2 * time.Hour) //nolint:forbidigo // the bubble's time
		b.tick()
		b.active(recommend.InstallAgent, false)
		if d := b.device(); !d.Due.IsZero() {
			t.Errorf("due %s, want never", d.Due)
		}
	})
}

// TestOldDevice holds that a device which is new to the plane alone has the
// whole grace.
func TestOldDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.do(func(tx *ledger.Tx) error { return b.assessor.Registered(tx, dev, tx.Now().AddDate(-2, 0, 0)) })
		time.Sleep(59 * time.Minute) //nolint:forbidigo // the bubble's time
		b.tick()
		b.active(recommend.InstallAgent, false)
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's time
		b.tick()
		b.active(recommend.InstallAgent, true)
		b.details(recommend.InstallAgent, `{"waitedSince":"2000-01-01T00:00:00Z"}`)
	})
}

// TestSilenceMarksPosture holds that the twin is brought up to date when a
// device falls silent and when it is back, though no count changes.
func TestSilenceMarksPosture(t *testing.T) {
	b := newBench(t)
	unmark := func(state string) {
		b.do(func(tx *ledger.Tx) error {
			d, err := tx.Device(dev)
			d.State, d.Posture = state, false
			tx.PutDevice(d)
			return err
		})
	}
	b.send(event.HeartbeatKind, time.Now())
	unmark("healthy")
	b.send(event.HeartbeatKind, time.Now())
	if b.device().Posture {
		t.Error("a heartbeat marks the posture")
	}
	b.do(func(tx *ledger.Tx) error {
		d, err := tx.Device(dev)
		if err != nil {
			return err
		}
		return b.assessor.Tick(tx, d, tx.Now())
	})
	if !b.device().Posture {
		t.Error("a time that has come does not mark the posture")
	}
	unmark("unknown")
	b.send(event.HeartbeatKind, time.Now())
	if !b.device().Posture {
		t.Error("the first message after a silence does not mark the posture")
	}
}

func stats(sent, small int64) event.Item {
	return &event.MessageStatistics{MessagesSent: sent, MessagesUnder4KB: small}
}

func TestUnutilizedMessages(t *testing.T) {
	b, at := newBench(t), time.Now()
	b.configuration(`{}`, "")
	b.send(event.MessageStatisticsKind, at, stats(100, 9))
	b.active(recommend.AgentSendsUnutilized, false)
	b.send(event.MessageStatisticsKind, at.Add(13*time.Hour), stats(20, 3)) // 12 of 120: a tenth
	b.active(recommend.AgentSendsUnutilized, true)
	b.details(recommend.AgentSendsUnutilized, `{"messagesSent":120,"messagesUnder4KB":12,"percent":10,"hours":24}`)
	patch := string(b.get(recommend.AgentSendsUnutilized).Patch)
	if !strings.Contains(patch, `"highPriorityMessageFrequency":{"value":"PT14M"}`) || !strings.Contains(patch, `"snapshotFrequency"`) {
		t.Errorf("patch = %s; want the whole configuration with PT14M", patch)
	}
	b.same(func() { b.send(event.MessageStatisticsKind, at.Add(13*time.Hour), stats(20, 3)) }) // came twice
	// When the configuration is changed, what was counted counts no more; the
	// recommendation stays until there is new evidence, its patch does not.
	b.configuration(`{"highPriorityMessageFrequency":{"value":"PT14M"}}`, "")
	b.active(recommend.AgentSendsUnutilized, true)
	if r := b.get(recommend.AgentSendsUnutilized); r.Patch != nil || r.Module != "" {
		t.Errorf("patch = %s; want none", r.Patch)
	}
	b.send(event.MessageStatisticsKind, at.Add(26*time.Hour), stats(0, 0))
	b.active(recommend.AgentSendsUnutilized, true)
	b.send(event.MessageStatisticsKind, at.Add(39*time.Hour), stats(50, 1))
	b.active(recommend.AgentSendsUnutilized, false)
	// A day later the good one is out of the window.
	b.send(event.MessageStatisticsKind, at.Add(64*time.Hour), stats(10, 4))
	b.active(recommend.AgentSendsUnutilized, true)
	b.details(recommend.AgentSendsUnutilized, `{"messagesSent":10,"messagesUnder4KB":4,"percent":40,"hours":24}`)
}

// TestUrgentMessages holds that messages that were small because their events
// were to go at once do not count.
func TestUrgentMessages(t *testing.T) {
	b, at := newBench(t), time.Now()
	b.configuration(`{}`, "")
	urgent := func(sent, small int64, text string) event.Item {
		return &event.MessageStatistics{MessagesSent: sent, MessagesUnder4KB: small, Extra: event.Details{{Name: event.UrgentUnder4KB, Value: text}}}
	}
	b.send(event.MessageStatisticsKind, at, urgent(100, 60, "55")) // 5 of 45
	b.active(recommend.AgentSendsUnutilized, true)
	b.details(recommend.AgentSendsUnutilized, `{"messagesSent":45,"messagesUnder4KB":5,"percent":11,"hours":24}`)
	b.send(event.MessageStatisticsKind, at.Add(time.Hour), urgent(100, 60, "60"))
	b.active(recommend.AgentSendsUnutilized, false)
	for _, text := range []string{"-60", "many", "9999999999999999999999"} {
		b.send(event.MessageStatisticsKind, at.Add(30*time.Hour), urgent(100, 60, text))
		b.active(recommend.AgentSendsUnutilized, true)
		b.send(event.MessageStatisticsKind, at.Add(60*time.Hour), urgent(100, 60, "60"))
		at = at.Add(60 * time.Hour)
	}
}

// TestStatisticsOfAnotherConfiguration holds that what was sent before the
// configuration was changed does not count against it.
func TestStatisticsOfAnotherConfiguration(t *testing.T) {
	b, at := newBench(t), time.Now()
	b.configuration(`{}`, "")
	b.send(event.MessageStatisticsKind, at, stats(100, 50))
	b.active(recommend.AgentSendsUnutilized, true)
	b.configuration(`{"highPriorityMessageFrequency":{"value":"PT1H"}}`, "")
	b.send(event.MessageStatisticsKind, at.Add(time.Hour), stats(10, 0))
	b.active(recommend.AgentSendsUnutilized, false)
}

func TestSharedCredentials(t *testing.T) {
	b := newBench(t)
	tell := func(shared ...tvilling.Identity) {
		b.do(func(tx *ledger.Tx) error { return b.assessor.Credentials(tx, tvilling.Device(dev), shared) })
	}
	tell()
	b.active(recommend.SharedCredentials, false)
	tell(tvilling.Identity{Device: dev, Module: "m"}) // its own module
	b.active(recommend.SharedCredentials, false)
	tell(tvilling.Device("d2"), tvilling.Identity{Device: "d3", Module: tvilling.SecurityModule})
	b.active(recommend.SharedCredentials, true)
	b.details(recommend.SharedCredentials, `{"sharedWith":["d2","d3/azureiotsecurity"]}`)
	b.same(func() { tell(tvilling.Device("d2"), tvilling.Identity{Device: "d3", Module: tvilling.SecurityModule}) })
	var many []tvilling.Identity
	for n := range 30 {
		many = append(many, tvilling.Device(tvilling.DeviceID(fmt.Sprintf("x%02d", n))))
	}
	tell(many...)
	var got struct {
		SharedWith []string
		More       bool
	}
	if err := json.Unmarshal(b.get(recommend.SharedCredentials).Details, &got); err != nil || len(got.SharedWith) != 10 || !got.More {
		t.Errorf("details = %+v, %v; want 10 and more", got, err)
	}
	tell()
	b.active(recommend.SharedCredentials, false)
}

func TestGone(t *testing.T) {
	b := newBench(t)
	b.send(event.ListeningPortsKind, time.Now(), port("tcp", "0.0.0.0", "22", ""))
	b.configuration(`{"maxMessageSizeInBytes":{"value":9000}}`, "")
	b.do(func(tx *ledger.Tx) error { return b.assessor.Gone(tx, dev) })
	b.active(recommend.OpenPorts, false)
	b.active(recommend.ConfigurationNotOptimal, false)
}

func TestCatalogue(t *testing.T) {
	last := ""
	for _, c := range recommend.Catalogue() {
		if c.Type <= last || c.Title == "" || c.Description == "" || len(c.Fix) == 0 || c.Source == "" || c.Severity >= ledger.Severities {
			t.Errorf("%+v lacks something or is out of order", c)
		}
		last = c.Type
		if got, ok := recommend.Lookup(c.Type); !ok || got.Title != c.Title {
			t.Errorf("Lookup(%s) = %+v, %t", c.Type, got, ok)
		}
	}
	if _, ok := recommend.Lookup("IoT_Nothing"); ok {
		t.Error("a type that there is not was found")
	}
}
