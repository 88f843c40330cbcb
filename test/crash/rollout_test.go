package crash_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// fleet is a hub with devices that configurations are for: of those whose id
// begins with a, and of those whose id begins with b.
type fleet struct {
	t      *testing.T
	p      *process
	c      *client.Client
	random *rand.Rand
	size   int
	// late are the devices whose tag was acknowledged just before the kills.
	late map[tvilling.DeviceID]bool
	next int
}

func (f *fleet) start() { f.c = historyClient(f.t, f.p) }

func (f *fleet) name(i int) tvilling.DeviceID {
	return tvilling.DeviceID(fmt.Sprintf("%c%05d", "ab"[i%2], i))
}

func (f *fleet) register() {
	f.t.Helper()
	var wg sync.WaitGroup
	const hands = 32
	for hand := range hands {
		wg.Go(func() {
			for i := hand; i < f.size; i += hands {
				if _, err := f.c.CreateDevice(f.t.Context(), client.Device{DeviceID: f.name(i)}); err != nil {
					f.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func (f *fleet) put(s client.ConfigurationSpec) {
	f.t.Helper()
	if _, err := f.c.PutConfiguration(f.t.Context(), s, tvilling.Match{}); err != nil {
		f.t.Fatal(err)
	}
}

// configured reports whether a change is a step of desired properties by a
// configuration, and by which.
func configured(ch *client.Change) (id string, ok bool) {
	rest, ok := strings.CutPrefix(ch.Actor, "configuration:")
	id, _, _ = strings.Cut(rest, "@")
	return id, ok && ch.Op == "updateTwin" && ch.DesiredVersion != 0
}

// killAfter kills the hub when configurations have made some steps, while a
// service makes twins match, one after the other; and starts it again.
func (f *fleet) killAfter(steps int) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	var service sync.WaitGroup
	service.Go(func() {
		for ctx.Err() == nil && f.next < f.size {
			id := f.name(f.next)
			_, err := f.c.PatchTwin(ctx, tvilling.Device(id), client.TwinPatch{Tags: json.RawMessage(`{"late":true}`)}, tvilling.Match{})
			if err != nil {
				return // the kill
			}
			f.late[id] = true
			f.next++
		}
	})
	for ch, err := range f.c.Changes(ctx, client.StreamOptions{Latest: true, Follow: true}) {
		if err != nil {
			f.t.Fatalf("with %d steps to go: %v", steps, err)
		}
		if _, ok := configured(ch); !ok {
			continue
		}
		if steps--; steps <= 0 {
			f.p.kill()
			break
		}
	}
	cancel()
	service.Wait()
	f.start()
}

// settle waits until nothing is left to be done.
func (f *fleet) settle(ids ...string) {
	f.t.Helper()
	var waits string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // a condition with a deadline
		waits = ""
		for _, id := range ids {
			p, err := f.c.ConfigurationProgress(f.t.Context(), id)
			if err != nil {
				f.t.Fatal(err)
			}
			if p.State != "applied" || p.Blocked != 0 || p.Damped != 0 || p.Metrics == nil || p.Metrics.Targeted != p.Metrics.Applied {
				waits = fmt.Sprintf("%s: %s", id, p.Raw)
			}
		}
		if waits == "" {
			return
		}
	}
	f.t.Fatalf("still not applied: %s", waits)
}

// steps counts the steps of each configuration on each twin, and checks that
// the versions follow from them alone.
func (f *fleet) steps() map[tvilling.DeviceID]map[string]int {
	f.t.Helper()
	steps := map[tvilling.DeviceID]map[string]int{}
	versions := map[tvilling.DeviceID]int64{}
	for ch, err := range f.c.Changes(f.t.Context(), client.StreamOptions{}) {
		if err != nil {
			f.t.Fatal(err)
		}
		if ch.ModuleID != "" || ch.DeviceID == "" {
			continue
		}
		if steps[ch.DeviceID] == nil {
			steps[ch.DeviceID], versions[ch.DeviceID] = map[string]int{}, 1
		}
		if id, ok := configured(ch); ok {
			steps[ch.DeviceID][id]++
			if versions[ch.DeviceID]++; ch.DesiredVersion != versions[ch.DeviceID] {
				f.t.Errorf("%s: desired version %d after %d steps", ch.DeviceID, ch.DesiredVersion, versions[ch.DeviceID]-1)
			}
		}
	}
	return steps
}

// verify compares every twin with what it is to have. want gives the values by
// name, each with the configuration that sets it, and the marks.
func (f *fleet) verify(want func(id tvilling.DeviceID) (values, marks map[string]string)) {
	f.t.Helper()
	seen := 0
	for row, err := range f.c.Query(f.t.Context(), "SELECT * FROM devices", 0) {
		if err != nil {
			f.t.Fatal(err)
		}
		var twin struct {
			DeviceID       tvilling.DeviceID
			Configurations map[string]struct{ Status string }
			Properties     struct{ Desired map[string]json.RawMessage }
		}
		if err := json.Unmarshal(row, &twin); err != nil {
			f.t.Fatal(err)
		}
		var metadata map[string]json.RawMessage
		if err := json.Unmarshal(twin.Properties.Desired["$metadata"], &metadata); err != nil {
			f.t.Fatal(err)
		}
		values, marks := map[string]string{}, map[string]string{}
		for name, value := range twin.Properties.Desired {
			if strings.HasPrefix(name, "$") {
				continue
			}
			var stamp struct {
				By string `json:"$lastUpdatedBy"`
			}
			if err := json.Unmarshal(metadata[name], &stamp); err != nil {
				f.t.Fatal(err)
			}
			values[name] = strings.Trim(string(value), `"`) + " by " + stamp.By
		}
		for id, mark := range twin.Configurations {
			marks[id] = mark.Status
		}
		if wantValues, wantMarks := want(twin.DeviceID); !maps.Equal(values, wantValues) || !maps.Equal(marks, wantMarks) {
			f.t.Errorf("%s has %v, marks %v; want %v, %v", twin.DeviceID, values, marks, wantValues, wantMarks)
		}
		seen++
	}
	if seen != f.size {
		f.t.Errorf("%d twins are found, want %d", seen, f.size)
	}
}

// TestRolloutsAcrossKills kills a hub again and again in the midst of two
// staged rollouts that overlap, and of the removal of one of them. In the end
// every twin has what priority says, each configuration has written it once,
// and nothing is left of the one that is gone.
func TestRolloutsAcrossKills(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := seed(t)
	t.Logf("seed %d", s)
	f := &fleet{
		t: t, random: rand.New(rand.NewPCG(s, 0)), size: 1500, late: map[tvilling.DeviceID]bool{},
		p: &process{dir: dir, argv: []string{build(t), "serve", "--data", dir, "--mqtt", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"}},
	}
	f.start()
	f.register()
	rollout := json.RawMessage(`{"steps":[{"percent":10},{"count":700}]}`)
	f.put(client.ConfigurationSpec{
		ID: "base", TargetCondition: "*", Priority: 1, Rollout: rollout,
		Content: json.RawMessage(`{"deviceContent":{"properties.desired.x":"base","properties.desired.y":"base"}}`),
	})
	f.put(client.ConfigurationSpec{
		ID: "over", TargetCondition: "STARTSWITH(deviceId, 'b')", Priority: 9, Rollout: rollout,
		Content: json.RawMessage(`{"deviceContent":{"properties.desired":{"x":"over","z":"over"}}}`),
	})
	f.put(client.ConfigurationSpec{
		ID: "late", TargetCondition: "tags.late = true", Priority: 5,
		Content: json.RawMessage(`{"deviceContent":{"properties.desired.late":"late"}}`),
	})
	for range 4 {
		f.killAfter(1 + f.random.IntN(f.size/4))
	}
	f.settle("base", "over", "late")
	want := func(gone bool) func(id tvilling.DeviceID) (values, marks map[string]string) {
		return func(id tvilling.DeviceID) (values, marks map[string]string) {
			values = map[string]string{"x": "base by base", "y": "base by base"}
			marks = map[string]string{"base": "Applied"}
			if id[0] == 'b' && !gone {
				values["x"], values["z"], marks["over"] = "over by over", "over by over", "Applied"
			}
			if f.late[id] {
				values["late"], marks["late"] = "late by late", "Applied"
			}
			return values, marks
		}
	}
	// The tag under way in a kill was written or was not.
	f.inspect()
	f.verify(want(false))
	f.once(false)
	if t.Failed() {
		return
	}

	if err := f.c.DeleteConfiguration(t.Context(), "over", client.Any()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.killAfter(1 + f.random.IntN(f.size/8))
	}
	f.gone("over")
	f.settle("base", "late")
	f.inspect()
	f.verify(want(true))
	f.once(true)
}

// inspect asks which twins have the tag, all of which was acknowledged among them.
func (f *fleet) inspect() {
	f.t.Helper()
	tagged := map[tvilling.DeviceID]bool{}
	for row, err := range f.c.Query(f.t.Context(), "SELECT deviceId FROM devices WHERE tags.late = true", 0) {
		var twin struct{ DeviceID tvilling.DeviceID }
		if err = errors.Join(err, json.Unmarshal(row, &twin)); err != nil {
			f.t.Fatal(err)
		}
		tagged[twin.DeviceID] = true
	}
	for id := range f.late {
		if !tagged[id] {
			f.t.Errorf("the acknowledged tag of %s is lost", id)
		}
	}
	f.late = tagged
}

// once checks that each configuration has written to each twin as often as it
// had to. A value of the one that is gone is replaced and removed in one step.
func (f *fleet) once(gone bool) {
	f.t.Helper()
	for id, steps := range f.steps() {
		want := map[string]int{"base": 1}
		if id[0] == 'b' {
			want["over"] = 1
			if gone {
				want["base"] = 2
			}
		}
		if f.late[id] {
			want["late"] = 1
		}
		if !maps.Equal(steps, want) {
			f.t.Errorf("%s was written to by %v, want %v", id, steps, want)
		}
	}
}

// gone waits until nothing is left of a configuration.
func (f *fleet) gone(id string) {
	f.t.Helper()
	text := "SELECT deviceId FROM devices WHERE IS_DEFINED(configurations.[[" + id + "]]) OR properties.desired.$metadata.x.$lastUpdatedBy = '" + id + "'"
	n := 0
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // a condition with a deadline
		p, err := f.c.QueryPage(f.t.Context(), text, 0, "")
		if err != nil {
			f.t.Fatal(err)
		}
		if n = len(p.Items); n == 0 {
			return
		}
	}
	f.t.Errorf("%d twins and more have something of %s", n, id)
}
