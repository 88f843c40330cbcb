package hub_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

const agentObject = "ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration"

// original is a security agent as the original ones are: what it gets of its
// configuration object, with the twin or with a change, is all there is of it.
type original struct {
	*wire

	object  any
	version int64
}

// began reads the twin, as an agent does when it has connected.
func (a *original) began() {
	d := a.twin()
	a.object, a.version = d.Desired[agentObject], d.desiredVersion()
}

// take takes a change, unless the twin that was read is newer.
func (a *original) take(version int64, body []byte) {
	a.t.Helper()
	if version <= a.version {
		return
	}
	var patch map[string]any
	if err := json.Unmarshal(body, &patch); err != nil {
		a.t.Fatalf("change %s: %v", body, err)
	}
	a.version = version
	if object, ok := patch[agentObject]; ok {
		a.object = object
		if members, ok := object.(map[string]any); ok {
			// A null tells those that merge what is gone; for this one it says nothing.
			maps.DeleteFunc(members, func(_ string, value any) bool { return value == nil })
		}
	}
}

// upTo takes changes up to a version.
func (a *original) upTo(version int64) {
	a.t.Helper()
	for a.version < version {
		a.take(a.desired())
	}
}

// An agent that takes each change for the whole of its configuration has what
// its twin says, whatever configurations come and go, overlap, and happen while
// it is away.
func TestAgentThatTakesChangesForTheWhole(t *testing.T) {
	t.Parallel()
	h, c, _ := start(t)
	id := securityOf("d")
	key := keyOf(t, c, id)
	dice := rand.New(rand.NewPCG(7, 7))
	names := []string{"snapshotFrequency", "eventPriorityLogin", "maxMessageSizeInBytes", "maxLocalCacheSizeInBytes"}
	value := func(n int) string { return fmt.Sprintf(`{"value":"v%d"}`, n) }
	there := map[string]bool{}
	change := func(n int) {
		t.Helper()
		name := fmt.Sprintf("c%d", dice.IntN(5))
		if there[name] {
			if err := c.DeleteConfiguration(t.Context(), name, client.Any()); err != nil {
				t.Fatal(err)
			}
			delete(there, name)
			return
		}
		a, b := names[dice.IntN(4)], names[dice.IntN(4)]
		content := fmt.Sprintf(`{"moduleContent":{"properties.desired.%[1]s.%[2]s":%[3]s`, agentObject, a, value(n))
		if a != b {
			content += fmt.Sprintf(`,"properties.desired.%s.%s":%s`, agentObject, b, value(n+1000))
		}
		_, err := c.PutConfiguration(t.Context(), client.ConfigurationSpec{
			ID: name, Priority: dice.IntN(3), Content: json.RawMessage(content + "}}"),
			TargetCondition: "FROM devices.modules WHERE moduleId = 'azureiotsecurity'",
		}, tvilling.Match{})
		if err != nil {
			t.Fatal(err)
		}
		there[name] = true
	}
	settled := func() *client.Twin {
		t.Helper()
		var twin *client.Twin
		eventually(t, "the configurations are applied", func() (bool, any) {
			list, err := c.Configurations(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if twin, err = c.Twin(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			var document struct{ Configurations map[string]any }
			if err := json.Unmarshal(twin.Raw, &document); err != nil {
				t.Fatal(err)
			}
			if len(list) != len(there) || len(document.Configurations) != len(there) {
				return false, string(twin.Raw)
			}
			for name := range there {
				if p, err := c.ConfigurationProgress(t.Context(), name); err != nil || p.State != "applied" || document.Configurations[name] == nil {
					return false, fmt.Sprint(name, err)
				}
			}
			return true, nil
		})
		return twin
	}
	for life := range 4 {
		// A few come and go while it is away.
		for n := range 4 {
			change(100*life + n)
		}
		w, _ := dial(t, h, connecting{id: id, key: key, keep: life%2 == 1})
		w.subscribe(twinResponses, twinDesired)
		a := &original{wire: w}
		a.began()
		for n := range 6 {
			change(100*life + 10 + n)
			if n%3 < 2 {
				continue // the next one comes while this one is being applied
			}
			twin := settled()
			var desired map[string]any
			if err := json.Unmarshal(twin.Properties.Desired, &desired); err != nil {
				t.Fatal(err)
			}
			a.upTo(version(desired))
			if want := desired[agentObject]; !reflect.DeepEqual(a.object, want) {
				t.Errorf("life %d, change %d: the agent has %v, its twin %v", life, n, a.object, want)
			}
		}
		if life%2 == 0 {
			w.bye()
		} else {
			w.cut()
		}
		if life == 1 {
			h.Restart()
			c = h.Client()
		}
	}
}
