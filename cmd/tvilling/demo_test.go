package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
)

// TestDemoSuggestions: every command that the demo suggests is one that there
// is, and those about twins do what they say.
func TestDemoSuggestions(t *testing.T) {
	hub := apptest.Start(t, nil)
	mustRun(t, line{"set-up", "tvilling device create demo-00001", true}, hub.Data)
	var b bytes.Buffer
	printDemoHelp(&b, hub.Data, app.Endpoints{MQTT: "mqtts://127.0.0.1:18883"}, "")
	ran := 0
	for l := range strings.Lines(b.String()) {
		text, ok := strings.CutPrefix(strings.TrimSpace(l), "tv ")
		if !ok {
			continue
		}
		text, _, ok = strings.Cut("tvilling "+text, ` --data "$TVILLING"`)
		if !ok {
			t.Errorf("%q names no hub", l)
		}
		if err := accepts(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		for _, group := range []string{"tvilling twin", "tvilling query", "tvilling config"} {
			if strings.HasPrefix(text, group) && !endless(text) && !strings.Contains(text, "--follow") {
				mustRun(t, line{"the demo", text, true}, hub.Data)
				ran++
			}
		}
	}
	if ran < 7 {
		t.Errorf("%d commands run: this test looks at nothing", ran)
	}
}
