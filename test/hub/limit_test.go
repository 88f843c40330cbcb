package hub_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// filled returns a section whose names and values count so many bytes.
func filled(size int) string {
	const chunk = 4096
	var b strings.Builder
	b.WriteByte('{')
	for i := 0; size > 0; i++ {
		n := min(size, chunk)
		if rest := size - n; rest > 0 && rest < 8 {
			n -= 8 // leave room for a last member
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%04d":"%s"`, i, strings.Repeat("x", n-4))
		size -= n
	}
	b.WriteByte('}')
	return b.String()
}

// Each limit of a twin, exactly at it and one over.
func TestLimitsOfSections(t *testing.T) {
	t.Parallel()
	all := []string{"reported", "desired", "tags"}
	properties := []string{"reported", "desired"}
	tests := []struct {
		name     string
		at, over string
		parts    []string
	}{
		{"size 32768", filled(32768), filled(32769), properties},
		{"size 8192", filled(8192), filled(8193), []string{"tags"}},
		{"numbers count 8, booleans 4", `{"n":` + `1,"b":true,"x":` + filled(32768-1-8-1-4-1) + `}`, `{"n":` + `1,"b":true,"x":` + filled(32768-1-8-1-4) + `}`, properties},
		{"depth 10", nested(10), nested(11), all},
		{"depth 10, arrays", `{"a":` + strings.Repeat("[", 10) + "1" + strings.Repeat("]", 10) + `}`, `{"a":` + strings.Repeat("[", 11) + "1" + strings.Repeat("]", 11) + `}`, all},
		{"name of 1024 bytes", `{"` + strings.Repeat("k", 1024) + `":1}`, `{"` + strings.Repeat("k", 1025) + `":1}`, all},
		{"name of 1024 bytes, two each", `{"` + strings.Repeat("é", 512) + `":1}`, `{"` + strings.Repeat("é", 512) + `x":1}`, all},
		{"string of 4096 bytes", `{"a":"` + strings.Repeat("x", 4096) + `"}`, `{"a":"` + strings.Repeat("x", 4097) + `"}`, all},
		{"string of 4096 bytes, three each", `{"a":"` + strings.Repeat("€", 1365) + `x"}`, `{"a":"` + strings.Repeat("€", 1365) + `xx"}`, all},
		{"integer 2^52-1", `{"a":4503599627370495}`, `{"a":4503599627370496}`, all},
		{"integer -2^52", `{"a":-4503599627370496}`, `{"a":-4503599627370497}`, all},
	}
	for _, test := range tests {
		for _, part := range test.parts {
			t.Run(test.name+" in "+part, func(t *testing.T) {
				t.Parallel()
				h, c, key := start(t)
				w := connect(t, h, device("d"), key)
				w.subscribe(twinResponses)
				api := owner(t, h)
				write := func(text string) (taken bool) {
					if part == "reported" {
						a := w.report(text)
						if a.status != 204 {
							refusedReport(t, a, 400, 400004)
						}
						return a.status == 204
					}
					body := `{"tags":` + text + `}`
					if part == "desired" {
						body = `{"properties":{"desired":` + text + `}}`
					}
					r := api.do("PATCH", "/twins/d?api-version=2021-04-12", body)
					if r.status != 200 {
						if name, _ := r.fault(t); r.status != 400 || name != "ArgumentInvalid" {
							t.Errorf("refused with status %d: %s", r.status, r.body)
						}
					}
					return r.status == 200
				}
				n := traced(t, c)
				if write(test.over) {
					t.Error("one over the limit is taken")
				}
				if got := traced(t, c); got != n {
					t.Errorf("a refused update left traces: %+v, want %+v", got, n)
				}
				if !write(test.at) {
					t.Error("exactly at the limit is refused")
				}
				// A section that is full takes what makes it no larger, and nothing more.
				if strings.HasPrefix(test.name, "size") {
					if write(`{"more":1}`) {
						t.Error("a full section grew by a further update")
					}
					if !write(`{"0000":null,"more":1}`) {
						t.Error("a full section does not take an update that makes it smaller")
					}
				}
			})
		}
	}
}

func TestLimitOfMessages(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	const topic = "devices/d/messages/events/"
	w := connect(t, h, device("d"), key)
	w.publish(topic, make([]byte, 262144))
	p := packet.Publish{QoS: 1, ID: 9, Topic: []byte(topic), Payload: make([]byte, 262145)}
	w.send(p.Append(nil))
	if got := w.closed(); len(got) > 0 {
		t.Errorf("a message one byte too large was answered with %v", got[0].Type)
	}
	got := messages(t, c, client.Telemetry)
	if len(got) != 1 || len(got[0].Data)+len(got[0].Body) == 0 {
		t.Errorf("%d messages are stored, want the one at the limit", len(got))
	}
	if len(got) == 1 && len(got[0].Data) != 262144 {
		t.Errorf("the message stored has %d bytes", len(got[0].Data))
	}
	// Far beyond, the header alone is enough.
	w = connect(t, h, device("d"), key)
	w.send([]byte{0x30, 0xff, 0xff, 0xff, 0x7f})
	w.closed()
}

func TestLimitsOfTheRegistry(t *testing.T) {
	t.Parallel()
	h, c, _ := start(t)
	create := func(d client.Device) error {
		_, err := c.CreateDevice(t.Context(), d)
		return err
	}
	createModule := func(m string) error {
		_, err := c.CreateModule(t.Context(), client.Module{DeviceID: "d", ModuleID: tvilling.ModuleID(m)})
		return err
	}
	long := strings.Repeat("x", 128)
	wantCode(t, "a device id of 128 characters", create(client.Device{DeviceID: tvilling.DeviceID(long)}), "")
	wantCode(t, "a device id of 129 characters", create(client.Device{DeviceID: tvilling.DeviceID(long + "x")}), tvilling.InvalidArgument)
	wantCode(t, "a module id of 128 characters", createModule(long), "")
	wantCode(t, "a module id of 129 characters", createModule(long+"x"), tvilling.InvalidArgument)
	wantCode(t, "a statusReason of 128 characters", create(client.Device{DeviceID: "r", Status: "disabled", StatusReason: strings.Repeat("é", 128)}), "")
	wantCode(t, "a statusReason of 129 characters", create(client.Device{DeviceID: "s", Status: "disabled", StatusReason: strings.Repeat("é", 129)}), tvilling.InvalidArgument)

	// Ids of full length work on the wire.
	id := module("d", long)
	connect(t, h, id, keyOf(t, c, id)).alive()
	connect(t, h, device(long), keyOf(t, c, device(long))).alive()

	// The security module does not count to the fifty.
	for i := range 49 { // one is there already
		if err := createModule("m" + itoa(i)); err != nil {
			t.Fatalf("module %d: %v", i+2, err)
		}
	}
	n := traced(t, c)
	err := createModule("m50")
	wantCode(t, "module 51", err, tvilling.TooManyModules)
	r := owner(t, h).do("PUT", "/devices/d/modules/m50?api-version=2021-04-12", `{"deviceId":"d","moduleId":"m50"}`)
	if name, _ := r.fault(t); r.status != 413 || name != "TooManyModulesOnDevice" {
		t.Errorf("module 51: status %d: %s", r.status, r.body)
	}
	if got := traced(t, c); got != n {
		t.Errorf("a refused module left traces: %+v, want %+v", got, n)
	}
	if err := c.Delete(t.Context(), module("d", "m0"), client.Any()); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "a module in place of another", createModule("m50"), "")
	wantCode(t, "one more", createModule("m51"), tvilling.TooManyModules)
	list, err := c.Modules(t.Context(), "d")
	if err != nil || len(list) != 51 {
		t.Errorf("%d modules are listed (%v), want 50 and the security module", len(list), err)
	}
}

func TestLimitsOfQueries(t *testing.T) {
	t.Parallel()
	_, c, _ := start(t)
	query := func(length int) error {
		const q = "SELECT * FROM devices WHERE deviceId = 'd'"
		_, err := c.QueryPage(t.Context(), q+strings.Repeat(" ", length-len(q)), 0, "")
		return err
	}
	wantCode(t, "a query of 8192 characters", query(8192), "")
	wantCode(t, "a query of 8193 characters", query(8193), tvilling.InvalidArgument)
	for name, q := range map[string]string{
		"a thousand parentheses": "SELECT * FROM devices WHERE " + strings.Repeat("(", 1000) + "a = 1" + strings.Repeat(")", 1000),
		"a thousand times NOT":   "SELECT * FROM devices WHERE " + strings.Repeat("NOT ", 1000) + "a = 1",
	} {
		_, err := c.QueryPage(t.Context(), q, 0, "")
		wantCode(t, name, err, tvilling.InvalidArgument)
	}
	// A thousand of what does not nest is no trouble.
	_, err := c.QueryPage(t.Context(), "SELECT * FROM devices WHERE a = 1"+strings.Repeat(" OR a=1", 1000), 0, "")
	wantCode(t, "a thousand times OR", err, "")
}

func TestLimitsOfPolicies(t *testing.T) {
	t.Parallel()
	_, c, _ := start(t)
	list, err := c.Policies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, permission string) error {
		_, err := c.PutPolicy(t.Context(), client.Policy{Name: name, Permissions: []string{permission}})
		return err
	}
	for i := len(list); i < 16; i++ {
		if err := put("p"+itoa(i), "RegistryRead"); err != nil {
			t.Fatalf("policy %d: %v", i+1, err)
		}
	}
	n := traced(t, c)
	wantCode(t, "policy 17", put("p17", "RegistryRead"), tvilling.InvalidArgument)
	if got := traced(t, c); got != n {
		t.Errorf("a refused policy left traces: %+v, want %+v", got, n)
	}
}

// What a service sends may be longer than what it comes to.
func TestSizeIsThatOfTheResult(t *testing.T) {
	t.Parallel()
	_, c, _ := start(t)
	patchDesired(t, c, device("d"), filled(32768))
	// Emptying and filling in one patch is more text than a section takes.
	var b strings.Builder
	b.WriteByte('{')
	for i := range 8 {
		fmt.Fprintf(&b, `"%04d":null,"%04d":"%s",`, i, i+100, strings.Repeat("y", 4092))
	}
	text := strings.TrimSuffix(b.String(), ",") + "}"
	twin := patchDesired(t, c, device("d"), text)
	var desired map[string]json.RawMessage
	if err := json.Unmarshal(twin.Properties.Desired, &desired); err != nil {
		t.Fatal(err)
	}
	if len(desired["0100"]) == 0 || len(desired["0000"]) != 0 {
		t.Error("the patch was not applied whole")
	}
	if _, err := c.PatchTwin(t.Context(), device("d"), client.TwinPatch{Desired: json.RawMessage(`{"x":1}`)}, tvilling.Match{}); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("a byte more: %v", err)
	}
}
