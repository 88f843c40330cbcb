package security_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
)

// cAgent is a message as the original C agent writes it: its local time with a
// Z, lower-case protocols, aggregated events with a number as HitCount and as
// port, an empty ConfigurationError, a member that the schema lacks.
func cAgent(now time.Time) []byte {
	stamp := now.UTC().Format("2006-01-02T15:04:05Z")
	local := now.UTC().Add(2 * time.Hour).Format("2006-01-02T15:04:05Z")
	head := func(n int, category, name, typ string, empty bool) string {
		return fmt.Sprintf(`"Category":%q,"IsOperational":%t,"Name":%q,"EventType":%q,"PayloadSchemaVersion":"1.0","Id":%q,"TimestampLocal":%q,"TimestampUTC":%q,"IsEmpty":%t`,
			category, typ == "Operational", name, typ, id(n), local, stamp, empty)
	}
	details := fmt.Sprintf(`"ExtraDetails":{"HitCount":12,"StartTimeLocal":%q,"StartTimeUtc":%q,"EndTimeLocal":%q,"EndTimeUtc":%q}`, local, stamp, local, stamp)
	return message(
		`{`+head(1, "Triggered", "ConfigurationError", "Operational", true)+`,"Payload":[]}`,
		`{`+head(2, "Aggregated", "ProcessCreate", "Security", false)+`,"Payload":[{"Executable":"/bin/sh","CommandLine":"sh -c \"echo cpuminer-multi\"","UserName":"root","UserId":"0","ProcessId":0,"ParentProcessId":0,`+details+`}]}`,
		`{`+head(3, "Aggregated", "ConnectionCreate", "Security", false)+`,"Payload":[{"Executable":"/usr/bin/curl","CommandLine":"curl https://example.org","UserId":"0","Direction":"Out","LocalAddress":"10.0.0.5","RemoteAddress":"203.0.113.9","Protocol":"tcp","LocalPort":0,"RemotePort":443,"ProcessId":0,`+details+`}]}`,
		`{`+head(4, "Periodic", "ListeningPorts", "Security", false)+`,"Payload":[{"Protocol":"tcp","LocalAddress":"127.0.0.1","LocalPort":"25","RemoteAddress":"0.0.0.0","RemotePort":"*"}]}`,
		`{`+head(5, "Periodic", "DroppedEventsStatistics", "Operational", false)+`,"Payload":[{"Queue":"High","CollectedEvents":3,"DroppedEvents":0}]}`,
	)
}

// csAgent is one as the original C# agent writes it: times without a zone,
// texts for the numbers of an aggregation in the invariant culture, an empty
// text for a port, a queue that the schema lacks.
func csAgent(now time.Time) []byte {
	stamp := now.UTC().Format("2006-01-02T15:04:05.0000000")
	head := func(n int, category, name, typ string) string {
		return fmt.Sprintf(`"Category":%q,"IsOperational":%t,"Name":%q,"EventType":%q,"PayloadSchemaVersion":"1.0","Id":%q,"TimestampLocal":%q,"TimestampUTC":%q,"IsEmpty":false`,
			category, typ == "Operational", name, typ, id(n), stamp, stamp)
	}
	culture := now.UTC().Format("01/02/2006 15:04:05")
	details := fmt.Sprintf(`"ExtraDetails":{"HitCount":"12","StartTimeLocal":%q,"StartTimeUtc":%q,"EndTimeLocal":%q,"EndTimeUtc":%q}`, culture, culture, culture, culture)
	return message(
		`{`+head(11, "Aggregated", "ProcessCreate", "Security")+`,"Payload":[{"Executable":"/bin/sh","CommandLine":"sh -c \"echo cpuminer-multi\"","UserId":"0","ProcessId":0,"ParentProcessId":0,`+details+`}]}`,
		`{`+head(12, "Aggregated", "ConnectionCreate", "Security")+`,"Payload":[{"Executable":"/usr/bin/curl","CommandLine":"curl https://example.org","UserId":"0","Direction":"Out","LocalAddress":"10.0.0.5","RemoteAddress":"203.0.113.9","Protocol":"TCP","LocalPort":"","RemotePort":"443","ProcessId":0,`+details+`}]}`,
		`{`+head(13, "Periodic", "DroppedEventsStatistics", "Operational")+`,"Payload":[{"Queue":"Operational","CollectedEvents":3,"DroppedEvents":0}]}`,
		`{`+head(14, "Triggered", "Login", "Security")+`,"Payload":[{"ProcessId":4,"UserName":"SYSTEM","Operation":"NTLM","Executable":"C:\\Windows\\System32\\lsass.exe","RemoteAddress":"2001:db8::1","Result":"Success"}]}`,
	)
}

// TestOriginalAgents: what the original agents send is read to its last event,
// whatever of it breaks their own schema, sent as the module or as the device.
func TestOriginalAgents(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	key := w.hub.Register(w.owner, "device")
	asDevice, err := device.Dial(w.ctx, device.Options{Addr: w.hub.MQTT(), TLS: w.hub.TLS(), HostName: hostName, ID: tvilling.Device("device"), Key: key, Clean: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = asDevice.Close() })
	agents := map[tvilling.DeviceID]*agent{"module": w.register("module"), "device": {w: w, id: "device", conn: asDevice}}
	for name, a := range agents {
		for kind, m := range map[string][]byte{"C": cAgent(time.Now()), "C#": csAgent(time.Now())} {
			msg := &tvilling.Message{Body: m, Properties: []tvilling.Property{{Name: "MessagePriority", Value: "High"}, {Name: "HubResourceId", Value: "/subscriptions/x"}}}
			device.MarkSecurity(msg)
			if err := a.conn.Send(w.ctx, msg); err != nil {
				t.Fatalf("%s as %s: %v", kind, name, err)
			}
		}
	}
	w.settle()
	for name := range agents {
		for _, l := range w.letters(name) {
			t.Errorf("%s: %s at %s: %s", name, l.Reason, l.Path, l.Text)
		}
		got := w.eventsOf(client.EventFilter{Device: name})
		if len(got) != 9 {
			t.Errorf("%s: %d events are kept, want 9", name, len(got))
		}
		for _, e := range got {
			if d := time.Until(e.Time); d > time.Minute || d < -time.Hour {
				t.Errorf("%s: the %s is of %v, stated as %v", name, e.Name, e.Time, e.Stated)
			}
		}
		// Both told of the same cause, twelve times each.
		w.wantAlerts(name, "IoT_CryptoMiner×24")
		if got := w.eventsOf(client.EventFilter{Device: name, Where: []string{"RemotePort = 443"}}); len(got) != 2 {
			t.Errorf("%s: %d connections to port 443 are found, want 2", name, len(got))
		}
		w.is(name, "atRisk")
	}
}

const object = "ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration"

// desire sets properties of the agent configuration of a device.
func (w *world) desire(d tvilling.DeviceID, properties string) {
	w.Helper()
	_, err := w.owner.PatchTwin(w.ctx, securityOf(d), client.TwinPatch{Desired: json.RawMessage(`{"` + object + `":` + properties + `}`)}, tvilling.Match{})
	if err != nil {
		w.Fatal(err)
	}
}

func (a *agent) reports(properties string) {
	a.w.Helper()
	if _, err := a.conn.Report(a.w.ctx, []byte(`{"`+object+`":`+properties+`}`)); err != nil {
		a.w.Fatal(err)
	}
}

// lower is what the C agent reports of a configuration that has the defaults
// but for one priority: all in lower case, its own property among them.
func lower(connection string) string {
	values := map[string]any{
		"hubResourceId": "", "highPriorityMessageFrequency": "PT7M", "lowPriorityMessageFrequency": "PT5H", "snapshotFrequency": "PT13H",
		"maxLocalCacheSizeInBytes": 2560000, "maxMessageSizeInBytes": 204800, "eventPriorityProcessCreate": "low", "eventPriorityProcessTerminate": "low",
		"eventPrioritySystemInformation": "low", "eventPriorityLocalUsers": "high", "eventPriorityLogin": "high", "eventPriorityConnectionCreate": connection,
		"eventPriorityFirewallConfiguration": "low", "eventPriorityOSBaseline": "low", "eventPriorityListeningPorts": "high", "eventPriorityDiagnostic": "low",
		"eventPriorityOperational": "high", "baselineCustomChecksEnabled": false, "aggregationEnabledProcessCreate": true, "aggregationIntervalProcessCreate": "PT1H",
		"aggregationEnabledConnectionCreate": true, "aggregationIntervalConnectionCreate": "PT1H",
	}
	wrapped := map[string]any{}
	for name, v := range values {
		wrapped[name] = map[string]any{"value": v}
	}
	b, err := json.Marshal(wrapped)
	if err != nil {
		panic(err) // it can be written
	}
	return string(b)
}

// TestConfigurationCompared: a configuration that differs only in how the C
// agent writes it is in sync; one that the agent did not take over is not, and
// says in what.
func TestConfigurationCompared(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	a := w.register("d1")
	w.desire("d1", `{"eventPriorityConnectionCreate":{"value":"High"},"aggregationIntervalProcessCreate":{"value":"PT60M"}}`)
	a.reports(lower("high"))
	w.stands("d1", "in sync", func(p posture) bool { return p.Configuration == "inSync" })

	a.reports(lower("low"))
	w.stands("d1", "not in sync", func(p posture) bool { return p.Configuration == "differs" })
	got, err := w.owner.DeviceSecurity(w.ctx, "d1")
	if err != nil {
		t.Fatal(err)
	}
	if d := got.Configuration.Differences; len(d) != 1 || d[0].Property != "eventPriorityConnectionCreate" || d[0].Why == "" {
		t.Errorf("the differences are %+v", d)
	}
	r := w.advised("d1", "IoT_AgentConfigurationMismatch", "active", nil)
	if !strings.Contains(string(r.Details), "eventPriorityConnectionCreate") {
		t.Errorf("the recommendation has %s", r.Details)
	}
	if got := w.query("security.configuration = 'differs'"); !slices.Equal(got, []string{"d1"}) {
		t.Errorf("the query finds %v", got)
	}
	a.reports(lower("high"))
	w.stands("d1", "in sync again", func(p posture) bool { return p.Configuration == "inSync" })
	w.advised("d1", "IoT_AgentConfigurationMismatch", "resolved", nil)
}

// TestReadyPatchIsTheWholeObject: an agent complains of its message size; the
// recommendation has a patch, and whoever applies it writes the whole
// configuration, since original agents take a patch for all of it.
func TestReadyPatchIsTheWholeObject(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	a := w.register("d1")
	w.desire("d1", `{"maxMessageSizeInBytes":{"value":10000},"eventPriorityLogin":{"value":"Low"}}`)
	a.sees(event(id(1), "ConfigurationError", time.Now(), `{"ConfigurationName":"maxMessageSizeInBytes","ErrorType":"NotOptimal","UsedConfiguration":"{}","Message":"not a multiple of 4096"}`))
	r := w.advised("d1", "IoT_AgentConfigurationNotOptimal", "active", func(r *client.Recommendation) bool { return len(r.Patch) > 0 })
	if r.Module != tvilling.SecurityModule {
		t.Errorf("the patch is for %q", r.Module)
	}
	if _, err := w.owner.ApplyRecommendation(w.ctx, r.Type, "d1"); err != nil {
		t.Fatal(err)
	}
	twin, _ := w.twin("d1")
	var desired map[string]json.RawMessage
	if err := json.Unmarshal(twin.Properties.Desired, &desired); err != nil {
		t.Fatal(err)
	}
	var whole map[string]struct{ Value any }
	if err := json.Unmarshal(desired[object], &whole); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"maxMessageSizeInBytes": 8192.0, "eventPriorityLogin": "Low", "eventPriorityListeningPorts": "High", "snapshotFrequency": "PT13H", "aggregationEnabledProcessCreate": true,
	} {
		if got := whole[name].Value; got != want {
			t.Errorf("%s is %v, want %v: %s", name, got, want, desired[object])
		}
	}
	if len(whole) < 20 {
		t.Errorf("only %d properties were written: %s", len(whole), desired[object])
	}
	a.reports(string(desired[object]))
	a.sees(event(id(2), "ConfigurationError", time.Now()))
	w.advised("d1", "IoT_AgentConfigurationNotOptimal", "resolved", nil)
}

// TestRecommendationsComeAndGo: each is active while its evidence holds.
func TestRecommendationsComeAndGo(t *testing.T) {
	t.Parallel()
	w := start(t, short)
	a := w.register("d1")
	now := time.Now().Add(-time.Minute)
	n := 0
	tell := func(name string, items ...string) {
		n++
		now = now.Add(time.Second)
		a.sees(event(id(n), name, now, items...))
	}
	policy := func(action string) string {
		return `{"Priority":9,"Direction":"In","ChainName":"INPUT","Enabled":true,"Action":"` + action + `"}`
	}
	port := func(address string) string {
		return `{"Protocol":"tcp","LocalAddress":"` + address + `","LocalPort":"23","RemoteAddress":"0.0.0.0","RemotePort":"*"}`
	}
	for _, test := range []struct {
		typ, severity string
		active, over  func()
	}{
		{"IoT_OpenPorts", "medium", func() { tell("ListeningPorts", port("0.0.0.0")) }, func() { tell("ListeningPorts", port("127.0.0.1")) }},
		{"IoT_PermissiveFirewallPolicy", "medium", func() { tell("FirewallConfiguration", policy("Allow")) }, func() { tell("FirewallConfiguration", policy("Deny")) }},
		{
			"IoT_AgentSendsUnutilizedMessages", "low", func() { tell("MessageStatistics", `{"MessagesSent":10,"MessagesUnder4KB":9,"TotalFailed":0}`) },
			func() { tell("MessageStatistics", `{"MessagesSent":500,"MessagesUnder4KB":0,"TotalFailed":0}`) },
		},
		{
			"IoT_AgentConfigurationConflict", "low", func() {
				w.desire("d1", `{"maxLocalCacheSizeInBytes":{"value":10000},"maxMessageSizeInBytes":{"value":204800}}`)
			},
			func() { w.desire("d1", `{"maxLocalCacheSizeInBytes":null}`) },
		},
	} {
		test.active()
		r := w.advised("d1", test.typ, "active", nil)
		if r.Severity != test.severity || r.Discovered.IsZero() || len(r.Details) < 3 {
			t.Errorf("%s is %s", test.typ, r.Raw)
		}
		w.stands("d1", test.typ, func(p posture) bool { return p.Recommendations[test.severity] == 1 })
		test.over()
		if r := w.advised("d1", test.typ, "resolved", nil); r.Resolved.IsZero() {
			t.Errorf("%s is %s", test.typ, r.Raw)
		}
		w.stands("d1", "free of "+test.typ, func(p posture) bool { return p.Recommendations[test.severity] == 0 })
	}
}

// TestSharedCredentials: two devices with one key are told of each other, and
// no longer once one of them has a key of its own.
func TestSharedCredentials(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	key := w.hub.Register(w.owner, "one")
	shared := &client.Authentication{Type: "sas", SymmetricKey: client.SymmetricKey{Primary: key, Secondary: "YW5vdGhlciBrZXkgb2YgaXRzIG93biBhbmQgbG9uZw=="}}
	if _, err := w.owner.CreateDevice(w.ctx, client.Device{DeviceID: "two", Authentication: shared}); err != nil {
		t.Fatal(err)
	}
	for one, other := range map[tvilling.DeviceID]string{"one": "two", "two": "one"} {
		r := w.advised(one, "IoT_SharedCredentials", "active", nil)
		if !strings.Contains(string(r.Details), other) || strings.Contains(string(r.Raw), key) || r.Severity != "high" {
			t.Errorf("%s is told %s", one, r.Raw)
		}
	}
	if _, err := w.owner.RegenerateKey(w.ctx, tvilling.Device("two"), "primary"); err != nil {
		t.Fatal(err)
	}
	w.advised("one", "IoT_SharedCredentials", "resolved", nil)
	w.advised("two", "IoT_SharedCredentials", "resolved", nil)
}

// TestInstallAgent: a device that is never heard is to have an agent, until it
// is heard.
func TestInstallAgent(t *testing.T) {
	t.Parallel()
	w := start(t, short)
	w.hub.Register(w.owner, "quiet")
	r := w.advised("quiet", "IoT_InstallAgent", "active", nil)
	if r.Severity != "low" || len(r.Patch) > 0 {
		t.Errorf("the recommendation is %s", r.Raw)
	}
	w.connect("quiet").sees(event(id(1), "Heartbeat", time.Now()))
	w.advised("quiet", "IoT_InstallAgent", "resolved", nil)
	w.is("quiet", "healthy")
}
