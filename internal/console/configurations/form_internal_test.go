package configurations

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/hub/configuration"
)

// TestFormAndCore: every field of a configuration goes into the form and comes
// out of it as it was.
func TestFormAndCore(t *testing.T) {
	rollout := &configuration.Rollout{
		Steps: []configuration.Step{{Percent: 5}, {Count: 100}}, Wait: configuration.Duration(10 * time.Minute), Unhealthy: "properties.reported.failed = true",
		Limit: configuration.Share{Percent: 2.5}, OnUnhealthy: configuration.RollBack,
	}
	for _, tt := range []struct {
		name string
		c    configuration.Configuration
		kind string
	}{
		{"devices", configuration.Configuration{
			ID: "fw-5", Target: "tags.site = 'x'", Priority: 7, Content: json.RawMessage(`{"deviceContent":{"properties.desired.fps":30}}`),
			Labels: map[string]string{"owner": "ann", "why": "a=b"}, Metrics: map[string]string{"slow": "SELECT deviceId FROM devices"}, Rollout: rollout, Paused: true,
		}, forDevices},
		{"everybody", configuration.Configuration{ID: "all", Target: "*", Content: json.RawMessage(`{"deviceContent":{"properties.desired.a":null}}`), Rollout: &configuration.Rollout{}}, forDevices},
		{"modules", configuration.Configuration{ID: "app", Target: "from devices.modules where moduleId = 'app'", Content: json.RawMessage(`{"moduleContent":{"properties.desired":{"a":1}}}`), Rollout: &configuration.Rollout{}}, forModules},
		{"agents", configuration.Configuration{
			ID: "ag", Target: "from devices.modules where moduleId = 'azureiotsecurity' and (tags.site = 'x')", Rollout: &configuration.Rollout{},
			Content: json.RawMessage(`{"moduleContent":{"ms_x":{}}}`),
		}, forModules},
		{"all agents", configuration.Configuration{
			ID: "ag", Target: "from devices.modules where moduleId = 'azureiotsecurity'", Rollout: &configuration.Rollout{},
			Content: json.RawMessage(`{"moduleContent":{"properties.desired.ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration":{"eventPriorityLogin":{"value":"High"},"maxMessageSizeInBytes":null,"snapshotFrequency":{"value":"PT1H"}}}}`),
		}, forAgents},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := write(&tt.c)
			if f.Kind != tt.kind {
				t.Errorf("kind = %q, want %q", f.Kind, tt.kind)
			}
			got, wrong := f.configuration()
			if len(wrong) > 0 {
				t.Fatalf("problems: %v", wrong)
			}
			if compact(t, got.Content) != compact(t, tt.c.Content) {
				t.Errorf("content = %s, want %s", got.Content, tt.c.Content)
			}
			got.Content = tt.c.Content
			if !reflect.DeepEqual(got, tt.c) {
				t.Errorf("configuration = %+v\nwant %+v", got, tt.c)
			}
		})
	}
}

func compact(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestFormRefusals: what cannot be read is told beside its field.
func TestFormRefusals(t *testing.T) {
	good := fields{ID: "a", Kind: forDevices, Content: `{"properties.desired.a":1}`, Target: "*"}
	for _, tt := range []struct {
		field, want string
		change      func(*fields)
	}{
		{"priority", "whole number", func(f *fields) { f.Priority = "high" }},
		{"content", "Line 2, column 8", func(f *fields) { f.Content = "{\n  \"a\": x\n}" }},
		{"content", "Say what", func(f *fields) { f.Content = " " }},
		{"content", "at least one", func(f *fields) { f.Kind = forAgents }},
		{"content", "snapshotFrequency", func(f *fields) { f.Kind, f.Agent = forAgents, pairs{"snapshotFrequency": "soon"} }},
		{"labels", "name=text", func(f *fields) { f.Labels = "owner" }},
		{"labels", "twice", func(f *fields) { f.Labels = "a=1\na=2" }},
		{"metrics", "name and a query", func(f *fields) { f.Metrics = []metric{{Name: "slow"}} }},
		{"steps", "part of the twins", func(f *fields) { f.Steps = "5%, many" }},
		{"steps", "give it steps", func(f *fields) { f.Wait = "1h" }},
		{"wait", "duration", func(f *fields) { f.Steps, f.Wait = "5%", "soon" }},
		{"limit", "part of the twins", func(f *fields) { f.Steps, f.Limit = "5%", "-1" }},
	} {
		t.Run(tt.field+" "+tt.want, func(t *testing.T) {
			f := good
			tt.change(&f)
			_, wrong := f.configuration()
			if len(wrong) != 1 || wrong[tt.field] == nil || !strings.Contains(wrong[tt.field].Error(), tt.want) {
				t.Errorf("problems = %v, want one at %s with %q", wrong, tt.field, tt.want)
			}
		})
	}
	if _, wrong := good.configuration(); len(wrong) > 0 {
		t.Errorf("a good form has problems: %v", wrong)
	}
}

// TestWait: people write durations in several ways.
func TestWait(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "10 min": 10 * time.Minute, "10m": 10 * time.Minute, "2h": 2 * time.Hour, "1d": 24 * time.Hour, "90 s": 90 * time.Second, "PT30M": 30 * time.Minute, "P1DT12H": 36 * time.Hour} {
		if got, err := wait(text); err != nil || time.Duration(got) != want {
			t.Errorf("wait(%q) = %v, %v; want %v", text, time.Duration(got), err, want)
		}
	}
	for _, text := range []string{"-1h", "P1Y", "500d", "ten"} {
		if got, err := wait(text); err == nil {
			t.Errorf("wait(%q) = %v, want an error", text, got)
		}
	}
}

// TestSteps: a rollout is drawn as far as it has come.
func TestSteps(t *testing.T) {
	s := &standing{
		Configuration: configuration.Configuration{Rollout: &configuration.Rollout{Steps: []configuration.Step{{Percent: 10}, {Percent: 50}}}},
		Progress:      configuration.Progress{State: configuration.Applying, Step: 2, Steps: 3, Reach: 50},
		Metrics:       configuration.Metrics{Targeted: 100, Applied: 30},
	}
	var got []string
	for _, st := range s.StepList() {
		got = append(got, st.Share+" "+st.State)
	}
	if want := "10% done, 50% now, all next"; strings.Join(got, ", ") != want {
		t.Errorf("steps = %v, want %s", got, want)
	}
	if part := s.StepList()[1].Part; part != 50 {
		t.Errorf("step 2 is %d %% done, want 50: 20 of its 40 twins", part)
	}
	s.Progress.State = configuration.RolledBack
	if st := s.StepList()[1].State; st != "next" {
		t.Errorf("after a roll-back step 2 is %q, want to come", st)
	}
}
