package event_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/security/event"
)

func items() []event.Item {
	return []event.Item{
		&event.ProcessCreate{}, &event.ProcessTerminate{}, &event.ConnectionCreate{}, &event.Login{},
		&event.ListeningPorts{}, &event.FirewallConfiguration{}, &event.LocalUsers{}, &event.ConnectedHardware{},
		&event.OSBaseline{}, &event.SystemInformation{}, &event.ConfigurationError{},
		&event.DroppedEventsStatistics{}, &event.MessageStatistics{}, &event.Diagnostic{}, &event.HubAuthentication{},
	}
}

// TestFieldsOfItems fills each member of each item with a value of its own and
// wants to get every one of them back through Field, and no other.
func TestFieldsOfItems(t *testing.T) {
	t.Parallel()
	other := map[string]string{"Error": "Error", "Message": "Message", "Module": "Module"}
	for _, it := range items() {
		t.Run(it.Kind().String(), func(t *testing.T) {
			t.Parallel()
			v := reflect.ValueOf(it).Elem()
			if got := v.Type().Name(); got != it.Kind().String() {
				t.Fatalf("the kind of %s is %s", got, it.Kind())
			}
			want := map[event.Field]event.Value{}
			for i := range v.NumField() {
				name := v.Type().Field(i).Name
				wire := name
				if o, ok := other[name]; ok {
					wire = o
				}
				if strings.Contains(name, "Memory") {
					wire += "InKB"
				}
				f, ok := event.FieldOf(wire)
				switch v.Field(i).Kind() {
				case reflect.String:
					text := fmt.Sprint("text ", i)
					v.Field(i).SetString(text)
					want[f] = event.Value{Text: text}
				case reflect.Int64:
					v.Field(i).SetInt(int64(i + 1))
					want[f] = event.Value{Text: fmt.Sprint(i + 1), Number: int64(i + 1), IsNumber: true}
				case reflect.Bool:
					v.Field(i).SetBool(true)
					if name == "HasPriority" {
						continue
					}
					want[f] = event.Value{Text: "true"}
				default:
					v.Field(i).Set(reflect.ValueOf(event.Details{{Name: "a", Value: "b"}}))
					continue
				}
				if !ok {
					t.Errorf("member %s has no field", name)
				}
			}
			got := map[event.Field]event.Value{}
			for f := range event.Fields + 1 {
				if v, ok := it.Field(f); ok {
					got[f] = v
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("fields (-want +got):\n%s", d)
			}
			if d := cmp.Diff(event.Details{{Name: "a", Value: "b"}}, it.Details()); d != "" {
				t.Errorf("details (-want +got):\n%s", d)
			}
		})
	}
}

func TestEveryKindHasItems(t *testing.T) {
	t.Parallel()
	seen := map[event.Kind]bool{event.Unknown: true, event.HeartbeatKind: true}
	for _, it := range items() {
		seen[it.Kind()] = true
	}
	for k := range event.Kinds {
		if !seen[k] {
			t.Errorf("kind %s has no item", k)
		}
		if got := event.KindOf(k.String()); got != k {
			t.Errorf("KindOf(%q) = %d, want %d", k, got, k)
		}
	}
}

func TestFieldsNotSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		item  event.Item
		field event.Field
		want  event.Value
		ok    bool
	}{
		{&event.ProcessCreate{}, event.UserName, event.Value{}, false},
		{&event.ProcessCreate{}, event.ProcessID, event.Value{Text: "0", IsNumber: true}, true},
		{&event.ProcessCreate{}, event.RemoteAddress, event.Value{}, false},
		{&event.ProcessCreate{}, event.NoField, event.Value{}, false},
		{&event.SystemInformation{}, event.TotalPhysicalMemory, event.Value{}, false},
		{&event.FirewallConfiguration{Priority: 3}, event.Priority, event.Value{}, false},
		{&event.FirewallConfiguration{}, event.Enabled, event.Value{Text: "false"}, true},
		{&event.ConnectionCreate{RemotePort: "443"}, event.RemotePort, event.Value{Text: "443", Number: 443, IsNumber: true}, true},
		{&event.ConnectionCreate{RemotePort: "22-25"}, event.RemotePort, event.Value{Text: "22-25"}, true},
		{&event.ConnectionCreate{RemotePort: "99999"}, event.RemotePort, event.Value{Text: "99999"}, true},
		{&event.ConnectionCreate{RemotePort: "+22"}, event.RemotePort, event.Value{Text: "+22"}, true},
		{&event.ListeningPorts{RemotePort: "*"}, event.RemotePort, event.Value{Text: "*"}, true},
		{&event.Login{}, event.LocalPort, event.Value{}, false},
	} {
		got, ok := c.item.Field(c.field)
		if ok != c.ok {
			t.Errorf("%s %s: there = %v, want %v", c.item.Kind(), c.field, ok, c.ok)
		}
		if ok && got != c.want {
			t.Errorf("%s %s = %+v, want %+v", c.item.Kind(), c.field, got, c.want)
		}
	}
}

func TestFieldNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for f := event.NoField + 1; f < event.Fields; f++ {
		n := f.String()
		if n == "" || seen[n] {
			t.Errorf("field %d has the name %q, empty or used twice", f, n)
		}
		seen[n] = true
		for _, spelling := range []string{n, strings.ToLower(n), strings.ToUpper(n)} {
			if got, ok := event.FieldOf(spelling); !ok || got != f {
				t.Errorf("FieldOf(%q) = %d, %v, want %d", spelling, got, ok, f)
			}
		}
	}
	for _, n := range []string{"", "Nothing", "Executable ", "ExtraDetails.Hash"} {
		if got, ok := event.FieldOf(n); ok {
			t.Errorf("FieldOf(%q) = %s, want none", n, got)
		}
	}
	if got := event.Fields.String() + event.NoField.String(); got != "" {
		t.Errorf("no field has the name %q", got)
	}
	for f, want := range map[event.Field]string{
		event.OSArchitecture: "OsArchitecture", event.TotalPhysicalMemory: "TotalPhysicalMemoryInKB",
		event.Text: "Message", event.ErrorText: "Error", event.UserID: "UserId", event.ModuleName: "Module",
	} {
		if got := f.String(); got != want {
			t.Errorf("name of field %d = %q, want %q", f, got, want)
		}
	}
}

func TestHits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"1": 1, "17": 17, "0": 1, "-4": 1, "": 1, "x": 1, "3.5": 1, "1e3": 1, "007": 7,
		"1000000000": event.MaxHits, "1000000001": event.MaxHits, "99999999999999999999999": event.MaxHits,
	} {
		it := &event.ProcessCreate{Extra: event.Details{{Name: "Hash", Value: "9"}, {Name: event.HitCount, Value: text}}}
		if got := event.Hits(it); got != want {
			t.Errorf("hits of %q = %d, want %d", text, got, want)
		}
	}
	if got := event.Hits(&event.Login{Extra: event.Details{{Name: "hitcount", Value: "9"}}}); got != 1 {
		t.Errorf("hits without a count = %d, want 1", got)
	}
}
