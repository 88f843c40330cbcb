package configuration_test

import (
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
)

// TestNotices: a configuration that feeds on itself, or shares a place with
// others, is told so, and no other.
func TestNotices(t *testing.T) {
	h := start(t, hubtest.New(t))
	low, high := devices("low", `{"properties.desired.fps":15,"properties.desired.deep":{"a":1}}`, "*"), devices("high", `{"properties.desired.fps":60}`, "*")
	low.Priority, high.Priority = 1, 20
	for _, c := range []configuration.Configuration{low, high} {
		if _, err := h.service.Put(t.Context(), c, tvilling.Match{}, "test"); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, content, target string
		priority              int
		want                  []string // "path other yields"
	}{
		{"alone", `{"properties.desired.x":1}`, "tags.a = 1", 10, nil},
		{"shared", `{"properties.desired.fps":30}`, "*", 10, []string{"properties.desired.fps high yields", "properties.desired.fps low wins"}},
		{"as high", `{"properties.desired.fps":30}`, "*", 20, []string{"properties.desired.fps high wins", "properties.desired.fps low wins"}},
		{"beside in an object", `{"properties.desired.deep":{"b":1}}`, "*", 10, nil},
		{"around", `{"properties.desired.deep":5}`, "*", 0, []string{"properties.desired.deep low yields"}},
		{"reads what it sets", `{"properties.desired.mode":"a"}`, "properties.desired.mode != 'a'", 10, []string{"properties.desired.mode"}},
		{"reads around it", `{"properties.desired.m.a":1}`, "is_defined(properties.desired.m)", 10, []string{"properties.desired.m.a"}},
		{"reads reported", `{"properties.desired.mode":"a"}`, "properties.reported.mode != 'a'", 10, nil},
		{"reads its mark", `{"properties.desired.x":1}`, "configurations.[[new]].status = 'Applied'", 10, []string{"configurations.[[new]]"}},
		{"broken", `{"properties.desired.x":1}`, "tags.a =", 10, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := devices("new", tt.content, tt.target)
			c.Priority = tt.priority
			var got []string
			for _, n := range h.service.Notices(c) {
				word := n.Path
				if n.Configuration != "" {
					word += " " + n.Configuration + map[bool]string{true: " yields", false: " wins"}[n.Yields]
				}
				if n.Message == "" {
					t.Errorf("%s: no message", word)
				}
				got = append(got, word)
			}
			if strings.Join(got, "; ") != strings.Join(tt.want, "; ") {
				t.Errorf("notices = %q, want %q", got, tt.want)
			}
		})
	}
}
