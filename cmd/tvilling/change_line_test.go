package main

import (
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/client"
)

// TestPrintChange: a change is one line, with its cause if it has one.
func TestPrintChange(t *testing.T) {
	t.Parallel()
	for cause, want := range map[string]string{
		"":                      "policy:p  {}\n",
		"restore of\nversion 7": "policy:p  (" + oneLine("restore of\nversion 7") + ")  {}\n",
	} {
		var out strings.Builder
		printChange(&out, &client.Change{Op: "updateTwin", Actor: "policy:p", Cause: cause, Body: []byte("{}")})
		if got := out.String(); !strings.HasSuffix(got, want) || strings.Count(got, "\n") != 1 {
			t.Errorf("cause %q: %q", cause, got)
		}
	}
}
