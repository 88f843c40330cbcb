package crash_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// writer writes tags and desired properties of one twin, both in each request,
// one request after the other. Request n makes n of both; so the versions
// follow from n, and half a request would show.
type writer struct {
	id          tvilling.Identity
	etag        tvilling.ETag
	sent, acked int
}

func (w *writer) setUp(l *life) {
	l.t.Helper()
	l.register(w.id.Device)
}

func (w *writer) work(l *life) {
	for !l.killed.Load() {
		w.sent++
		n := json.RawMessage(fmt.Sprintf(`{"n":%d,"pad":"%s"}`, w.sent, strings.Repeat("z", w.sent*53%700)))
		p := client.TwinPatch{Tags: n, Desired: n}
		match := tvilling.Match{}
		if w.sent%3 == 0 && w.etag != "" {
			match = client.IfTag(w.etag)
		}
		write := l.api.PatchTwin
		if w.sent%7 == 0 {
			write = l.api.ReplaceTwin
		}
		t, err := write(l.ctx, w.id, p, match)
		if err == nil {
			w.acked, w.etag = w.sent, t.ETag
			l.acked()
		}
		if l.over("write twin "+w.id.String(), err) {
			return
		}
	}
}

func (w *writer) verify(l *life) {
	l.t.Helper()
	t, err := l.api.Twin(l.ctx, w.id)
	if err != nil {
		l.t.Errorf("read twin %s after a crash: %v", w.id, err)
		return
	}
	var tags, desired struct {
		N       int    `json:"n"`
		Pad     string `json:"pad"`
		Version int64  `json:"$version"`
	}
	if len(t.Tags) > 0 {
		if err := json.Unmarshal(t.Tags, &tags); err != nil {
			l.t.Error(err)
		}
	}
	if err := json.Unmarshal(t.Properties.Desired, &desired); err != nil {
		l.t.Error(err)
	}
	n := desired.N
	if tags.N != n || tags.Pad != desired.Pad || len(desired.Pad) != n*53%700 {
		l.t.Errorf("%s: half a request is there: %s", w.id, t.Raw)
	}
	if n < w.acked || n > w.sent {
		l.t.Errorf("%s: request %d is the last there; %d was acknowledged, %d sent", w.id, n, w.acked, w.sent)
	}
	if desired.Version != int64(n)+1 || t.Version != int64(n)+2 {
		l.t.Errorf("%s: %d requests make version %d, desired version %d", w.id, n, t.Version, desired.Version)
	}
	w.sent, w.acked, w.etag = n, n, t.ETag
	if n > 0 {
		w.find(l, n)
	}
}

// find looks the twin up by a query, which is answered from what the start of
// the hub has read so far: all of it, or the twins themselves.
func (w *writer) find(l *life, n int) {
	l.t.Helper()
	from := "devices"
	if w.id.IsModule() {
		from += ".modules"
	}
	text := fmt.Sprintf("SELECT deviceId FROM %s WHERE tags.n = %d AND properties.desired.n = %d", from, n, n)
	for row, err := range l.api.Query(l.ctx, text, 0) {
		var found struct{ DeviceID tvilling.DeviceID }
		if err == nil {
			err = json.Unmarshal(row, &found)
		}
		if err != nil {
			l.t.Errorf("%s after a crash: %v", text, err)
			return
		}
		if found.DeviceID == w.id.Device {
			return
		}
	}
	l.t.Errorf("%s after a crash does not find %s", text, w.id)
}

// registered is what a registrar knows of a device.
type registered struct {
	exists   bool
	disabled bool
	reason   string
	key      string // "" when it cannot be known
	modules  []string
}

// String leaves the key out: it may be one that was never told.
func (r registered) String() string {
	if !r.exists {
		return "absent"
	}
	return fmt.Sprintf("disabled=%t reason=%q modules=%v", r.disabled, r.reason, r.modules)
}

// with returns r with a change.
func (r registered) with(change func(*registered)) registered {
	r.modules = slices.Clone(r.modules)
	change(&r)
	return r
}

// registrar makes, changes and deletes devices and modules.
type registrar struct {
	prefix string
	random *rand.Rand
	next   int

	// acked is what was acknowledged; the device that a request was under way
	// for may instead be as pending says.
	acked   map[tvilling.DeviceID]registered
	doing   tvilling.DeviceID
	pending registered
}

func (r *registrar) setUp(*life) { r.acked = make(map[tvilling.DeviceID]registered) }

// most is how many devices a registrar keeps.
const most = 5

const security = string(tvilling.SecurityModule)

func (r *registrar) work(l *life) {
	for !l.killed.Load() {
		got, err := r.step(l)
		if err == nil {
			r.acked[r.doing], r.doing = got, ""
			l.acked()
		}
		if l.over("registry, "+string(r.doing), err) {
			return
		}
	}
}

// step makes one request and returns what it comes to.
func (r *registrar) step(l *life) (registered, error) {
	var alive []tvilling.DeviceID
	for id, d := range r.acked {
		if d.exists {
			alive = append(alive, id)
		}
	}
	slices.Sort(alive)
	if len(alive) < most {
		r.next++
		r.doing = tvilling.DeviceID(r.prefix + "-" + strconv.Itoa(r.next))
		r.pending = registered{exists: true, modules: []string{security}}
		d, err := l.api.CreateDevice(l.ctx, client.Device{DeviceID: r.doing})
		return r.pending.with(func(s *registered) {
			if err == nil {
				s.key = d.Authentication.SymmetricKey.Primary
			}
		}), err
	}
	r.doing = alive[r.random.IntN(len(alive))]
	now := r.acked[r.doing]
	switch r.random.IntN(7) {
	case 0:
		r.pending = registered{}
		return r.pending, l.api.Delete(l.ctx, tvilling.Device(r.doing), tvilling.Match{})
	case 1:
		r.pending = now.with(func(s *registered) { s.key = "" })
		a, err := l.api.RegenerateKey(l.ctx, tvilling.Device(r.doing), "primary")
		return now.with(func(s *registered) {
			if err == nil {
				s.key = a.SymmetricKey.Primary
			}
		}), err
	case 2, 3:
		return r.module(l, now)
	default:
		r.pending = now.with(func(s *registered) {
			s.disabled, s.reason = !s.disabled, "reason "+strconv.Itoa(r.random.IntN(1000))
		})
		d := client.Device{DeviceID: r.doing, StatusReason: r.pending.reason, Status: "enabled"}
		if r.pending.disabled {
			d.Status = "disabled"
		}
		_, err := l.api.UpdateDevice(l.ctx, d, tvilling.Match{})
		return r.pending, err
	}
}

// module makes a module, or deletes one, the security module too; that one is
// restored at some later time.
func (r *registrar) module(l *life, now registered) (registered, error) {
	add := func(name string) {
		r.pending = now.with(func(s *registered) {
			s.modules = append(s.modules, name)
			slices.Sort(s.modules)
		})
	}
	if !slices.Contains(now.modules, security) {
		add(security)
		_, err := l.api.RestoreModule(l.ctx, r.doing)
		return r.pending, err
	}
	if len(now.modules) < 4 {
		r.next++
		name := "m" + strconv.Itoa(r.next)
		add(name)
		_, err := l.api.CreateModule(l.ctx, client.Module{DeviceID: r.doing, ModuleID: tvilling.ModuleID(name)})
		return r.pending, err
	}
	name := now.modules[r.random.IntN(len(now.modules))]
	r.pending = now.with(func(s *registered) {
		s.modules = slices.DeleteFunc(s.modules, func(m string) bool { return m == name })
	})
	id := tvilling.Identity{Device: r.doing, Module: tvilling.ModuleID(name)}
	return r.pending, l.api.Delete(l.ctx, id, tvilling.Match{})
}

func (r *registrar) verify(l *life) {
	l.t.Helper()
	if r.doing != "" {
		if _, ok := r.acked[r.doing]; !ok {
			r.acked[r.doing] = registered{} // it was being made
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.acked)) {
		want := r.acked[id]
		got, err := look(l, id)
		if err != nil {
			l.t.Errorf("look at %s after a crash: %v", id, err)
			return
		}
		undone := id == r.doing && got.String() == r.pending.String()
		if got.String() != want.String() && !undone {
			l.t.Errorf("%s is %v, want %v", id, got, want)
		}
		// A request under way may have changed the key to one that was not told.
		if want.exists && got.exists && want.key != "" && got.key != want.key && (!undone || r.pending.key != "") {
			l.t.Errorf("%s has another key than the one acknowledged", id)
		}
		r.acked[id] = got
		if !got.exists {
			delete(r.acked, id)
		}
	}
	r.doing = ""
}

// look reads all there is of a device. The twins must be there with their
// identities, and be gone with them.
func look(l *life, id tvilling.DeviceID) (registered, error) {
	d, err := l.api.Device(l.ctx, id)
	if tvilling.CodeOf(err) == tvilling.DeviceNotFound {
		for _, twin := range []tvilling.Identity{tvilling.Device(id), securityOf(id)} {
			if _, err := l.api.Twin(l.ctx, twin); tvilling.CodeOf(err) != tvilling.DeviceNotFound && tvilling.CodeOf(err) != tvilling.ModuleNotFound {
				return registered{}, fmt.Errorf("the device is absent, but reading the twin of %s gives %w", twin, err)
			}
		}
		return registered{}, nil
	}
	if err != nil {
		return registered{}, err
	}
	got := registered{
		exists: true, disabled: d.Status == "disabled", reason: d.StatusReason, key: d.Authentication.SymmetricKey.Primary,
	}
	if _, err := l.api.Twin(l.ctx, tvilling.Device(id)); err != nil {
		return got, err
	}
	modules, err := l.api.Modules(l.ctx, id)
	if err != nil {
		return got, err
	}
	for _, m := range modules {
		got.modules = append(got.modules, string(m.ModuleID))
		if _, err := l.api.Twin(l.ctx, m.ID()); err != nil {
			return got, err
		}
	}
	slices.Sort(got.modules)
	return got, nil
}

// policies makes, changes and deletes shared access policies.
type policies struct {
	random *rand.Rand
	acked  map[string]string // the primary key by name
	doing  string            // the policy that a request was under way for
}

func (p *policies) setUp(*life) { p.acked = make(map[string]string) }

func (p *policies) work(l *life) {
	for !l.killed.Load() {
		p.doing = "p" + strconv.Itoa(p.random.IntN(4))
		key, there := p.acked[p.doing]
		var err error
		switch {
		case !there:
			var got *client.Policy
			got, err = l.api.PutPolicy(l.ctx, client.Policy{Name: p.doing, Permissions: []string{"RegistryRead"}})
			if err == nil {
				key = got.Primary
			}
		case p.random.IntN(3) == 0:
			err, key = l.api.DeletePolicy(l.ctx, p.doing), ""
		default:
			var got *client.Policy
			got, err = l.api.RegeneratePolicyKey(l.ctx, p.doing, "primary")
			if err == nil {
				key = got.Primary
			}
		}
		if err == nil {
			if p.acked[p.doing] = key; key == "" {
				delete(p.acked, p.doing)
			}
			p.doing = ""
			l.acked()
		}
		if l.over("policy "+p.doing, err) {
			return
		}
	}
}

func (p *policies) verify(l *life) {
	l.t.Helper()
	list, err := l.api.Policies(l.ctx)
	if err != nil {
		l.t.Errorf("read policies after a crash: %v", err)
		return
	}
	got := make(map[string]string)
	for _, policy := range list {
		if strings.HasPrefix(policy.Name, "p") {
			got[policy.Name] = policy.Primary
		}
	}
	for i := range 4 {
		name := "p" + strconv.Itoa(i)
		if name != p.doing && got[name] != p.acked[name] {
			l.t.Errorf("policy %s is not as it was acknowledged", name)
		}
	}
	p.acked, p.doing = got, ""
}
