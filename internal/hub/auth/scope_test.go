package auth_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/hub/auth"
)

// TestScope asks with a token of a policy, whose scope is all that can differ.
func TestScope(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scope, resource string // the scope as it is before Sign encodes it
		want            bool
	}{
		{"hub.example", "/", true},
		{"hub.example", "/devices/d", true},
		{"hub.example/", "/devices/d", true},
		{"HUB.example:443", "/devices/d", true},
		{"other.example", "/devices/d", true}, // the host is a client's idea
		{"[::1]:8443", "/devices/d", true},
		{"https://hub.example/devices", "/devices/d", true},
		{"amqps://hub.example:5671/devices/d", "/devices/d", true},
		{"hub.example/devices", "/devices", true},
		{"hub.example/devices", "/devices/", true},
		{"hub.example/devices/d", "/devices/d", true},
		{"hub.example/devices/d/", "/devices/d", true},
		{"hub.example/Devices/d/Modules/m", "/devices/d/modules/m", true},
		{"hub.example/devices/d", "/devices/d/modules/m", true},
		{"hub.example/devices/d", "/devices/d/messages/events", true},
		{"hub.example/devices/a%3Ab", "/devices/a:b", true},   // C#
		{"hub.example/devices/a%253Ab", "/devices/a:b", true}, // and once more
		{"hub.example/devices/a+b", "/devices/a+b", true},     // a plus is a plus

		{"hub.example/devices/d", "/devices", false},
		{"hub.example/devices/d", "/", false},
		{"hub.example/devices/d", "/devices/dd", false},
		{"hub.example/devices/dd", "/devices/d", false},
		{"hub.example/devices/d", "/devices/D", false},
		{"hub.example/devices/d", "/twins/d", false},
		{"hub.example/twins/d", "/devices/d", false},
		{"hub.example/devices/d/modules/m", "/devices/d", false},
		{"hub.example/devices/d/modules/m", "/devices/d/modules/mm", false},
		{"hub.example/devices/d/modules/m", "/devices/d/modules/M", false},
		{"hub.example/device", "/devices/d", false},
		{"devices/d", "/devices/d", false},
		{"hub.example/devices/a+b", "/devices/a b", false},
		{"hub.example/devices/a%25253Ab", "/devices/a:b", false}, // too often
		{"hub.example/devices/d?x", "/devices/d", false},
		{"hub.example/devices/..", "/devices/d", false},
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		key := h.policyKeys("iothubowner").Primary
		for _, test := range tests {
			_, err := h.Request(t.Context(), test.resource, h.sign(test.scope, key, "iothubowner"))
			switch {
			case test.want && err != nil:
				t.Errorf("%s for %s: %v", test.scope, test.resource, err)
			case !test.want && err == nil:
				t.Errorf("%s for %s was taken", test.scope, test.resource)
			case !test.want:
				wantRefused(t, err, auth.ForeignScope)
			}
		}
	})
}

// TestScopeLiteralReadingWins checks that a token narrowed to one device does
// not open another whose id comes out when the scope is decoded once more.
func TestScopeLiteralReadingWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		key := h.policyKeys("device").Primary
		h.add("a:b")
		h.add("a:b/m:1")
		connect := func(id, scope string) error {
			_, err := h.Connect(t.Context(), identity(id), h.sign(scope, key, "device"))
			return err
		}
		const device, module = "hub.example/devices/a%3Ab", "hub.example/devices/a:b/modules/m%3A1"
		if err := connect("a:b", device); err != nil {
			t.Errorf("alone, the encoded id is the device's: %v", err)
		}
		if err := connect("a:b/m:1", module); err != nil {
			t.Errorf("alone, the encoded id is the module's: %v", err)
		}
		h.add("a%3Ab")
		h.add("a:b/m%3A1")
		wantRefused(t, connect("a:b", device), auth.ForeignScope)
		wantRefused(t, connect("a:b/m:1", module), auth.ForeignScope)
		if err := connect("a%3Ab", device); err != nil {
			t.Errorf("the token's own device: %v", err)
		}
	})
}

// TestScopeEncodedTwiceAsAWhole makes sure that such a scope is not mistaken
// for a host name, which would cover everything.
func TestScopeEncodedTwiceAsAWhole(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	key := h.policyKeys("iothubowner").Primary
	c := h.signUntil("hub.example%2Fdevices%2Fd", key, "iothubowner", time.Now().Add(time.Hour))
	_, err := h.Request(t.Context(), "/twins/other", c)
	wantRefused(t, err, auth.MalformedToken)
}
