package schema_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// words are the texts of fields that have a spelling; all others are anything.
var words = map[string][]string{
	"Direction": {"In", "Out", ""},
	"Action":    {"Allow", "Deny", "Other", "Log"},
	"Severity":  {"Critical", "Important", "Warning", "Informational", "Fatal", "Debug", "", "odd"},
	"Queue":     {"High", "Low", "Operational", ""},
	"ErrorType": {"TypeMismatch", "NotOptimal", "Conflict"},
	"Result":    {"Success", "Fail", "Pass", "Err", "odd"},
}

// essential are the members without which an item would be refused.
var essential = []string{
	"Executable", "RemoteAddress", "LocalPort", "UserID", "HardwareName", "CceID", "Message", "Reason",
}

func itemOf(t *rapid.T, k event.Kind) event.Item {
	types := []event.Item{
		&event.ProcessCreate{}, &event.ProcessTerminate{}, &event.ConnectionCreate{}, &event.Login{},
		&event.ListeningPorts{}, &event.FirewallConfiguration{}, &event.LocalUsers{}, &event.ConnectedHardware{},
		&event.OSBaseline{}, &event.SystemInformation{}, &event.ConfigurationError{},
		&event.DroppedEventsStatistics{}, &event.MessageStatistics{}, &event.Diagnostic{}, &event.HubAuthentication{},
	}
	var it event.Item
	for _, c := range types {
		if c.Kind() == k {
			it = c
		}
	}
	v := reflect.ValueOf(it).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			g := rapid.String()
			if w, ok := words[name]; ok {
				g = rapid.SampledFrom(w)
			}
			f.SetString(g.Draw(t, name))
			for _, e := range essential {
				if name == e && f.String() == "" {
					f.SetString("x")
				}
			}
		case reflect.Int64:
			f.SetInt(rapid.Int64().Draw(t, name))
		case reflect.Bool:
			f.SetBool(rapid.Bool().Draw(t, name))
		default:
			var d event.Details
			for _, n := range rapid.SliceOfNDistinct(rapid.StringN(0, 20, 100), 0, 6, rapid.ID).Draw(t, "details") {
				d = append(d, event.Detail{Name: n, Value: rapid.String().Draw(t, "value")})
			}
			f.Set(reflect.ValueOf(d))
		}
	}
	if r, ok := it.(*event.FirewallConfiguration); ok && !r.HasPriority {
		r.Priority = 0
	}
	return it
}

func eventOf(t *rapid.T) event.Event {
	k := event.Kind(rapid.IntRange(0, int(event.Kinds)-1).Draw(t, "kind"))
	at := received.Add(-time.Duration(rapid.Int64Range(0, int64(schema.MaxBehind)).Draw(t, "ago")))
	e := event.Event{
		ID:   fmt.Sprintf("c0a8a1f2-3b4c-4d5e-8f60-%012x", rapid.Uint64Range(0, 1<<48-1).Draw(t, "id")),
		Kind: k, Name: k.String(), Time: at, Stated: at,
		Type:     rapid.SampledFrom([]event.Type{event.Security, event.Operational, event.Diagnostics}).Draw(t, "type"),
		Category: rapid.SampledFrom([]event.Category{event.Periodic, event.Triggered, event.Aggregated, "odd"}).Draw(t, "category"),
		Local:    rapid.StringN(1, 30, 200).Draw(t, "local"),
		Payload:  []byte("[]"), Empty: true,
	}
	switch k {
	case event.Unknown:
		e.Name = "Own" + rapid.StringN(0, 20, 100).Draw(t, "name")
		e.Payload = rapid.SampledFrom([][]byte{[]byte("[]"), []byte(`[1,"a b",{"c":[null]}]`)}).Draw(t, "payload")
		e.Empty = len(e.Payload) == 2
	case event.HeartbeatKind:
	default:
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			e.Items = append(e.Items, itemOf(t, k))
		}
		if len(e.Items) > 0 {
			var all []string
			for _, it := range e.Items {
				all = append(all, string(schema.AppendItem(nil, it)))
			}
			e.Payload, e.Empty = []byte("["+strings.Join(all, ",")+"]"), false
		}
	}
	return e
}

// TestRoundTrip: what Append writes, Decode reads back, and Items each payload.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := &event.Message{
			From: device(), Sequence: 42, Received: received, Hub: true,
			AgentID:      rapid.StringN(0, 40, 200).Draw(t, "agent"),
			AgentVersion: rapid.StringN(0, 40, 200).Draw(t, "version"),
			Events:       rapid.SliceOfN(rapid.Custom(eventOf), 1, 5).Draw(t, "events"),
		}
		body := schema.Append(nil, want)
		want.Size = len(body)
		got, err := schema.Decode(message(string(body), hubMade()), time.Time{})
		if err != nil {
			t.Fatalf("decode: %v\n%s", err, body)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("message (-want +got):\n%s\n%s", d, body)
		}
		for _, e := range got.Events {
			items, err := schema.Items(e.Kind, e.Payload)
			if err != nil {
				t.Fatalf("items of %s: %v", e.Payload, err)
			}
			if d := cmp.Diff(e.Items, items, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("items (-want +got):\n%s", d)
			}
		}
	})
}

// TestSchemaMembers: what is written has every member that the published
// schema requires, in an event and in an item that says little.
func TestSchemaMembers(t *testing.T) {
	t.Parallel()
	m := &event.Message{AgentID: "a", Events: []event.Event{{
		Kind: event.ProcessCreateKind, Time: received, Items: []event.Item{&event.ProcessCreate{Executable: "/bin/ls"}},
	}, {Kind: event.LocalUsersKind, ID: "x", Stated: received}}}
	const want = `{"AgentVersion":"","AgentId":"a","MessageSchemaVersion":"1.0","Events":[` +
		`{"TimestampLocal":"2020-03-01T10:02:00Z","TimestampUTC":"2020-03-01T10:02:00Z","Category":"Triggered","Name":"ProcessCreate",` +
		`"EventType":"Security","IsEmpty":false,"PayloadSchemaVersion":"1.0","Payload":[` +
		`{"Executable":"/bin/ls","ProcessId":0,"ParentProcessId":0,"UserId":"","CommandLine":""}]},` +
		`{"Id":"x","TimestampLocal":"2020-03-01T10:02:00Z","TimestampUTC":"2020-03-01T10:02:00Z","Category":"Periodic","Name":"LocalUsers",` +
		`"EventType":"Security","IsEmpty":true,"PayloadSchemaVersion":"1.0","Payload":[]}]}`
	if got := string(schema.Append(nil, m)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestItemsRefuses: a payload that was damaged is an error with its place.
func TestItemsRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind          event.Kind
		payload, want string
	}{
		{event.ProcessCreateKind, ``, "decode payload ProcessCreate: InvalidArgument: Payload: The payload must be an array."},
		{event.ProcessCreateKind, `{}`, "decode payload ProcessCreate: InvalidArgument: Payload: The payload must be an array."},
		{event.ProcessCreateKind, `[{"ProcessId":1}]`, "decode payload ProcessCreate: InvalidArgument: Payload[0]: The item has neither Executable nor CommandLine."},
		{event.LoginKind, `[{"Result":"Fail"},{"Result":"Fail","ProcessId":"x"}]`, "decode payload Login: InvalidArgument: Payload[1].ProcessId: It must be a whole number of 64 bits."},
		{event.LoginKind, `[{"Result":"Fail"}] x`, "decode payload Login: InvalidArgument: Payload: The message is not JSON: there is something after its end (at byte 20)."},
		{event.LoginKind, "[{\"Result\":\"\xff\"}]", "decode payload Login: InvalidArgument: Payload: The message is not UTF-8 (at byte 12)."},
	} {
		items, err := schema.Items(tt.kind, []byte(tt.payload))
		if err == nil || err.Error() != tt.want || items != nil {
			t.Errorf("%s: got  %v\nwant %s", tt.payload, err, tt.want)
		}
	}
	for _, k := range []event.Kind{event.Unknown, event.HeartbeatKind, event.Kinds} {
		if items, err := schema.Items(k, []byte("nonsense")); err != nil || items != nil {
			t.Errorf("items of kind %d: %v, %v", k, items, err)
		}
	}
}

// TestResent: an event without an id of its own has the same one when it is
// sent again, alone or among others.
func TestResent(t *testing.T) {
	t.Parallel()
	const a, b = `{"Name":"ProcessCreate","Payload":[{"Executable":"a"}]}`, `{"Name":"ProcessCreate","Payload":[{"Executable":"b"}]}`
	ids := func(body string) (ids []string) {
		m, err := schema.Decode(message(body), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.Events {
			ids = append(ids, e.ID)
		}
		return ids
	}
	first := ids(envelope(a, b, a))
	if first[0] == first[1] || first[0] == first[2] || first[1] == first[2] {
		t.Errorf("different events have equal ids: %v", first)
	}
	if d := cmp.Diff(first, ids(envelope(a, b, a))); d != "" {
		t.Errorf("sent again (-first +again):\n%s", d)
	}
	if got := ids(envelope(b))[0]; got != first[1] {
		t.Errorf("sent again alone: %s, want %s", got, first[1])
	}
	if d := cmp.Diff([]string{first[1], first[0], first[2]}, ids(envelope(b, a, a))); d != "" {
		t.Errorf("sent again in another order (-first +again):\n%s", d)
	}
}

// TestReceived: the hub's own time comes first, so that reading again gives
// the same.
func TestReceived(t *testing.T) {
	t.Parallel()
	now := received.AddDate(1, 0, 0)
	m := message(envelope(heartbeat))
	got, err := schema.Decode(m, now)
	if err != nil || !got.Received.Equal(received) || !got.Events[0].Time.Equal(received) {
		t.Errorf("received %v, %v", got, err)
	}
	m.Enqueued = time.Time{}
	got, err = schema.Decode(m, now)
	if err != nil || !got.Received.Equal(now) || !got.Events[0].Time.Equal(now) {
		t.Errorf("received %v, %v", got, err)
	}
}
