package agentconfig_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// report returns what an agent reports that follows desired, with some members
// replaced (raw JSON), or left out where the replacement is "".
func report(t *testing.T, desired string, replace map[string]string) string {
	t.Helper()
	whole, err := agentconfig.Whole([]byte(desired), nil)
	if err != nil {
		t.Fatal(err)
	}
	return changed(t, string(whole), replace)
}

func value(raw string) string { return `{"value":` + raw + `}` }

// agentC is a report of the C agent for a device for which nothing is desired:
// priorities in lower case, one priority for operational events, its own
// default of the cache, no properties of Windows or of later versions.
func agentC(t *testing.T) string {
	t.Helper()
	r := strings.NewReplacer(`"High"`, `"high"`, `"Low"`, `"low"`).Replace(report(t, ``, nil))
	return changed(t, r, map[string]string{
		"eventPriorityConfigurationError": "", "eventPriorityDroppedEventsStatistics": "", "eventPriorityMessageStatistics": "",
		"aggregationEnabledProcessTerminate": "", "aggregationIntervalProcessTerminate": "", "baselineCustomChecksEnabled": "",
		"eventPriorityOperational": value(`"high"`), "maxLocalCacheSizeInBytes": value("10485760"),
	})
}

// changed returns a report with some members replaced, as report does.
func changed(t *testing.T, object string, replace map[string]string) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(object), &members); err != nil {
		t.Fatal(err)
	}
	for name, raw := range replace {
		if raw == "" {
			delete(members, name)
			continue
		}
		members[name] = json.RawMessage(raw)
	}
	out, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestCompareEqual: what means the same is no difference.
func TestCompareEqual(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, desired, reported string }{
		{"all defaults", ``, report(t, ``, nil)},
		{"an empty object", `{}`, report(t, ``, nil)},
		{"null", `null`, report(t, ``, nil)},
		{"followed", one("snapshotFrequency", `"PT2H"`), report(t, one("snapshotFrequency", `"PT2H"`), nil)},
		{"normalised by the C agent", one("snapshotFrequency", `"PT120M"`), report(t, ``, map[string]string{"snapshotFrequency": value(`"PT2H"`)})},
		{"a day in hours", one("snapshotFrequency", `"P1D"`), report(t, ``, map[string]string{"snapshotFrequency": value(`"PT24H"`)})},
		{"defaults of the C agent", ``, agentC(t)},
		{"lower case", one("eventPriorityLogin", `"Low"`), report(t, ``, map[string]string{"eventPriorityLogin": value(`"low"`)})},
		{"lower case is desired", one("eventPriorityLogin", `"off"`), report(t, ``, map[string]string{"eventPriorityLogin": value(`"Off"`)})},
		{"Diagnostic is off by the documentation", ``, report(t, ``, map[string]string{"eventPriorityDiagnostic": value(`"Off"`)})},
		{"values that are not wrapped", ``, report(t, ``, map[string]string{"snapshotFrequency": `"PT13H"`})},
		{"numbers and booleans in quotes", ``, report(t, ``, map[string]string{"maxMessageSizeInBytes": value(`"204800"`), "aggregationEnabledProcessCreate": value(`"True"`)})},
		{"nulls", ``, report(t, ``, map[string]string{"baselineCustomChecksFilePath": value("null"), "baselineCustomChecksFileHash": "null"})},
		{"empty texts for nulls", ``, report(t, ``, map[string]string{"baselineCustomChecksFilePath": value(`""`)})},
		{"null is desired", one("snapshotFrequency", "null"), report(t, ``, nil)},
		{"a hash in upper case", one("baselineCustomChecksFileHash", `"`+strings.Repeat("ab", 32)+`"`), report(t, ``, map[string]string{"baselineCustomChecksFileHash": value(`"` + strings.Repeat("AB", 32) + `"`)})},
		{"the hub's id that the agent knows", ``, report(t, ``, map[string]string{"hubResourceId": value(`"/subscriptions/x"`)})},
		{"unknown members", one("odd", "1"), report(t, ``, map[string]string{"other": value("1")})},
		{"what not every agent has", ``, report(t, ``, map[string]string{"eventPriorityMessageStatistics": "", "baselineCustomChecksEnabled": "", "aggregationEnabledProcessTerminate": ""})},
		{"out of range, and the agent does it all the same", one("maxMessageSizeInBytes", "4096"), report(t, ``, map[string]string{"maxMessageSizeInBytes": value("4096")})},
		{"the C agent's own priority", one("eventPriorityOperational", `"Low"`), agentC(t)},
		{"the C agent's own priority, with others", `{"eventPriorityOperational":{"value":"Off"},"eventPriorityMessageStatistics":{"value":"Low"}}`, changed(t, agentC(t), map[string]string{"eventPriorityOperational": value(`"off"`)})},
		{"the C agent's own priority, for another agent", one("eventPriorityOperational", `"Off"`), report(t, ``, nil)},
		{"High or Low, for the C agent", one("eventPriorityConfigurationError", `"High"`), agentC(t)},
	} {
		if got := agentconfig.Compare([]byte(tt.desired), []byte(tt.reported)); len(got) > 0 {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// TestCompareDifferent: what is different, and why.
func TestCompareDifferent(t *testing.T) {
	t.Parallel()
	const refused = "Agents refuse the whole update because of maxMessageSizeInBytes, which they cannot read, and keep the configuration they have."
	for _, tt := range []struct {
		name, desired, reported string
		want                    []agentconfig.Difference
	}{
		{"not reported", `{}`, ``, []agentconfig.Difference{{Why: "The agent has not reported its configuration: it has not started with this twin, or it is older than the report."}}},
		{"null is reported", `{}`, `null`, []agentconfig.Difference{{Why: "The agent has not reported its configuration: it has not started with this twin, or it is older than the report."}}},
		{"no object is reported", `{}`, `"x"`, []agentconfig.Difference{{Reported: `"x"`, Why: "What the agent reports is no JSON object; its configuration is not known."}}},
		{"no object is desired", `[]`, report(t, ``, nil), []agentconfig.Difference{{Desired: `[]`, Why: "The agent configuration must be a JSON object; it is []. Agents ignore it and keep the configuration they have."}}},
		{"not received", one("snapshotFrequency", `"PT2H"`), report(t, ``, nil), []agentconfig.Difference{{
			Property: "snapshotFrequency", Desired: "PT2H", Reported: "PT13H", Effective: "PT2H",
			Why: "The agent has the default: it has not received the change yet, or it could not read it.",
		}}},
		{"another value", one("snapshotFrequency", `"PT2H"`), report(t, ``, map[string]string{"snapshotFrequency": value(`"PT3H"`)}), []agentconfig.Difference{{
			Property: "snapshotFrequency", Desired: "PT2H", Reported: "PT3H", Effective: "PT2H",
			Why: "The agent has another value: it has not received the change yet, or it could not read it.",
		}}},
		{"kept a value", ``, report(t, ``, map[string]string{"snapshotFrequency": value(`"PT3H"`)}), []agentconfig.Difference{{
			Property: "snapshotFrequency", Reported: "PT3H", Effective: "PT13H",
			Why: "Nothing is desired, so the default PT13H should be in force; the agent has kept an earlier value, or has one of its own.",
		}}},
		{
			"a patch for the whole", `{"snapshotFrequency":{"value":"PT2H"},"eventPriorityLogin":{"value":"Low"}}`,
			report(t, ``, map[string]string{"eventPriorityLogin": value(`"low"`)}),
			[]agentconfig.Difference{{
				Property: "snapshotFrequency", Desired: "PT2H", Reported: "PT13H", Effective: "PT2H",
				Why: "The agent has the default. Original agents take a change of the desired properties for the whole configuration: what the change leaves out falls back to its default. Write the whole object.",
			}},
		},
		{
			"refused for one value", `{"snapshotFrequency":{"value":"PT2H"},"maxMessageSizeInBytes":{"value":"8192"}}`, report(t, ``, nil),
			[]agentconfig.Difference{
				{Property: "snapshotFrequency", Desired: "PT2H", Reported: "PT13H", Effective: "PT2H", Why: refused},
				{
					Property: "maxMessageSizeInBytes", Desired: "8192", Reported: "204800", Effective: "204800",
					Why: `maxMessageSizeInBytes must be a whole number of bytes, without quotes; it is "8192". Agents refuse the whole update for it and keep the configuration they have.`,
				},
			},
		},
		{"not wrapped", `{"snapshotFrequency":"PT13H"}`, report(t, ``, nil), []agentconfig.Difference{{
			Property: "snapshotFrequency", Desired: "PT13H", Reported: "PT13H", Effective: "PT13H",
			Why: `The value of snapshotFrequency must be wrapped: {"value": "PT13H"}. Agents refuse the whole update for it and keep the configuration they have.`,
		}}},
		{"nonsense is reported", ``, report(t, ``, map[string]string{"snapshotFrequency": value(`"often\u001b[31m"`)}), []agentconfig.Difference{{
			Property: "snapshotFrequency", Reported: "often\x1b[31m", Effective: "PT13H",
			Why: `What the agent reports cannot be read: snapshotFrequency: "often\x1b[31m" is not an ISO 8601 duration such as PT7M or P1DT12H: it does not begin with P and an amount.`,
		}}},
		{"a long report", ``, report(t, ``, map[string]string{"eventPriorityLogin": value(`"` + strings.Repeat("é", 200) + `"`)}), []agentconfig.Difference{{
			Property: "eventPriorityLogin", Reported: strings.Repeat("é", 50) + "…", Effective: "High",
			Why: `What the agent reports cannot be read: eventPriorityLogin must be "High", "Low" or "Off"; it is "` + strings.Repeat("é", 50) + `…".`,
		}}},
		{"left out", ``, report(t, ``, map[string]string{"snapshotFrequency": ""}), []agentconfig.Difference{{
			Property: "snapshotFrequency", Effective: "PT13H",
			Why: "The agent does not report this property: it is of a version that does not have it, or it could not read the update.",
		}}},
		{"set, and not every agent has it", one("baselineCustomChecksEnabled", "true"), report(t, ``, map[string]string{"baselineCustomChecksEnabled": ""}), []agentconfig.Difference{{
			Property: "baselineCustomChecksEnabled", Desired: "true", Effective: "true",
			Why: "The agent does not report this property: it is of a version that does not have it, or it could not read the update.",
		}}},
		{"lower case for the C# agent", one("eventPriorityLogin", `"low"`), report(t, ``, nil), []agentconfig.Difference{{
			Property: "eventPriorityLogin", Desired: "low", Reported: "High", Effective: "Low",
			Why: `The agent may not have read the value: eventPriorityLogin is "low"; the C# agent reads only "Low".`,
		}}},
		{"out of range", one("maxMessageSizeInBytes", "4096"), report(t, ``, nil), []agentconfig.Difference{{
			Property: "maxMessageSizeInBytes", Desired: "4096", Reported: "204800", Effective: "204800",
			Why: "The agent does not use the value: maxMessageSizeInBytes must be from 8192 to 262144 bytes; it is 4096.",
		}}},
		{"the cache of the C agent is set", one("maxLocalCacheSizeInBytes", "2560000"), agentC(t), []agentconfig.Difference{{
			Property: "maxLocalCacheSizeInBytes", Desired: "2560000", Reported: "10485760", Effective: "2560000",
			Why: "The agent has the default: it has not received the change yet, or it could not read it.",
		}}},
		{"Off, for the C agent", one("eventPriorityMessageStatistics", `"Off"`), agentC(t), []agentconfig.Difference{{
			Property: "eventPriorityMessageStatistics", Desired: "Off", Reported: "eventPriorityOperational: high", Effective: "Off",
			Why: "The C agent has one property for eventPriorityConfigurationError, eventPriorityDroppedEventsStatistics, eventPriorityMessageStatistics: eventPriorityOperational. Set that one, too.",
		}}},
		{"the C agent's own priority", one("eventPriorityOperational", `"Off"`), agentC(t), []agentconfig.Difference{{
			Property: "eventPriorityOperational", Desired: "Off", Reported: "high", Effective: "Off",
			Why: "The agent has another value: it has not received the change yet, or it could not read it.",
		}}},
		{"an old agent", one("snapshotFrequency", `"PT2H"`), report(t, ``, map[string]string{"snapshotFrequency": `"PT13H"`}), []agentconfig.Difference{{
			Property: "snapshotFrequency", Desired: "PT2H", Reported: "PT13H", Effective: "PT2H",
			Why: "The agent has the default: it has not received the change yet, or it could not read it. The report has the form of agents up to version 0.0.3, which read their configuration from azureiot*com^securityAgentConfiguration^1*0*0.",
		}}},
	} {
		got := agentconfig.Compare([]byte(tt.desired), []byte(tt.reported))
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

func TestReported(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		section, object string
		old             bool
	}{
		{``, ``, false},
		{`{}`, ``, false},
		{`[]`, ``, false},
		{`{"other":1}`, ``, false},
		{`{"ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration":{"a":1}}`, `{"a":1}`, false},
		{`{"azureiot*com^securityAgentConfiguration^1*0*0":{"a":2}}`, `{"a":2}`, true},
		{`{"azureiot*com^securityAgentConfiguration^1*0*0":{"a":2},"ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration":{"a":1}}`, `{"a":1}`, false},
	} {
		object, old := agentconfig.Reported([]byte(tt.section))
		if string(object) != tt.object || old != tt.old {
			t.Errorf("%s: %s, %v", tt.section, object, old)
		}
	}
}

// TestFollowed: an agent that reports the whole effective object has no
// differences, whatever can be read is desired.
func TestFollowed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		change := map[string]any{}
		for _, p := range agentconfig.Properties() {
			if !rapid.Bool().Draw(t, p.Name) {
				continue
			}
			switch p.Type {
			case agentconfig.Duration:
				change[p.Name] = agentconfig.FormatDuration(time.Duration(rapid.Int64Range(1, int64(60*24*time.Hour)).Draw(t, "duration")))
			case agentconfig.Size:
				change[p.Name] = rapid.Int64Range(p.Min, p.Max).Draw(t, "size")
			case agentconfig.Priority:
				change[p.Name] = rapid.SampledFrom([]string{"High", "Low", "Off"}).Draw(t, "priority")
			case agentconfig.Flag:
				change[p.Name] = rapid.Bool().Draw(t, "flag")
			case agentconfig.Text:
				change[p.Name] = map[string]string{"hubResourceId": "<x>", "baselineCustomChecksFilePath": "/a b", "baselineCustomChecksFileHash": strings.Repeat("0f", 32)}[p.Name]
			default:
				t.Fatalf("%s is of the type %s", p.Name, p.Type)
			}
		}
		desired, err := agentconfig.Whole(nil, change)
		if err != nil {
			t.Fatal(err)
		}
		c, problems := agentconfig.Effective(desired)
		for _, p := range problems {
			if p.Kind != agentconfig.NotPortable {
				t.Fatalf("problem %+v of\n%s", p, desired)
			}
		}
		if got := agentconfig.Compare(desired, c.JSON()); len(got) > 0 {
			t.Fatalf("differences %+v of\n%s", got, desired)
		}
		for name, v := range change {
			if got, _ := c.Value(name); got.String() != asText(t, v) || !c.Stated(name) {
				t.Fatalf("%s is %s, want %v", name, got, v)
			}
		}
	})
}

func asText(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var s string
	if json.Unmarshal(b, &s) == nil {
		return s
	}
	return string(b)
}

// FuzzObjects: whatever is desired and reported, nothing panics, what is told
// is bounded, and the whole object made of it is in order.
func FuzzObjects(f *testing.F) {
	whole, err := agentconfig.Whole(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, whole)
	f.Add([]byte(one("snapshotFrequency", `"PT1.5H"`)), []byte(`{"snapshotFrequency":"PT13H","eventPriorityOperational":{"value":"high"}}`))
	f.Add([]byte(`{"maxMessageSizeInBytes":{"value":1e5},"odd":{}}`), []byte(`{"maxMessageSizeInBytes":{"value":"x"}}`))
	f.Add([]byte(`{"hubResourceId":{"value":"\ud800"}}`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, desired, reported []byte) {
		for _, d := range agentconfig.Compare(desired, reported) {
			if d.Why == "" || len(d.Desired) > 200 || len(d.Reported) > 200 || len(d.Why) > 2000 {
				t.Fatalf("difference %+v", d)
			}
		}
		c, problems := agentconfig.Effective(desired)
		if len(problems) > len(agentconfig.Properties())+12 {
			t.Fatalf("%d problems", len(problems))
		}
		agentconfig.Check(c)
		whole, err := agentconfig.Whole(desired, nil)
		if err != nil {
			t.Fatal(err)
		}
		again, problems := agentconfig.Effective(whole)
		for p, v := range again.All() {
			if want, _ := c.Value(p.Name); v != want {
				t.Fatalf("%s is %v, was %v", p.Name, v, want)
			}
		}
		for _, p := range problems {
			if p.Kind != agentconfig.NotPortable {
				t.Fatalf("problem %+v of %s", p, whole)
			}
		}
	})
}

// TestLookup: every property is found by its exact name.
func TestLookup(t *testing.T) {
	t.Parallel()
	for _, p := range agentconfig.Properties() {
		got, ok := agentconfig.Lookup(p.Name)
		if !ok || got.Name != p.Name || got.Type != p.Type {
			t.Errorf("lookup of %s: %+v, %v", p.Name, got, ok)
		}
	}
	if p, ok := agentconfig.Lookup("SnapshotFrequency"); ok {
		t.Errorf("lookup in other case: %+v", p)
	}
}
