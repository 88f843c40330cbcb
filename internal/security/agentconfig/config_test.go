package agentconfig_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/event"
)

// one is an object with one property, wrapped.
func one(name, value string) string { return `{"` + name + `":{"value":` + value + `}}` }

// TestDefaults holds the defaults against the published table.
func TestDefaults(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"highPriorityMessageFrequency": "PT7M", "lowPriorityMessageFrequency": "PT5H", "snapshotFrequency": "PT13H",
		"maxLocalCacheSizeInBytes": "2560000", "maxMessageSizeInBytes": "204800",
		"eventPriorityConnectedHardware": "Low", "eventPriorityListeningPorts": "High", "eventPriorityProcessCreate": "Low",
		"eventPriorityProcessTerminate": "Low", "eventPrioritySystemInformation": "Low", "eventPriorityLocalUsers": "High",
		"eventPriorityLogin": "High", "eventPriorityConnectionCreate": "Low", "eventPriorityFirewallConfiguration": "Low",
		"eventPriorityOSBaseline": "Low", "eventPriorityDiagnostic": "Low", "eventPriorityConfigurationError": "Low",
		"eventPriorityDroppedEventsStatistics": "Low", "eventPriorityMessageStatistics": "Low",
		"aggregationEnabledProcessCreate": "true", "aggregationIntervalProcessCreate": "PT1H",
		"aggregationEnabledConnectionCreate": "true", "aggregationIntervalConnectionCreate": "PT1H",
		"aggregationEnabledProcessTerminate": "true", "aggregationIntervalProcessTerminate": "PT1H",
		"baselineCustomChecksEnabled": "false", "baselineCustomChecksFilePath": "null", "baselineCustomChecksFileHash": "null",
		"hubResourceId": "", "eventPriorityOperational": "Low",
	}
	for _, none := range []string{"", "null", " {} "} {
		c, problems := agentconfig.Effective([]byte(none))
		if len(problems) > 0 || c != agentconfig.Default() {
			t.Errorf("effective of %q: %v", none, problems)
		}
		got := map[string]string{}
		for p, v := range c.All() {
			got[p.Name] = v.String()
			if v != p.Default || c.Stated(p.Name) || p.Description == "" {
				t.Errorf("%s is not as it should be: %+v", p.Name, p)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("defaults (-want +got):\n%s", d)
		}
	}
	if got := agentconfig.Check(agentconfig.Default()); len(got) > 0 {
		t.Errorf("the default configuration has problems: %v", got)
	}
	if got := agentconfig.Properties(); len(got) != len(want) {
		t.Errorf("there are %d properties, want %d", len(got), len(want))
	}
	if got := agentconfig.PriorityOf(event.LoginKind) + agentconfig.PriorityOf(event.HeartbeatKind) + agentconfig.PriorityOf(event.Unknown); got != "eventPriorityLogin" {
		t.Errorf("priorities of events: %s", got)
	}
}

// TestEffective: one property at a time, what is made of it and what is wrong.
func TestEffective(t *testing.T) {
	t.Parallel()
	const none = ""
	for _, tt := range []struct{ name, value, want, problem string }{
		{"highPriorityMessageFrequency", `"PT10M"`, "PT10M", none},
		{"highPriorityMessageFrequency", `"PT60M"`, "PT1H", none},
		{"highPriorityMessageFrequency", `null`, "PT7M", none},
		{"highPriorityMessageFrequency", `""`, "PT7M", "TypeMismatch: highPriorityMessageFrequency: \"\" is not an ISO 8601 duration such as PT7M or P1DT12H: it does not begin with P and an amount."},
		{"highPriorityMessageFrequency", `7`, "PT7M", "TypeMismatch: highPriorityMessageFrequency must be an ISO 8601 duration in quotes such as \"PT7M\"; it is 7."},
		{"highPriorityMessageFrequency", `"PT0S"`, "PT7M", "TypeMismatch: highPriorityMessageFrequency must be longer than nothing; agents refuse \"PT0S\"."},
		{"snapshotFrequency", `"P2W"`, "P14D", "NotPortable: snapshotFrequency is \"P2W\": original agents read no weeks. \"P14D\" says the same."},
		{"snapshotFrequency", `"PT1.5H"`, "PT1H30M", "NotPortable: snapshotFrequency is \"PT1.5H\": the C agent reads no fractions. \"PT1H30M\" says the same."},
		{"snapshotFrequency", `"P49DT17H"`, "P49DT17H", none},
		{"snapshotFrequency", `"P49DT18H"`, "P49DT18H", "NotPortable: snapshotFrequency is longer than 49 days, which the C agent cannot hold."},
		{"maxMessageSizeInBytes", `8191`, "204800", "OutOfRange: maxMessageSizeInBytes must be from 8192 to 262144 bytes; it is 8191."},
		{"maxMessageSizeInBytes", `8192`, "8192", none},
		{"maxMessageSizeInBytes", `262144`, "262144", none},
		{"maxMessageSizeInBytes", `262145`, "204800", "OutOfRange: maxMessageSizeInBytes must be from 8192 to 262144 bytes; it is 262145."},
		{"maxMessageSizeInBytes", `8192.0`, "8192", none},
		{"maxMessageSizeInBytes", `8192.5`, "204800", "TypeMismatch: maxMessageSizeInBytes must be a whole number of bytes, without quotes; it is 8192.5."},
		{"maxMessageSizeInBytes", `"8192"`, "204800", "TypeMismatch: maxMessageSizeInBytes must be a whole number of bytes, without quotes; it is \"8192\"."},
		{"maxMessageSizeInBytes", `true`, "204800", "TypeMismatch: maxMessageSizeInBytes must be a whole number of bytes, without quotes; it is true."},
		{"maxLocalCacheSizeInBytes", `8192`, "2560000", "OutOfRange: maxLocalCacheSizeInBytes must be from 8193 to 2147483647 bytes; it is 8192."},
		{"maxLocalCacheSizeInBytes", `8193`, "8193", none},
		{"maxLocalCacheSizeInBytes", `2147483647`, "2147483647", none},
		{"maxLocalCacheSizeInBytes", `2147483648`, "2560000", "OutOfRange: maxLocalCacheSizeInBytes must be from 8193 to 2147483647 bytes; it is 2147483648."},
		{"maxLocalCacheSizeInBytes", `1e400`, "2560000", "TypeMismatch: maxLocalCacheSizeInBytes must be a whole number of bytes, without quotes; it is 1e400."},
		{"eventPriorityLogin", `"Off"`, "Off", none},
		{"eventPriorityLogin", `"low"`, "Low", "NotPortable: eventPriorityLogin is \"low\"; the C# agent reads only \"Low\"."},
		{"eventPriorityLogin", `"Medium"`, "High", "TypeMismatch: eventPriorityLogin must be \"High\", \"Low\" or \"Off\"; it is \"Medium\"."},
		{"eventPriorityLogin", `1`, "High", "TypeMismatch: eventPriorityLogin must be \"High\", \"Low\" or \"Off\"; it is 1."},
		{"aggregationEnabledProcessCreate", `false`, "false", none},
		{"aggregationEnabledProcessCreate", `"false"`, "true", "TypeMismatch: aggregationEnabledProcessCreate must be true or false, without quotes; it is \"false\"."},
		{"aggregationEnabledProcessCreate", `0`, "true", "TypeMismatch: aggregationEnabledProcessCreate must be true or false, without quotes; it is 0."},
		{"aggregationEnabledProcessCreate", `[]`, "true", "TypeMismatch: aggregationEnabledProcessCreate must be true or false, without quotes; it is []."},
		{"baselineCustomChecksFilePath", `"/etc/checks.xml"`, "/etc/checks.xml", none},
		{"baselineCustomChecksFilePath", `"C:\\checks.xml"`, `C:\checks.xml`, none},
		{"baselineCustomChecksFilePath", `"checks.xml"`, "null", "OutOfRange: baselineCustomChecksFilePath must be an absolute path on the device; it is \"checks.xml\"."},
		{"baselineCustomChecksFilePath", `""`, "null", none},
		{"baselineCustomChecksFilePath", `5`, "null", "TypeMismatch: baselineCustomChecksFilePath must be text or null; it is 5."},
		{"baselineCustomChecksFileHash", `"` + strings.Repeat("Ab", 32) + `"`, strings.Repeat("ab", 32), none},
		{"baselineCustomChecksFileHash", `"abc"`, "null", "OutOfRange: baselineCustomChecksFileHash must be a SHA-256, 64 hexadecimal digits; it has 3 characters or others."},
		{"hubResourceId", `"/subscriptions/x"`, "/subscriptions/x", none},
		{"eventPriorityOperational", `"Off"`, "Off", none},
	} {
		c, problems := agentconfig.Effective([]byte(one(tt.name, tt.value)))
		v, ok := c.Value(tt.name)
		if got := v.String(); !ok || got != tt.want {
			t.Errorf("%s of %s is %s, want %s", tt.name, tt.value, got, tt.want)
		}
		if got := told(problems); got != tt.problem {
			t.Errorf("%s of %s: problem\n%s\nwant\n%s", tt.name, tt.value, got, tt.problem)
		}
		usable := tt.problem == "" || strings.HasPrefix(tt.problem, "NotPortable")
		if want := usable && tt.value != "null"; c.Stated(tt.name) != want {
			t.Errorf("%s of %s: stated is %v, want %v", tt.name, tt.value, !want, want)
		}
	}
}

func told(problems []agentconfig.Problem) string {
	var all []string
	for _, p := range problems {
		all = append(all, string(p.Kind)+": "+p.Message)
	}
	return strings.Join(all, "\n")
}

// TestEffectiveObjects: what is wrong with objects.
func TestEffectiveObjects(t *testing.T) {
	t.Parallel()
	many := make([]string, 14)
	for i := range many {
		many[i] = fmt.Sprintf(`"x%02d":{"value":1}`, i)
	}
	for _, tt := range []struct{ name, in, want string }{
		{"no object", `[1]`, "TypeMismatch: The agent configuration must be a JSON object; it is [1]."},
		{"no JSON", `{"a"`, `TypeMismatch: The agent configuration must be a JSON object; it is {"a".`},
		{"not wrapped", `{"snapshotFrequency":"PT1H"}`, `TypeMismatch: The value of snapshotFrequency must be wrapped: {"value": "PT1H"}.`},
		{"not wrapped number", `{"maxMessageSizeInBytes":8192}`, `TypeMismatch: The value of maxMessageSizeInBytes must be wrapped: {"value": 8192}.`},
		{"null property", `{"snapshotFrequency":null}`, ""},
		{"wrapped under another name", `{"snapshotFrequency":{"$value":"PT1H"}}`, `TypeMismatch: snapshotFrequency has no member value: it must be {"value": "PT13H"}.`},
		{"wrapped in other case", `{"snapshotFrequency":{"Value":"PT1H"}}`, `TypeMismatch: snapshotFrequency has no member value: it must be {"value": "PT13H"}.`},
		{"more beside the value", `{"snapshotFrequency":{"value":"PT13H","unit":"h"}}`, ""},
		{"unknown", `{"b\u001b[2J":{"value":1},"SnapshotFrequency":{"value":"PT1H"}}`, `UnknownProperty: There is no property "SnapshotFrequency"; agents ignore it. Did you mean snapshotFrequency?
UnknownProperty: There is no property "b\x1b[2J"; agents ignore it.`},
		{"14 unknown", "{" + strings.Join(many, ",") + "}", "UnknownProperty: There are 4 more properties that agents do not know."},
	} {
		c, problems := agentconfig.Effective([]byte(tt.in))
		got := told(problems)
		if tt.name == "14 unknown" {
			got = got[strings.LastIndexByte(got, '\n')+1:]
		}
		if got != tt.want {
			t.Errorf("%s: problems\n%s\nwant\n%s", tt.name, got, tt.want)
		}
		if v, _ := c.Value("snapshotFrequency"); v.String() != "PT13H" {
			t.Errorf("%s: snapshots every %s", tt.name, v)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, desired, want string }{
		{"multiple of 4096", one("maxMessageSizeInBytes", "12288"), ""},
		{"no multiple of 4096", one("maxMessageSizeInBytes", "10000"), "NotOptimal: maxMessageSizeInBytes is 10000, no multiple of 4096: messages are counted in blocks of 4096 bytes, and the last block is never filled. Use 8192."},
		{"cache as large as a message", `{"maxMessageSizeInBytes":{"value":12288},"maxLocalCacheSizeInBytes":{"value":12288}}`, ""},
		{"cache smaller than a message", one("maxLocalCacheSizeInBytes", "204799"), "Conflict: maxLocalCacheSizeInBytes (204799) is less than maxMessageSizeInBytes (204800): the cache cannot hold one full message. Make it larger, or the message smaller."},
		{"equal frequencies", one("lowPriorityMessageFrequency", `"PT7M"`), ""},
		{"high after low", one("highPriorityMessageFrequency", `"PT5H1S"`), "Conflict: highPriorityMessageFrequency (PT5H1S) is longer than lowPriorityMessageFrequency (PT5H): what is urgent would wait longer than what is not."},
		{"custom checks", `{"baselineCustomChecksEnabled":{"value":true},"baselineCustomChecksFilePath":{"value":"/a"},"baselineCustomChecksFileHash":{"value":"` + strings.Repeat("0", 64) + `"}}`, ""},
		{"custom checks without a file", one("baselineCustomChecksEnabled", "true"), "Conflict: baselineCustomChecksFilePath must be set, since baselineCustomChecksEnabled is true.\nConflict: baselineCustomChecksFileHash must be set, since baselineCustomChecksEnabled is true."},
	} {
		c, problems := agentconfig.Effective([]byte(tt.desired))
		if len(problems) > 0 {
			t.Fatalf("%s: %v", tt.name, problems)
		}
		if got := told(agentconfig.Check(c)); got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

func TestWhole(t *testing.T) {
	t.Parallel()
	const all = `{"highPriorityMessageFrequency":{"value":"PT7M"},"lowPriorityMessageFrequency":{"value":"PT5H"},"snapshotFrequency":{"value":"PT13H"},` +
		`"maxLocalCacheSizeInBytes":{"value":2560000},"maxMessageSizeInBytes":{"value":204800},` +
		`"eventPriorityConnectedHardware":{"value":"Low"},"eventPriorityListeningPorts":{"value":"High"},"eventPriorityProcessCreate":{"value":"Low"},` +
		`"eventPriorityProcessTerminate":{"value":"Low"},"eventPrioritySystemInformation":{"value":"Low"},"eventPriorityLocalUsers":{"value":"High"},` +
		`"eventPriorityLogin":{"value":"High"},"eventPriorityConnectionCreate":{"value":"Low"},"eventPriorityFirewallConfiguration":{"value":"Low"},` +
		`"eventPriorityOSBaseline":{"value":"Low"},"eventPriorityDiagnostic":{"value":"Low"},"eventPriorityConfigurationError":{"value":"Low"},` +
		`"eventPriorityDroppedEventsStatistics":{"value":"Low"},"eventPriorityMessageStatistics":{"value":"Low"},` +
		`"aggregationEnabledProcessCreate":{"value":true},"aggregationIntervalProcessCreate":{"value":"PT1H"},` +
		`"aggregationEnabledConnectionCreate":{"value":true},"aggregationIntervalConnectionCreate":{"value":"PT1H"},` +
		`"aggregationEnabledProcessTerminate":{"value":true},"aggregationIntervalProcessTerminate":{"value":"PT1H"},` +
		`"baselineCustomChecksEnabled":{"value":false}}`
	swap := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(all) }
	for _, tt := range []struct {
		name, desired string
		change        map[string]any
		want          string
	}{
		{"defaults", ``, nil, all},
		{"what was desired stays", one("snapshotFrequency", `"PT60M"`), nil, swap(`"PT13H"`, `"PT1H"`)},
		{
			"a change", one("snapshotFrequency", `"PT2H"`),
			map[string]any{"maxMessageSizeInBytes": 8192, "eventPriorityLogin": "Low", "highPriorityMessageFrequency": 90 * time.Second, "aggregationEnabledProcessCreate": false},
			swap(`"PT13H"`, `"PT2H"`, `204800`, `8192`, `Login":{"value":"High"`, `Login":{"value":"Low"`, `"PT7M"`, `"PT1M30S"`, `aggregationEnabledProcessCreate":{"value":true`, `aggregationEnabledProcessCreate":{"value":false`),
		},
		{"the default again", one("snapshotFrequency", `"PT2H"`), map[string]any{"snapshotFrequency": nil}, all},
		{"what was wrong is mended", `{"snapshotFrequency":"PT2H","maxMessageSizeInBytes":{"value":1},"odd":1}`, nil, all},
		{"a text with HTML", ``, map[string]any{"hubResourceId": "<a&b>"}, all[:len(all)-1] + `,"hubResourceId":{"value":"<a&b>"}}`},
		{
			"what is for some agents", one("eventPriorityOperational", `"Off"`),
			map[string]any{"baselineCustomChecksFilePath": "/a"},
			all[:len(all)-1] + `,"baselineCustomChecksFilePath":{"value":"/a"},"eventPriorityOperational":{"value":"Off"}}`,
		},
	} {
		got, err := agentconfig.Whole([]byte(tt.desired), tt.change)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if d := cmp.Diff(unescape(tt.want), unescape(string(got))); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
		// It is what it says, and nothing is wrong with it.
		if _, problems := agentconfig.Effective(got); len(problems) > 0 {
			t.Errorf("%s: problems %v", tt.name, problems)
		}
		if again, err := agentconfig.Whole(got, nil); err != nil || string(again) != string(got) {
			t.Errorf("%s: again it is %s, %v", tt.name, again, err)
		}
	}
}

// unescape undoes the escapes of < and the like, which are the same in JSON.
func unescape(s string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(s)
}

func TestWholeRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		change     map[string]any
		path, want string
	}{
		{map[string]any{"odd": 1}, "odd", `There is no property "odd".`},
		{map[string]any{"SNAPSHOTFREQUENCY": "PT1H"}, "SNAPSHOTFREQUENCY", `There is no property "SNAPSHOTFREQUENCY"; did you mean snapshotFrequency?`},
		{map[string]any{"snapshotFrequency": "1h", "zzz": 1}, "snapshotFrequency", `snapshotFrequency: "1h" is not an ISO 8601 duration such as PT7M or P1DT12H: it does not begin with P and an amount.`},
		{map[string]any{"snapshotFrequency": -time.Hour}, "snapshotFrequency", `snapshotFrequency must be longer than nothing; agents refuse "PT0S".`},
		{map[string]any{"maxMessageSizeInBytes": 1}, "maxMessageSizeInBytes", "maxMessageSizeInBytes must be from 8192 to 262144 bytes; it is 1."},
		{map[string]any{"eventPriorityLogin": true}, "eventPriorityLogin", `eventPriorityLogin must be "High", "Low" or "Off"; it is true.`},
		{map[string]any{"hubResourceId": make(chan int)}, "", "A value of type chan int cannot be written as JSON."},
	} {
		got, err := agentconfig.Whole(nil, tt.change)
		e, ok := err.(*tvilling.Error) //nolint:errorlint // as it is returned
		if !ok || got != nil || e.Code != tvilling.InvalidArgument || e.Path != tt.path || e.Message != tt.want {
			t.Errorf("%v: %s, %v\nwant %s: %s", tt.change, got, err, tt.path, tt.want)
		}
	}
}
