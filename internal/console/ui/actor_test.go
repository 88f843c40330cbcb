package ui_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/console/ui"
)

func TestActor(t *testing.T) {
	for actor, want := range map[string]string{
		"user:anna":                  "anna</bdi>",
		"policy:iothubowner":         "policy <bdi",
		"configuration:fw@5@63":      `href="/console/configurations/fw@5"`,
		`configuration:"><script>@1`: "%22%3E%3Cscript%3E",
		"device:d":                   "device</span></span>",
		"module:d/m":                 "module <bdi",
		"hub:companion":              "hub, <bdi",
		"":                           "not known",
		"strange:\u202e<b>":          `data-char="U+202E"`,
	} {
		got := string(ui.Actor(actor))
		if !strings.Contains(got, want) || strings.Contains(got, "<script") || strings.Contains(got, "<b>") {
			t.Errorf("%q: %s, want %s in it", actor, got, want)
		}
	}
}

func TestJSONMeansTheSame(t *testing.T) {
	for _, text := range []string{`{}`, `{"a":[1,{"b":null}],"c":1.50}`, "{\"a\u202e\":\"x\u200b\U000e0001y\u00e9\"}", `{"a":"\u202e\n<&>"}`, "\"\u2028\""} {
		got := ui.JSON([]byte(text))
		if strings.ContainsAny(got, "\u202e\u200b\U000e0001\u2028") {
			t.Errorf("%q is shown as %q", text, got)
		}
		var before, after any
		if err := json.Unmarshal([]byte(text), &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(got), &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("%q became %q: %v", text, got, err)
		}
	}
}
