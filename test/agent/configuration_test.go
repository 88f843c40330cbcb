//go:build linux

package agent_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/device"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// TestBoot starts an agent as wire §12 has it, with each of its credentials: it
// reads its twin, reports all that is in force, and sends its first snapshots.
func TestBoot(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world, *identity.Config){
		"the device's key": func(*world, *identity.Config) {},
		"the module's key": func(w *world, c *identity.Config) {
			m, err := w.owner.Module(w.Context(), w.module)
			if err != nil {
				w.Fatal(err)
			}
			c.DeviceKeyFile, c.ModuleKeyFile = "", w.secret("module-key", m.Authentication.SymmetricKey.Primary)
		},
		"a connection string": func(w *world, c *identity.Config) {
			c.DeviceKeyFile = ""
			c.ConnectionStringFile = w.secret("connection-string", "HostName=localhost;DeviceId="+deviceID+";SharedAccessKey="+w.key)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			const desired = `{"highPriorityMessageFrequency":{"value":"PT1S"},"lowPriorityMessageFrequency":{"value":"PT2S"},"maxMessageSizeInBytes":{"value":262144},"eventPriorityOSBaseline":{"value":"Off"}}`
			w.desire(`{` + object + `:` + desired + `}`)
			c := w.config()
			change(w, &c)
			a := w.run(c)
			r := w.state("applied")
			object, old := agentconfig.Reported(r.raw)
			if d := agentconfig.Compare([]byte(desired), object); len(d) > 0 || old {
				t.Errorf("what is reported differs: %+v", d)
			}
			// One property is the C agent's alone.
			for _, p := range agentconfig.Properties() {
				if s := p.Default.String(); s != "" && s != "null" && p.Name != agentconfig.EventPriorityOperational && r.value(p.Name) == "" {
					t.Errorf("%s is not reported", p.Name)
				}
			}
			if r.Agent.Version != "1.0.0" || len(r.Agent.Sources) < 5 {
				t.Errorf("reported is %+v", r.Agent)
			}
			for _, name := range []string{"SystemInformation", "LocalUsers", "ListeningPorts", "FirewallConfiguration", "ConnectedHardware", "DroppedEventsStatistics", "MessageStatistics", "Heartbeat"} {
				w.sees(name, "")
			}
			if n := len(w.events("OSBaseline")); n > 0 {
				t.Errorf("%d events are of what is off", n)
			}
			w.until("the hub says that it is in sync", func() bool { return w.posture().Configuration == "inSync" })
			st := a.Status()
			if !st.Connected || !strings.HasPrefix(st.Spool, "disk") || st.Configuration.State != "applied" || len(st.Sights) < 5 {
				t.Errorf("the status is %+v", st)
			}
			id := w.events("SystemInformation")[0].AgentID
			a.stop()
			b := w.run(c)
			w.until("it is back", func() bool { return b.Status().Connected })
			if got := b.Status().AgentID; got != id {
				t.Errorf("the agent's id was %s and is %s", id, got)
			}
		})
	}
}

// TestOneSetting changes one setting of an agent at rest, and counts the bytes.
func TestOneSetting(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.desire(silent(`"lowPriorityMessageFrequency":{"value":"PT3H"}`))
	w.run(w.config())
	w.state("applied")
	application, err := device.Dial(t.Context(), device.Options{Addr: w.hub.MQTT(), TLS: w.hub.TLS(), HostName: "localhost", ID: tvilling.Device(deviceID), Key: w.key})
	if err != nil {
		t.Fatal(err)
	}
	defer application.Close()
	w.rest()
	up, down := w.wire.up.Load(), w.wire.down.Load()
	begun := time.Now()
	w.desire(`{` + object + `:{"snapshotFrequency":{"value":"PT2H"}}}`)
	w.until("it is reported", func() bool { return w.reported().value("snapshotFrequency") == "PT2H" })
	t.Logf("in force and reported after %v", time.Since(begun))
	w.rest()
	up, down = w.wire.up.Load()-up, w.wire.down.Load()-down
	t.Logf("%d bytes down, %d up", down, up)
	if down > 300 || up > 2048 {
		t.Errorf("it costs %d bytes down, %d up; want at most 300, 2048", down, up)
	}
	r := w.reported()
	if r.value("lowPriorityMessageFrequency") != "PT3H" || r.value("eventPriorityLogin") != "Off" {
		t.Errorf("the patch is not merged: %s", r.raw)
	}
	// null is the default again.
	w.desire(`{` + object + `:{"snapshotFrequency":null}}`)
	w.until("the default is reported", func() bool { return w.reported().value("snapshotFrequency") == "PT13H" })
	if err := application.Send(t.Context(), &tvilling.Message{Body: []byte("x")}); err != nil {
		t.Errorf("the application's connection: %v", err)
	}
}

// TestInvalid: a configuration with mistakes is refused as a whole, which the hub
// is told, and the next good one is taken.
func TestInvalid(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.desire(`{` + object + `:{"snapshotFrequency":{"value":"PT9H"},"highPriorityMessageFrequency":{"value":"PT1S"},"lowPriorityMessageFrequency":{"value":"PT1S"},"eventPriorityOSBaseline":{"value":"Off"}}}`)
	a := w.run(w.config())
	w.state("applied")
	w.desire(`{` + object + `:{"snapshotFrequency":{"value":"PT3H"},"eventPriorityLogin":{"value":"Mid"},"maxMessageSizeInBytes":{"value":"x"}}}`)
	r := w.state("refused")
	if r.value("snapshotFrequency") != "PT9H" || len(r.Agent.Configuration.Problems) != 2 {
		t.Errorf("reported is %s", r.raw)
	}
	e := w.sees("ConfigurationError", `"ConfigurationName":"eventPriorityLogin"`)
	for _, want := range []string{`"ConfigurationName":"maxMessageSizeInBytes"`, `"ErrorType":"TypeMismatch"`, `PT9H`} {
		if !strings.Contains(string(e.Payload), want) {
			t.Errorf("%s is not in %s", want, e.Payload)
		}
	}
	w.alert(patience, "IoT_AgentConfigurationNotParsed", "eventPriorityLogin")
	if st := a.Status().Configuration; st.State != "refused" || len(st.Problems) != 2 {
		t.Errorf("the status is %+v", st)
	}
	w.desire(`{` + object + `:{"snapshotFrequency":{"value":"PT4H"},"eventPriorityLogin":{"value":"Low"},"maxMessageSizeInBytes":null}}`)
	r = w.state("applied")
	if r.value("snapshotFrequency") != "PT4H" || len(r.Agent.Configuration.Problems) != 0 {
		t.Errorf("reported is %s", r.raw)
	}
	w.until("the hub says that it is in sync", func() bool { return w.posture().Configuration == "inSync" })
	if n := len(w.events("ConfigurationError")); n != 1 {
		t.Errorf("it is told %d times", n)
	}
}

// TestInvalidAtStart: with an unusable twin the agent runs on its defaults, and says so.
func TestInvalidAtStart(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.desire(`{` + object + `:{"highPriorityMessageFrequency":{"value":7},"snapshotFrequency":{"value":"PT3H"}}}`)
	a := w.run(w.config())
	r := w.state("defaults")
	if r.value("highPriorityMessageFrequency") != "PT7M" || r.value("snapshotFrequency") != "PT13H" || len(r.Agent.Configuration.Problems) != 1 {
		t.Errorf("reported is %s", r.raw)
	}
	a.SnapshotNow()
	w.sees("ConfigurationError", "highPriorityMessageFrequency")
	w.sees("LocalUsers", "root")
	w.desire(`{` + object + `:{"highPriorityMessageFrequency":null}}`)
	w.state("applied")
}

// TestModuleMadeAnew: the module's twin goes with the module; the agent reports
// all of it again to the next one.
func TestModuleMadeAnew(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.run(w.config())
	w.state("applied")
	if err := w.owner.Delete(t.Context(), w.module, tvilling.Match{Any: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.owner.RestoreModule(t.Context(), deviceID); err != nil {
		t.Fatal(err)
	}
	r := w.state("applied")
	if r.value("snapshotFrequency") != "PT13H" {
		t.Errorf("reported is %s", r.raw)
	}
}

// TestHubAwayAtStart: the agent begins without the hub, and follows the twin when
// the hub is there.
func TestHubAwayAtStart(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.desire(silent(`"snapshotFrequency":{"value":"PT2H"}`))
	w.wire.cut()
	a := w.run(w.config())
	w.until("the agent knows why it is not connected", func() bool { st := a.Status(); return !st.Connected && st.Error != "" })
	w.wire.join(w.hub.MQTT())
	if r := w.state("applied"); r.value("snapshotFrequency") != "PT2H" {
		t.Errorf("reported is %s", r.raw)
	}
}

// TestMicroAgent speaks the flat dialect under the name of that module.
func TestMicroAgent(t *testing.T) {
	t.Parallel()
	w := startFor(t, identity.MicroAgentModule)
	w.desire(`{"CollectorsCore_PriorityIntervals":"1,2,3","Baseline_Disabled":true,"Login_MessageFrequency":"High","tvillingAgent":{"immediateEvents":["LocalUsers"]}}`)
	w.run(w.config())
	r := w.state("applied")
	if r.LatestState != "success" || r.Invalid != "" || r.member("CollectorsCore_PriorityIntervals") != "1,2,3" || r.member("Baseline_Disabled") != "true" || r.member("Heartbeat_MessageFrequency") != "Low" {
		t.Errorf("reported is %s", r.raw)
	}
	w.sees("LocalUsers", "root")
	w.desire(`{"Process_Mode":9,"CollectorsCore_PriorityIntervals":"3,4,5"}`)
	r = w.state("refused")
	if r.LatestState != "failed" || r.Invalid != "Process_Mode" || r.member("CollectorsCore_PriorityIntervals") != "1,2,3" {
		t.Errorf("reported is %s", r.raw)
	}
	w.desire(`{"Process_Mode":null}`)
	r = w.state("applied")
	if r.LatestState != "success" || r.Invalid != "" || r.member("CollectorsCore_PriorityIntervals") != "3,4,5" {
		t.Errorf("reported is %s", r.raw)
	}
}

// TestRestlessTwin changes the twin every 100 ms: the last value is what counts,
// and it costs few messages.
func TestRestlessTwin(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.desire(silent())
	p := w.install(t, w.config())
	p.start(t)
	w.state("applied")
	w.rest()
	before, cpu := w.reported().Version, p.cpu(t)
	const changes = 40
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := range changes {
		<-tick.C
		w.desire(fmt.Sprintf(`{`+object+`:{"snapshotFrequency":{"value":"PT%dM"}}}`, 10+n))
	}
	last := fmt.Sprintf("PT%dM", 10+changes-1)
	w.until("the last value is reported", func() bool { return w.reported().value("snapshotFrequency") == last })
	r := w.reported()
	used := p.cpu(t) - cpu
	t.Logf("%d reports, %v of CPU", r.Version-before, used)
	if r.Version-before > changes/3 {
		t.Errorf("%d reports of %d changes", r.Version-before, changes)
	}
	if used > time.Second {
		t.Errorf("%v of CPU for %d changes", used, changes)
	}
	if st := p.status(t); st.Configuration.State != "applied" {
		t.Errorf("the status is %+v", st.Configuration)
	}
}
