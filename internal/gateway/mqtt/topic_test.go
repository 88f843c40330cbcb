package mqtt_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/hub/state"
)

var (
	device = tvilling.Device("dev1")
	module = tvilling.Identity{Device: "dev1", Module: "mod1"}
)

func TestParseTopic(t *testing.T) {
	tests := []struct {
		id   tvilling.Identity
		in   string
		want mqtt.Topic
	}{
		{device, "devices/dev1/messages/events", mqtt.Topic{Kind: mqtt.Telemetry}},
		{device, "devices/dev1/messages/events/", mqtt.Topic{Kind: mqtt.Telemetry}},
		{device, "devices/dev1/messages/events/a=b", mqtt.Topic{Kind: mqtt.Telemetry, Bag: "a=b"}},
		{device, "devices/dev1/messages/events/a=b/", mqtt.Topic{Kind: mqtt.Telemetry, Bag: "a=b"}},
		{module, "devices/dev1/modules/mod1/messages/events/", mqtt.Topic{Kind: mqtt.Telemetry}},
		{module, "devices/dev1/modules/mod1/messages/events/%24.on=out/", mqtt.Topic{Kind: mqtt.Telemetry, Bag: "%24.on=out"}},
		{device, "$iothub/twin/GET/?$rid=7526ec31-9216-442b-a940-2be912316647", mqtt.Topic{Kind: mqtt.TwinGet, RequestID: "7526ec31-9216-442b-a940-2be912316647", Version: -1}},
		{module, "$iothub/twin/GET/?$rid=3", mqtt.Topic{Kind: mqtt.TwinGet, RequestID: "3", Version: -1}},
		{device, "$iothub/twin/GET/?x=y&$rid=3", mqtt.Topic{Kind: mqtt.TwinGet, RequestID: "3", Version: -1}},
		{device, "$iothub/twin/PATCH/properties/reported/?$rid=5", mqtt.Topic{Kind: mqtt.TwinReport, RequestID: "5", Version: -1}},
		{device, "$iothub/twin/PATCH/properties/reported/?$rid=5&$version=12", mqtt.Topic{Kind: mqtt.TwinReport, RequestID: "5", Version: 12}},
		{device, "$iothub/twin/PATCH/properties/reported/?$version=0&$rid=%20", mqtt.Topic{Kind: mqtt.TwinReport, RequestID: "%20"}},
		{device, "$iothub/twin/PATCH/properties/reported/?$rid=5&$version=x", mqtt.Topic{Kind: mqtt.TwinReport, RequestID: "5", Version: -1, BadVersion: true}},
		{device, "$iothub/twin/PATCH/properties/reported/?$rid=5&$version=-1", mqtt.Topic{Kind: mqtt.TwinReport, RequestID: "5", Version: -1, BadVersion: true}},
		{device, "$iothub/methods/res/200/?$rid=1", mqtt.Topic{Kind: mqtt.MethodResult, RequestID: "1", Version: -1}},
		{device, "$iothub/methods/res/-32/?$rid=1", mqtt.Topic{Kind: mqtt.MethodResult, RequestID: "1", Version: -1}},
	}
	for _, tt := range tests {
		got, err := mqtt.ParseTopic(tt.id, tt.in)
		if err != nil {
			t.Errorf("ParseTopic(%v, %q): %v", tt.id, tt.in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseTopic(%v, %q) (-want +got):\n%s", tt.id, tt.in, diff)
		}
	}
}

func TestParseTopicRefused(t *testing.T) {
	tests := []struct {
		id tvilling.Identity
		in string
	}{
		{device, ""},
		{device, "foo/bar"},
		{device, "devices/dev2/messages/events/"},
		{device, "devices/dev10/messages/events/"},
		{device, "devices/DEV1/messages/events/"},
		{device, "devices/dev1/modules/mod1/messages/events/"},
		{device, "devices/dev1/messages/eventsx"},
		{device, "devices/dev1/messages/devicebound/"},
		{device, "/devices/dev1/messages/events/"},
		{module, "devices/dev1/messages/events/"},
		{module, "devices/dev1/modules/mod2/messages/events/"},
		{module, "devices/dev1/modules/mod1"},
		{module, "devices/dev1/modules/mod1/inputs/a"},
		{device, "$iothub/twin/GET/"},
		{device, "$iothub/twin/GET/?"},
		{device, "$iothub/twin/GET/?$rid="},
		{device, "$iothub/twin/GET/?rid=1"},
		{device, "$iothub/twin/get/?$rid=1"},
		{device, "$iothub/twin/GET/?$rid=" + strings.Repeat("r", 1025)},
		{device, "$iothub/twin/PATCH/properties/desired/?$rid=1"},
		{device, "$iothub/twin/res/200/?$rid=1"},
		{device, "$iothub/methods/POST/reboot/?$rid=1"},
		{device, "$iothub/methods/res/ok/?$rid=1"},
		{device, "$iothub/methods/res/200/?"},
		{device, "$dps/registrations/PUT/iotdps-register/?$rid=1"},
	}
	for _, tt := range tests {
		if got, err := mqtt.ParseTopic(tt.id, tt.in); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("ParseTopic(%v, %q) = %+v, %v; want InvalidArgument", tt.id, tt.in, got, err)
		}
	}
}

func TestParseFilter(t *testing.T) {
	tests := []struct {
		id   tvilling.Identity
		in   string
		want state.Topic // 0: refused
	}{
		{device, "$iothub/twin/res/#", state.TwinResponses},
		{module, "$iothub/twin/res/#", state.TwinResponses},
		{device, "$iothub/twin/PATCH/properties/desired/#", state.TwinDesired},
		{device, "$iothub/methods/POST/#", state.Methods},
		{device, "devices/dev1/messages/devicebound/#", state.CloudToDevice},
		{module, "devices/dev1/modules/mod1/inputs/#", state.Inputs},
		{module, "devices/dev1/modules/mod1/#", state.ModuleWildcard},
		{module, "devices/dev1/modules/mod1/messages/devicebound/#", state.ModuleMessages},

		{device, "#", 0},
		{device, "$iothub/#", 0},
		{device, "$iothub/twin/#", 0},
		{device, "$iothub/twin/res", 0},
		{device, "$iothub/twin/res/200/#", 0},
		{device, "devices/dev1/#", 0},
		{device, "devices/+/messages/devicebound/#", 0},
		{device, "devices/dev2/messages/devicebound/#", 0},
		{device, "devices/dev1/messages/devicebound", 0},
		{device, "devices/dev1/modules/mod1/#", 0},
		{module, "devices/dev1/messages/devicebound/#", 0},
		{module, "devices/dev1/modules/mod2/inputs/#", 0},
		{module, "devices/dev1/modules/mod1/inputs/a", 0},
		{device, "", 0},
	}
	for _, tt := range tests {
		got, err := mqtt.ParseFilter(tt.id, tt.in)
		if got != tt.want || (err == nil) != (tt.want != 0) {
			t.Errorf("ParseFilter(%v, %q) = %v, %v; want %v", tt.id, tt.in, got, err, tt.want)
		}
	}
}

func TestParseBag(t *testing.T) {
	type want struct{ System, Properties []tvilling.Property }
	tests := []struct {
		name, in string
		want     want
	}{
		{"nothing", "", want{}},
		{"Node's telemetry", "%24.mid=m1&%24.ct=application%2Fjson&%24.ce=utf-8&alert=true", want{
			System:     []tvilling.Property{{Name: "message-id", Value: "m1"}, {Name: "content-type", Value: "application/json"}, {Name: "content-encoding", Value: "utf-8"}},
			Properties: []tvilling.Property{{Name: "alert", Value: "true"}},
		}},
		{"security message of the C agent", "%24.ce=application%2fjson&%24.ifid=urn%3aazureiot%3aSecurity%3aSecurityAgent%3a1", want{
			System: []tvilling.Property{{Name: "content-encoding", Value: "application/json"}, {Name: "iothub-interface-id", Value: tvilling.SecurityInterface}},
		}},
		{"every system key", "$.cid=1&$.uid=2&$.to=3&$.ctime=4&$.diagid=5&$.diagctx=6&$.on=7&$.exp=8&$.sub=9&$.schema=10", want{
			System: []tvilling.Property{
				{Name: "correlation-id", Value: "1"},
				{Name: "user-id", Value: "2"},
				{Name: "to", Value: "3"},
				{Name: "iothub-creation-time-utc", Value: "4"},
				{Name: "iothub-diag-id", Value: "5"},
				{Name: "diag-correlation-context", Value: "6"},
				{Name: "iothub-outputname", Value: "7"},
				{Name: "absolute-expiry-time", Value: "8"},
				{Name: "dt-subject", Value: "9"},
				{Name: "iothub-message-schema", Value: "10"},
			},
		}},
		{"nobody claims another's connection", "$.cdid=other&$.cmid=azureiotsecurity&%24.cdid=x", want{}},
		{"more encoded than necessary", "%24%2Emid=x&%24%2Ecdid=other", want{System: []tvilling.Property{{Name: "message-id", Value: "x"}}}},
		{"null and empty", "a&b=", want{Properties: []tvilling.Property{{Name: "a", Null: true}, {Name: "b"}}}},
		{"plus is a plus, %20 a space", "a+b=c+d%20e", want{Properties: []tvilling.Property{{Name: "a+b", Value: "c+d e"}}}},
		{"equals sign in a value", "a=b=c", want{Properties: []tvilling.Property{{Name: "a", Value: "b=c"}}}},
		{"encoded separators", "a%26b=c%3Dd%2F", want{Properties: []tvilling.Property{{Name: "a&b", Value: "c=d/"}}}},
		{"raw slash in a value", "$.ct=application/json", want{System: []tvilling.Property{{Name: "content-type", Value: "application/json"}}}},
		{"empty pairs", "&a=1&&b=2&", want{Properties: []tvilling.Property{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}}},
		{"unknown system key", "$.new=1", want{Properties: []tvilling.Property{{Name: "$.new", Value: "1"}}}},
		{"long name is not the system property", "iothub-interface-id=x", want{Properties: []tvilling.Property{{Name: "iothub-interface-id", Value: "x"}}}},
		{"not ASCII", "%C3%A5=%E2%82%AC", want{Properties: []tvilling.Property{{Name: "å", Value: "€"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m tvilling.Message
			if err := mqtt.ParseBag(tt.in, &m); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, want{m.System, m.Properties}); diff != "" {
				t.Errorf("properties (-want +got):\n%s", diff)
			}
		})
	}
	for _, in := range []string{"=x", "a=%", "a=%4", "a=%zz", "%=a", "a/b=c", "a/b"} {
		var m tvilling.Message
		if err := mqtt.ParseBag(in, &m); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("ParseBag(%q) = %v, want InvalidArgument", in, err)
		}
	}
}

func FuzzParseTopic(f *testing.F) {
	f.Add("devices/dev1/messages/events/%24.mid=m1&a&b=%C3%A5/")
	f.Add("devices/dev1/modules/mod1/messages/events/a+b=c")
	f.Add("$iothub/twin/PATCH/properties/reported/?$rid=5&$version=12")
	f.Add("$iothub/methods/res/200/?$rid=1")
	f.Add("$iothub/twin/res/#")
	f.Fuzz(func(t *testing.T, s string) {
		for _, id := range []tvilling.Identity{device, module} {
			topic, err := mqtt.ParseTopic(id, s)
			if err == nil {
				if topic.Kind != mqtt.Telemetry && !strings.Contains(s, "$rid="+topic.RequestID) {
					t.Errorf("%q: the $rid %q is not in it", s, topic.RequestID)
				}
				var m tvilling.Message
				if err := mqtt.ParseBag(topic.Bag, &m); err == nil && len(m.System)+len(m.Properties) > strings.Count(topic.Bag, "&")+1 {
					t.Errorf("%q: %d properties", s, len(m.System)+len(m.Properties))
				}
			}
			if _, err := mqtt.ParseFilter(id, s); err == nil && !strings.HasSuffix(s, "/#") {
				t.Errorf("filter %q was taken", s)
			}
		}
	})
}
