package enroll_test

import (
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/enroll"
)

func TestIsHost(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"hub": true, "hub.example.com:8443": true, "192.0.2.1": true, "my_hub": true,
		"": false, "-k": false, "hub:0": false, "hub:x": false, "hub:65536": false, "::1": false, "a b": false, "a'b": false, ":443": false, strings.Repeat("a", 254): false,
	} {
		if got := enroll.IsHost(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
	if got := enroll.Word("d1/" + string(tvilling.SecurityModule)); got != "d1/azureiotsecurity" {
		t.Errorf("got %s", got)
	}
	if got := enroll.Word("a$b"); got != "'a$b'" {
		t.Errorf("got %s", got)
	}
}
