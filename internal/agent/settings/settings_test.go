package settings_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/event"
)

const object = `"ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration"`

func read(t *testing.T, d settings.Dialect, section string) settings.Settings {
	t.Helper()
	s, problems, ok := settings.Read(d, []byte(section))
	if !ok {
		t.Fatalf("%s is refused: %v", section, problems)
	}
	return s
}

func TestDefaults(t *testing.T) {
	s := settings.Default(settings.ASC)
	for k, want := range map[event.Kind]spool.Class{
		event.ListeningPortsKind: spool.High, event.LoginKind: spool.High, event.LocalUsersKind: spool.High,
		event.ProcessCreateKind: spool.Low, event.DiagnosticKind: spool.Low, event.HeartbeatKind: spool.Low,
		event.HubAuthenticationKind: settings.Off, event.Unknown: settings.Off,
	} {
		if s.Queue[k] != want {
			t.Errorf("%s is in queue %d, want %d", k, s.Queue[k], want)
		}
	}
	if s.Interval[spool.High] != 7*time.Minute || s.Interval[spool.Low] != 5*time.Hour || s.Snapshot != 13*time.Hour || s.MaxCache != 2_560_000 || s.MaxMessage != 204_800 {
		t.Errorf("got %v, %v, %d, %d", s.Interval, s.Snapshot, s.MaxCache, s.MaxMessage)
	}
	if s.Aggregate[event.ProcessCreateKind] != time.Hour || s.Aggregate[event.LoginKind] != 0 || s.CustomChecks {
		t.Errorf("got aggregation %v, custom checks %v", s.Aggregate, s.CustomChecks)
	}
	if !s.Immediate(event.LoginKind) || s.Immediate(event.ProcessCreateKind) {
		t.Error("immediate events are not those of the default")
	}
}

func TestReadASC(t *testing.T) {
	s := read(t, settings.ASC, `{`+object+`:{"highPriorityMessageFrequency":{"value":"PT1M"},"eventPriorityLogin":{"value":"off"},
		"eventPriorityProcessCreate":{"value":"High"},"aggregationEnabledProcessCreate":{"value":false},"snapshotFrequency":{"value":null},
		"baselineCustomChecksEnabled":{"value":true},"baselineCustomChecksFilePath":{"value":"/etc/tvilling-agent/checks/a.toml"},
		"baselineCustomChecksFileHash":{"value":"`+strings.Repeat("ab", 32)+`"}},
		"tvillingAgent":{"immediateEvents":["ProcessCreate"],"heartbeatFrequency":"PT0S","maxBytesPerDay":5000},"other":{"a":1},"$version":7}`)
	if s.Interval[spool.High] != time.Minute || s.Collected(event.LoginKind) || s.Queue[event.ProcessCreateKind] != spool.High || s.Aggregate[event.ProcessCreateKind] != 0 {
		t.Errorf("got %+v", s)
	}
	if s.Snapshot != 13*time.Hour || s.Collected(event.HeartbeatKind) || s.Extension.MaxBytesPerDay != 5000 || !s.Immediate(event.ProcessCreateKind) || s.Immediate(event.LoginKind) {
		t.Errorf("got %+v", s)
	}
	if !s.CustomChecks || s.CustomPath != "/etc/tvilling-agent/checks/a.toml" || len(s.CustomHash) != 64 {
		t.Errorf("got custom checks %v, %q, %q", s.CustomChecks, s.CustomPath, s.CustomHash)
	}
}

// What the hub compares with what it wants must find no difference.
func TestReportedIsWhatTheHubExpects(t *testing.T) {
	for _, section := range []string{`{}`, `{` + object + `:{"lowPriorityMessageFrequency":{"value":"P1D"},"eventPriorityDiagnostic":{"value":"Off"},"maxMessageSizeInBytes":{"value":8192}}}`} {
		s := read(t, settings.ASC, section)
		b, err := json.Marshal(settings.Report(settings.ASC, &s, settings.StateApplied, nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		var desired map[string]json.RawMessage
		if err := json.Unmarshal([]byte(section), &desired); err != nil {
			t.Fatal(err)
		}
		reported, old := agentconfig.Reported(b)
		if old {
			t.Error("reported under the old name")
		}
		if d := agentconfig.Compare(desired[agentconfig.Object], reported); len(d) > 0 {
			t.Errorf("%s: the hub sees differences: %+v", section, d)
		}
		if n := len(b); n > 8<<10 {
			t.Errorf("the report has %d bytes", n)
		}
	}
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name, section string
		want          []string // the properties that are to blame
	}{
		{"no object", `[1]`, []string{""}},
		{"no JSON", `{`, []string{""}},
		{"object is a text", `{` + object + `:"x"}`, []string{agentconfig.Object}},
		{"not wrapped", `{` + object + `:{"snapshotFrequency":"PT1H"}}`, []string{"snapshotFrequency"}},
		{"two bad ones", `{` + object + `:{"eventPriorityLogin":{"value":"Medium"},"maxMessageSizeInBytes":{"value":"8192"},"snapshotFrequency":{"value":"PT1H"}}}`, []string{"maxMessageSizeInBytes", "eventPriorityLogin"}},
		{"beyond a limit", `{` + object + `:{"maxMessageSizeInBytes":{"value":262145}}}`, []string{"maxMessageSizeInBytes"}},
		{"no duration", `{` + object + `:{"snapshotFrequency":{"value":"PT0S"}}}`, []string{"snapshotFrequency"}},
		{"extension is a number", `{"tvillingAgent":4}`, []string{"tvillingAgent"}},
		{"extension's limit", `{"tvillingAgent":{"memoryLimitInBytes":1}}`, []string{"tvillingAgent.memoryLimitInBytes"}},
		{"extension's event", `{"tvillingAgent":{"immediateEvents":["login"]}}`, []string{"tvillingAgent.immediateEvents"}},
		{"extension's share", `{"tvillingAgent":{"cpuLimitInPercent":"5"}}`, []string{"tvillingAgent.cpuLimitInPercent"}},
		{"extension's source", `{"tvillingAgent":{"processSource":"magic"}}`, []string{"tvillingAgent.processSource"}},
		{"extension's heartbeat", `{"tvillingAgent":{"heartbeatFrequency":"PT1S"}}`, []string{"tvillingAgent.heartbeatFrequency"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, problems, ok := settings.Read(settings.ASC, []byte(tt.section))
			if ok {
				t.Fatal("it is taken")
			}
			var got []string
			for _, p := range problems {
				if settings.Refused(p) {
					got = append(got, p.Property)
				}
				if p.Message == "" {
					t.Errorf("%s: no reason", p.Property)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("properties (-want +got):\n%s", d)
			}
		})
	}
}

// What is unwise is told and done all the same.
func TestUnwise(t *testing.T) {
	s, problems, ok := settings.Read(settings.ASC, []byte(`{`+object+`:{"maxMessageSizeInBytes":{"value":9000},"highPriorityMessageFrequency":{"value":"PT9H"},"made":{"value":1}},"tvillingAgent":{"made":1}}`))
	if !ok || s.MaxMessage != 9000 || s.Interval[spool.High] != 9*time.Hour {
		t.Fatalf("it is not done: %v", problems)
	}
	kinds := map[agentconfig.ProblemKind]int{}
	for _, p := range problems {
		kinds[p.Kind]++
	}
	want := map[agentconfig.ProblemKind]int{agentconfig.NotOptimal: 1, agentconfig.Conflict: 1, agentconfig.UnknownProperty: 2}
	if d := cmp.Diff(want, kinds); d != "" {
		t.Errorf("problems (-want +got):\n%s", d)
	}
}

func TestMicroAgent(t *testing.T) {
	if settings.DialectOf("DefenderIotMicroAgent") != settings.MicroAgent || settings.DialectOf("azureiotsecurity") != settings.ASC {
		t.Error("the dialect does not follow the module")
	}
	s := read(t, settings.MicroAgent, `{"CollectorsCore_PriorityIntervals":"10,20,30","Process_Disabled":true,"Login_MessageFrequency":"high",
		"Baseline_GroupsDisabled":"ssh, test","Process_Mode":3,"SystemInformation_HardwareVendor":"ACME","SBoM_Disabled":false,"$version":3}`)
	if s.Interval != [spool.Classes]time.Duration{10 * time.Minute, 20 * time.Minute, 30 * time.Minute} || s.Snapshot != 30*time.Minute {
		t.Errorf("got intervals %v, %v", s.Interval, s.Snapshot)
	}
	if s.Collected(event.ProcessCreateKind) || s.Queue[event.LoginKind] != spool.High || s.Queue[event.ConnectionCreateKind] != spool.Medium || s.Queue[event.OSBaselineKind] != spool.Low {
		t.Errorf("got queues %v", s.Queue)
	}
	if d := cmp.Diff([]string{"ssh", "test"}, s.DisabledGroups); d != "" {
		t.Error(d)
	}
	if s.Hardware["HardwareVendor"] != "ACME" || s.Extension.ProcessSource != agentconfig.SourcePolling {
		t.Errorf("got %v, %q", s.Hardware, s.Extension.ProcessSource)
	}
	r := settings.Report(settings.MicroAgent, &s, settings.StateApplied, nil, nil)
	for name, want := range map[string]string{
		"CollectorsCore_PriorityIntervals": `"10,20,30"`, "Process_Disabled": "true", "Login_MessageFrequency": `"high"`,
		"Heartbeat_MessageFrequency": `"Low"`, "NetworkActivity_CacheSize": "256", "latest_state": `"success"`,
	} {
		if got, _ := r[name].(json.RawMessage); string(got) != want {
			t.Errorf("%s is reported as %s, want %s", name, got, want)
		}
	}
	_, problems, ok := settings.Read(settings.MicroAgent, []byte(`{"CollectorsCore_PriorityIntervals":"1,2","Process_Mode":4,"Heartbeat_Disabled":"maybe","Login_MessageFrequency":"never","made":1}`))
	if ok {
		t.Fatal("an invalid section is taken")
	}
	current := settings.Default(settings.MicroAgent)
	r = settings.Report(settings.MicroAgent, &current, settings.StateRefused, problems, nil)
	if got, _ := r["latest_state"].(json.RawMessage); string(got) != `"failed"` {
		t.Errorf("latest_state is %s", got)
	}
	if got, _ := r["latest_invalid_fields"].(json.RawMessage); string(got) != `"CollectorsCore_PriorityIntervals,Login_MessageFrequency,Heartbeat_Disabled,Process_Mode"` {
		t.Errorf("latest_invalid_fields is %s", got)
	}
}

func TestPatch(t *testing.T) {
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	was := map[string]any{"a": map[string]any{"x": raw("1"), "y": raw("2")}, "b": raw(`"t"`), "c": map[string]any{"z": raw("3")}}
	tests := []struct {
		name string
		was  map[string]any
		now  map[string]any
		want string
	}{
		{"equal", was, was, ""},
		{"all", nil, was, `{"a":{"x":1,"y":2},"b":"t","c":{"z":3}}`},
		{"one value", was, map[string]any{"a": map[string]any{"x": raw("1"), "y": raw("5")}, "b": raw(`"t"`), "c": map[string]any{"z": raw("3")}}, `{"a":{"y":5}}`},
		{"one gone", was, map[string]any{"a": map[string]any{"x": raw("1")}, "b": raw(`"t"`), "c": map[string]any{"z": raw("3")}}, `{"a":{"y":null}}`},
		{"a map gone", was, map[string]any{"a": was["a"], "b": was["b"]}, `{"c":null}`},
	}
	for _, tt := range tests {
		if got := string(settings.Patch(tt.was, tt.now)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	// A changed setting costs little.
	before := settings.Default(settings.ASC)
	after := read(t, settings.ASC, `{`+object+`:{"snapshotFrequency":{"value":"PT1H"}}}`)
	p := settings.Patch(settings.Report(settings.ASC, &before, settings.StateDefaults, nil, nil), settings.Report(settings.ASC, &after, settings.StateApplied, nil, nil))
	if want := `{` + object + `:{"snapshotFrequency":{"value":"PT1H"}},"tvillingAgent":{"configuration":{"state":"applied"}}}`; string(p) != want {
		t.Errorf("got  %s\nwant %s", p, want)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{`+object+`:{"snapshotFrequency":{"value":"PT1H"}},"tvillingAgent":{"immediateEvents":[]}}`), false)
	f.Add([]byte(`{"CollectorsCore_PriorityIntervals":"30,120,1440","Process_Mode":2,"Login_Disabled":"True"}`), true)
	f.Fuzz(func(t *testing.T, section []byte, micro bool) {
		d := settings.ASC
		if micro {
			d = settings.MicroAgent
		}
		s, problems, ok := settings.Read(d, section)
		if !ok {
			if len(problems) == 0 {
				t.Fatal("refused without a reason")
			}
			return
		}
		for _, interval := range s.Interval {
			if interval <= 0 {
				t.Fatal("an interval of nothing")
			}
		}
		r := settings.Report(d, &s, settings.StateApplied, problems, nil)
		if b := settings.Patch(nil, r); !json.Valid(b) {
			t.Fatalf("the report is no JSON: %s", b)
		}
		if p := settings.Patch(r, settings.Report(d, &s, settings.StateApplied, problems, nil)); p != nil {
			t.Fatalf("a second report differs: %s", p)
		}
	})
}
