package hub_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// flip turns over one bit of the last place in the files where text stands.
func flip(t testing.TB, pattern, text string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no file is %s (%v)", pattern, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.LastIndex(b, []byte(text))
		if at < 0 {
			continue
		}
		b[at+len(text)/2] ^= 0x04
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("%q stands in none of %v", text, files)
}

// damaged runs a hub with three devices, a, b and c, flips a bit of what is
// stored of b and starts it again.
func damaged(t *testing.T, mark string, change func(h *apptest.Hub, c *client.Client)) (*apptest.Hub, *client.Client, string) {
	t.Helper()
	h := apptest.Start(t, nil)
	c := h.Client()
	h.Register(c, "a")
	key := h.Register(c, "b")
	h.Register(c, "c")
	change(h, c)
	h.Stop()
	flip(t, filepath.Join(h.Data, "hub.db"), mark)
	h.Restart()
	return h, h.Client(), key
}

// wantDamage fails unless r is the refusal of something damaged, by its name.
func wantDamage(t testing.TB, r response, name string) {
	t.Helper()
	_, message := r.fault(t)
	if r.status != 500 || r.header.Get("Tvilling-Error-Code") != string(tvilling.Corrupt) {
		t.Errorf("status %d, code %q: %s; want 500 and Corrupt", r.status, r.header.Get("Tvilling-Error-Code"), r.body)
	}
	if !strings.Contains(message, name) {
		t.Errorf("the refusal does not name %s: %s", name, message)
	}
}

const mark = "THIS-IS-WHERE-A-BIT-FLIPS"

func TestFlippedBitInATwin(t *testing.T) {
	t.Parallel()
	h, c, key := damaged(t, mark, func(_ *apptest.Hub, c *client.Client) {
		patchDesired(t, c, device("b"), `{"x":"`+mark+`"}`)
	})
	api := owner(t, h)
	n := traced(t, c)
	const v = "?api-version=2021-04-12"
	wantDamage(t, api.do("GET", "/twins/b"+v, ""), "b")
	wantDamage(t, api.do("PATCH", "/twins/b"+v, `{"tags":{"a":1}}`), "b")
	wantDamage(t, api.do("PUT", "/twins/b"+v, `{"tags":{"a":1}}`), "b")
	w := connect(t, h, device("b"), key)
	w.subscribe(twinResponses)
	refusedReport(t, w.get(), 500, 500001)
	refusedReport(t, w.report(`{"a":1}`), 500, 500001)
	// Messages have nothing to do with it.
	w.publish("devices/b/messages/events/", []byte("1"))

	p, err := c.QueryPage(t.Context(), "SELECT deviceId FROM devices", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Items) != 2 || p.Damaged != 1 {
		t.Errorf("the query finds %s and tells of %d damaged twins; want a and c, and 1", p.Items, p.Damaged)
	}
	wantDevices(t, h, c, "a", "b", "c") // the identities are all right
	for _, id := range []string{"a", "c"} {
		if _, err := c.Twin(t.Context(), device(id)); err != nil {
			t.Errorf("the twin of %s: %v", id, err)
		}
		patchDesired(t, c, device(id), `{"x":1}`)
	}
	n.changes, n.telemetry = n.changes+2, n.telemetry+1
	if got := traced(t, c); got != n {
		t.Errorf("traces are %+v, want %+v", got, n)
	}
	// A device can be freed of its damaged twin: deleted and made anew.
	if err := c.Delete(t.Context(), device("b"), client.Any()); err != nil {
		t.Errorf("delete: %v", err)
	}
	h.Register(c, "b")
	if _, err := c.Twin(t.Context(), device("b")); err != nil {
		t.Errorf("the twin made anew: %v", err)
	}
}

func TestFlippedBitInAnIdentity(t *testing.T) {
	t.Parallel()
	h, c, key := damaged(t, mark, func(_ *apptest.Hub, c *client.Client) {
		_, err := c.UpdateDevice(t.Context(), client.Device{DeviceID: "b", StatusReason: mark}, client.Any())
		if err != nil {
			t.Fatal(err)
		}
	})
	api := owner(t, h)
	const v = "?api-version=2021-04-12"
	wantDamage(t, api.do("GET", "/devices/b"+v, ""), "b")
	wantDamage(t, api.do("PUT", "/devices/b"+v, `{"deviceId":"b"}`, "If-Match", "*"), "b")
	wantDamage(t, api.do("GET", "/twins/b"+v, ""), "b")
	// Who it is cannot be proven now; the client may try again later.
	w, ack, ok := try(t, h, connecting{id: device("b"), key: key})
	if !ok || ack.Code == 0 {
		t.Errorf("connect: answered %t, %v", ok, ack.Code)
	}
	w.closed()
	for _, id := range []string{"a", "c"} {
		if _, err := c.Device(t.Context(), tvilling.DeviceID(id)); err != nil {
			t.Errorf("device %s: %v", id, err)
		}
		connect(t, h, device(id), keyOf(t, c, device(id))).alive()
	}
	h.Register(c, "e")
	p, err := c.QueryPage(t.Context(), "SELECT deviceId FROM devices", 0, "")
	if err != nil {
		t.Fatal(err)
	}
	// Nothing that this query shows is damaged; what the next ones read is.
	if len(p.Items) != 4 || p.Damaged != 0 {
		t.Errorf("the query finds %s and tells of %d damaged twins; want a, b, c and e, and none", p.Items, p.Damaged)
	}
	for _, text := range []string{"SELECT * FROM devices", "SELECT deviceId, status FROM devices", "SELECT deviceId FROM devices WHERE status = 'enabled'"} {
		if p, err = c.QueryPage(t.Context(), text, 0, ""); err != nil {
			t.Fatal(err)
		}
		if len(p.Items) != 3 || p.Damaged != 1 {
			t.Errorf("%s finds %s and tells of %d damaged twins; want a, c and e, and 1", text, p.Items, p.Damaged)
		}
	}
	wantDevices(t, h, c, "a", "c", "e")
	// It can be removed, though not by an etag, and be made anew.
	wantDamage(t, api.do("DELETE", "/devices/b"+v, "", "If-Match", `"AAAA"`), "b")
	if err := c.Delete(t.Context(), device("b"), client.Any()); err != nil {
		t.Errorf("delete: %v", err)
	}
	connect(t, h, device("b"), h.Register(c, "b")).alive()
	wantDevices(t, h, c, "a", "b", "c", "e")
}

// wantDevices fails unless the lists of devices are of those.
func wantDevices(t testing.TB, h *apptest.Hub, c *client.Client, want ...tvilling.DeviceID) {
	t.Helper()
	r := owner(t, h).do("GET", "/devices?api-version=2021-04-12", "")
	var list []client.Device
	if err := json.Unmarshal(r.body, &list); r.status != 200 || err != nil {
		t.Errorf("list of devices: status %d: %s", r.status, r.body)
	}
	var got, paged []tvilling.DeviceID
	for _, d := range list {
		got = append(got, d.DeviceID)
	}
	for d, err := range c.Devices(t.Context(), client.DeviceRange{PageSize: 1}) {
		if err != nil {
			t.Errorf("paged list of devices: %v", err)
			break
		}
		paged = append(paged, d.DeviceID)
	}
	if !slices.Equal(got, want) || !slices.Equal(paged, want) {
		t.Errorf("listed are %v, and by pages %v; want %v", got, paged, want)
	}
}

// A device goes with its modules, whatever became of their twins.
func TestFlippedBitInAModule(t *testing.T) {
	t.Parallel()
	id := securityOf("b")
	_, c, _ := damaged(t, mark, func(_ *apptest.Hub, c *client.Client) {
		patchDesired(t, c, id, `{"x":"`+mark+`"}`)
	})
	if _, err := c.Twin(t.Context(), id); tvilling.CodeOf(err) != tvilling.Corrupt {
		t.Errorf("the damaged twin: %v", err)
	}
	if _, err := c.Twin(t.Context(), device("b")); err != nil {
		t.Errorf("the twin of its device: %v", err)
	}
	modules, err := c.Modules(t.Context(), "b")
	if err != nil || len(modules) != 1 {
		t.Errorf("%d modules are listed: %v", len(modules), err)
	}
	p, err := c.QueryPage(t.Context(), "SELECT * FROM devices.modules WHERE deviceId = 'b'", 0, "")
	if err != nil || len(p.Items) != 0 || p.Damaged != 1 {
		t.Errorf("query: %+v, %v", p, err)
	}
	if err := c.Delete(t.Context(), device("b"), client.Any()); err != nil {
		t.Errorf("delete of the device: %v", err)
	}
	if _, err := c.Module(t.Context(), id); tvilling.CodeOf(err) != tvilling.DeviceNotFound {
		t.Errorf("the module of the deleted device: %v", err)
	}
}

func TestFlippedBitInASession(t *testing.T) {
	t.Parallel()
	keep := connecting{id: device("b"), keep: true, username: hostName + "/b/?api-version=2021-04-12&DeviceClientType=" + mark}
	h, c, key := damaged(t, mark, func(h *apptest.Hub, c *client.Client) {
		keep.key = keyOf(t, c, device("b"))
		w, _ := dial(t, h, keep)
		w.subscribe(twinDesired)
		w.bye()
	})
	keep.key = key
	// The client may have subscriptions that nobody knows now.
	w, ack, ok := try(t, h, keep)
	if !ok || ack.Code != packet.ServerUnavailable {
		t.Errorf("connect: answered %t, %v", ok, ack.Code)
	}
	w.closed()
	for _, id := range []string{"a", "b", "c"} {
		if _, err := c.Twin(t.Context(), device(id)); err != nil {
			t.Errorf("the twin of %s: %v", id, err)
		}
	}
	wantDevices(t, h, c, "a", "b", "c")
	// A clean session is free of it, and so is the client after that.
	w = connect(t, h, device("b"), key)
	w.subscribe(twinResponses)
	w.bye()
	w, present := dial(t, h, keep)
	if present {
		t.Error("the damaged session is said to be present")
	}
	w.subscribe(twinResponses)
	w.twin()
}

// The settings of the hub decide who may do what: with them damaged it must
// not run on others.
func TestFlippedBitInSettings(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"policies": `iothubowner`, "security": `guardSecurityTwin`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := apptest.Start(t, nil)
			c := h.Client()
			s, err := c.Settings(t.Context())
			if err == nil {
				s.GuardSecurityTwin = true
				_, err = c.PutSettings(t.Context(), *s)
			}
			if err != nil {
				t.Fatal(err)
			}
			h.Stop()
			flip(t, filepath.Join(h.Data, "hub.db"), text)
			err = h.Fail()
			if tvilling.CodeOf(err) != tvilling.Corrupt || !strings.Contains(err.Error(), name) {
				t.Errorf("the start gives %v, want a refusal that names %s", err, name)
			}
		})
	}
}

func TestFlippedBitInTheJournal(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, nil)
	c := h.Client()
	h.Register(c, "a")
	patchDesired(t, c, device("a"), `{"x":"`+mark+`"}`)
	patchDesired(t, c, device("a"), `{"x":"behind it"}`)
	before := changes(t, c, 0)
	h.Stop()
	flip(t, filepath.Join(h.Data, "journal", "*.seg"), mark)
	h.Restart()
	c = h.Client()
	var got []uint64
	faults := 0
	for ch, err := range c.Changes(t.Context(), client.StreamOptions{}) {
		switch {
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			faults++
		case err != nil:
			t.Fatal(err)
		case !owned(ch):
			got = append(got, ch.Sequence)
		}
	}
	if faults != 1 || len(got) != len(before)-1 {
		t.Errorf("the journal has %d faults and changes %v; want one fault among %d changes", faults, got, len(before))
	}
	// What the journal made of the twin is stored elsewhere.
	twin, err := c.Twin(t.Context(), device("a"))
	if err != nil || twin.Version != 4 {
		t.Errorf("the twin after damage in the history: %v, %v", twin, err)
	}
	patchDesired(t, c, device("a"), `{"x":"after the damage"}`)
}

func TestFlippedBitInMessages(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{client.Telemetry, client.Security} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h, _, key := start(t)
			w := connect(t, h, device("d"), key)
			topic := "devices/d/messages/events/"
			if kind == client.Security {
				topic += "%24.ifid=urn%3Aazureiot%3ASecurity%3ASecurityAgent%3A1"
			}
			for _, body := range []string{"first", mark, "third"} {
				w.publish(topic, []byte(body))
			}
			w.bye()
			h.Stop()
			flip(t, filepath.Join(h.Data, kind, "*.seg"), mark)
			h.Restart()
			w = connect(t, h, device("d"), key)
			w.publish(topic, []byte("fourth"))
			var got []string
			for m, err := range h.Client().Messages(t.Context(), kind, client.StreamOptions{}) {
				switch {
				case tvilling.CodeOf(err) == tvilling.Corrupt:
					got = append(got, "damaged")
				case err != nil:
					t.Fatal(err)
				default:
					got = append(got, string(m.Data))
				}
			}
			if strings.Join(got, " ") != "first damaged third fourth" {
				t.Errorf("messages are %q", got)
			}
		})
	}
}
