//go:build browser

package browser_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/tvilling/tvilling/internal/client"
)

var screens = flag.String("screens", "", "the folder that pictures for the README are written into")

// maxScreen is how large a picture of the README may be.
const maxScreen = 200 << 10

// TestScreens makes the pictures of the README, from a small fleet.
func TestScreens(t *testing.T) {
	h := start(t, nil)
	h.fleet()
	list, _, err := h.Hub.Client().AlertPage(t.Context(), client.AlertFilter{Device: "pump-0413"}, client.Paging{})
	if err != nil || len(list) == 0 {
		t.Fatalf("%d alerts of pump-0413, %v", len(list), err)
	}
	for _, s := range []struct {
		name, path string
		options    []option
	}{
		{"overview", "/overview", nil},
		{"devices", "/devices", nil},
		{"device", "/devices/pump-0413", nil},
		{"alert", "/alerts/" + list[0].ID, []option{dark}},
	} {
		p := h.open(t, "/console"+s.path, s.options...)
		if status := p.documentStatus(); status != 200 {
			t.Errorf("%s is answered with %d", s.path, status)
		}
		p.waitText("#live", "Live")
		picture := packed(t, p.view())
		if len(picture) > maxScreen {
			t.Errorf("the picture of %s has %d bytes, more than %d", s.name, len(picture), maxScreen)
		}
		if *screens == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(*screens, s.name+".png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
