package hub_test

import (
	"encoding/json"
	"strconv"
	"sync"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// While several services patch one twin, its device reads it again and again.
// Whatever the interleaving, no version is skipped among the patches, and no
// answer comes after a patch of a later version than its own: a client that
// drops patches up to the version it read, and applies the others, never
// misses one.
func TestAnswersAndPatchesNeverReorder(t *testing.T) {
	t.Parallel()
	const services, patches = 4, 100
	h, c, _ := start(t)
	id := securityOf("d")
	w := connect(t, h, id, keyOf(t, c, id))
	w.subscribe(twinResponses, twinDesired)
	// A twin of many members takes a while to write: time for a patch to slip in.
	members := make(map[string]int)
	for i := range 2000 {
		members["m"+itoa(i)] = i
	}
	large, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	patchDesired(t, c, id, string(large))
	w.desired()

	var wg sync.WaitGroup
	defer wg.Wait()
	for s := range services {
		wg.Go(func() {
			for i := range patches {
				body := json.RawMessage(`{"s` + itoa(s) + `":` + itoa(i) + `}`)
				if _, err := c.PatchTwin(t.Context(), id, client.TwinPatch{Desired: body}, tvilling.Match{}); err != nil {
					t.Errorf("service %d, patch %d: %v", s, i, err)
				}
			}
		})
	}

	const last = 2 + services*patches
	v := view{patch: 2}
	for round := 0; v.patch < last; round++ {
		// Requests are pipelined; every other round some of them wait behind a
		// report and are answered in its order.
		var b []byte
		const gets = 8
		if round%2 == 1 {
			p := packet.Publish{Topic: []byte("$iothub/twin/PATCH/properties/reported/?$rid=r"), Payload: []byte(`{"round":` + itoa(round) + `}`)}
			b = p.Append(b)
		}
		for i := range gets {
			p := packet.Publish{Topic: []byte("$iothub/twin/GET/?$rid=" + strconv.Itoa(i))}
			b = p.Append(b)
		}
		w.send(b)
		if !v.follow(t, w, gets) {
			return
		}
		if v.patch == last {
			break
		}
	}
	if got := w.twin().desiredVersion(); got != last {
		t.Errorf("the last twin has desired version %d, want %d", got, last)
	}
}

// view is what a client knows of its twin.
type view struct {
	patch    int64 // version of the newest patch
	read     int64 // of the newest answer
	reported int64 // version that the hub gave the newest report
}

// follow reads until so many GETs are answered.
func (v *view) follow(t *testing.T, w *wire, gets int) bool {
	t.Helper()
	for gets > 0 {
		f, ok := w.read()
		if !ok {
			t.Error("the connection ended")
			return false
		}
		if n, _, ok := asDesired(f); ok {
			if n != v.patch+1 {
				t.Errorf("patch %d follows patch %d", n, v.patch)
				return false
			}
			v.patch = n
			continue
		}
		a, rid, ok := asAnswer(f)
		if !ok {
			continue
		}
		if rid == "r" {
			if a.status != 204 || a.version <= v.reported {
				t.Errorf("report: %+v after version %d", a, v.reported)
			}
			v.reported = a.version
			continue
		}
		gets--
		var d twinDocument
		if err := json.Unmarshal(a.body, &d); a.status != 200 || err != nil {
			t.Errorf("get: %d %s", a.status, a.body)
			return false
		}
		n := d.desiredVersion()
		if n < v.patch {
			t.Errorf("an answer with desired version %d came after patch %d", n, v.patch)
			return false
		}
		if n < v.read {
			t.Errorf("an answer with desired version %d came after one with %d", n, v.read)
		}
		if d.reportedVersion() < v.reported {
			t.Errorf("an answer with reported version %d came after report %d", d.reportedVersion(), v.reported)
		}
		v.read = n
	}
	return true
}

// A client that subscribes, reads and then applies later patches has, at every
// moment, what the service wrote.
func TestPatchesAddUpToTheTwin(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	w := connect(t, h, device("d"), key)
	w.subscribe(twinResponses, twinDesired)
	have := w.twin().Desired
	steps := []struct {
		replace bool
		body    string
	}{
		{false, `{"a":{"b":1,"c":2},"list":[1,2]}`},
		{false, `{"a":{"b":null}}`},
		{false, `{"a":{"d":{"e":null}}}`},
		{true, `{"x":1}`},
		{false, `{"x":null,"y":{}}`},
		{false, `{}`},
		{true, `null`},
	}
	for i, s := range steps {
		p := client.TwinPatch{Desired: json.RawMessage(s.body)}
		var err error
		if s.replace {
			_, err = c.ReplaceTwin(t.Context(), device("d"), p, tvilling.Match{})
		} else {
			_, err = c.PatchTwin(t.Context(), device("d"), p, tvilling.Match{})
		}
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		v, body := w.desired()
		if v != int64(i)+2 {
			t.Errorf("step %d has version %d", i, v)
		}
		var patch map[string]any
		if err := json.Unmarshal(body, &patch); err != nil {
			t.Fatal(err)
		}
		if s.replace {
			have = patch
		} else {
			have = merge(have, patch)
		}
		want := w.twin().Desired
		g, _ := json.Marshal(have)
		n, _ := json.Marshal(want)
		if string(g) != string(n) {
			t.Errorf("after step %d (%s):\npatches add up to %s\nthe twin is        %s", i, s.body, g, n)
		}
	}
}

// merge is the rule of twins: null removes, objects merge, all else replaces.
func merge(have, patch map[string]any) map[string]any {
	if have == nil {
		have = map[string]any{}
	}
	for k, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(have, k)
		case map[string]any:
			old, _ := have[k].(map[string]any)
			have[k] = merge(old, v)
		default:
			have[k] = v
		}
	}
	return have
}
