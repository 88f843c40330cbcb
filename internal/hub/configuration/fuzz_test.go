package configuration //nolint:testpackage // the parser is inside

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// FuzzContent: a content is refused with a code, or can be applied to a twin,
// which then has nothing more to be done.
func FuzzContent(f *testing.F) {
	for _, text := range []string{
		`{"deviceContent":{"properties.desired":{"a":{"b":[1,{"c":"<&>"}],"n":null}},"properties.desired.x.y":"\u00e9\ud83d\ude00"}}`,
		`{"moduleContent":{"properties.desired.a":{}},"deviceContent":null}`, `{"modulesContent":{}}`, `{"deviceContent":[]}`,
		`{"deviceContent":{"properties.desired.a.b":1,"properties.desired.a":{"c":2,"$x":1}}}`, `{`, `null`, `{"deviceContent":{"properties.desired..":1e9}}`,
		`{"deviceContent":{"properties.desired":{"$version":1,"$metadata":{},"k\"\\":true}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		kind, wishes, err := parseContent(text)
		if err != nil {
			if code := tvilling.CodeOf(err); code != tvilling.InvalidConfigurationContent && code != tvilling.Unsupported {
				t.Fatalf("%s: %v", code, err)
			}
			return
		}
		w := newWorld(t)
		c := &compiled{Configuration: Configuration{ID: "c", Content: json.RawMessage(text), Created: w.now, Updated: w.now}, stage: all, kind: kind, wishes: wishes}
		w.table = newTable(map[string]*compiled{"c": c}, nil)
		w.twin = state.NewTwin(tvilling.Device("d"))
		if kind == Modules {
			w.twin = state.NewTwin(tvilling.Identity{Device: "d", Module: "m"})
			c.target, err = compileTarget(kind, "from devices.modules where deviceId = 'd'")
		} else {
			c.target, err = compileTarget(kind, "*")
		}
		if err != nil {
			t.Fatal(err)
		}
		w.renew()
		if d := w.decide(); !d.idle() {
			t.Fatalf("there is more to do: %d writes, %s", len(d.writes), d.marks)
		}
		w.delete("c")
		w.renew()
		if !w.twin.Desired.IsEmpty() || w.twin.Owned != nil {
			t.Fatalf("%s with %s is left", w.text(), w.marks())
		}
	})
}

// FuzzDuration: what is read is written as a text that means the same.
func FuzzDuration(f *testing.F) {
	for _, text := range []string{"PT30M", "P1DT12H", "PT0.001S", "P52W", "PT", "P1Y", "PT1H1H"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d, again Duration
		if d.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(d.String())); err != nil || time.Duration(again-d).Abs() > time.Microsecond {
			t.Fatalf("%q is %v, written %s, read %v, %v", text, time.Duration(d), d, time.Duration(again), err)
		}
	})
}
