package alert_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// TestHeadline: the title says the value that decided.
func TestHeadline(t *testing.T) {
	t.Parallel()
	match := func(field, value string) ledger.Match {
		return ledger.Match{Selection: "s", Field: field, Value: value}
	}
	for want, a := range map[string]ledger.Alert{
		"Shell that connects out: 203.0.113.7:4444": {Title: "Shell that connects out", Key: ledger.Key{Cause: "x"}, Evidence: []ledger.Evidence{{Name: "ConnectionCreate", Matched: []ledger.Match{match("Image", "/bin/bash")}, Item: []byte(`{"RemoteAddress":"203.0.113.7","RemotePort":"4444","Direction":"Out"}`)}}},
		"Reverse shell: sh -i":                      {Title: "Reverse shell.", Evidence: []ledger.Evidence{{Matched: []ledger.Match{match("CommandLine", "long"), match("Script", "sh -i")}}}},
		"Failed login: 203.0.113.8":                 {Title: "Failed login", Key: ledger.Key{Cause: "address 203.0.113.8"}, Evidence: []ledger.Evidence{{Matched: []ledger.Match{{Field: "RemoteAddress", Value: "none"}}}}},
		"Expired token: 127.0.0.1":                  {Title: "Expired token", Key: ledger.Key{Cause: "127.0.0.1"}, Evidence: []ledger.Evidence{{Matched: []ledger.Match{match("Reason", "expired")}}}},
		"IoT_X":                                     {Key: ledger.Key{Type: "IoT_X", Cause: "0"}},
	} {
		if got := alert.HeadlineOf(&a).String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestSays: a text is found in what an alert says of itself, and nowhere else.
func TestSays(t *testing.T) {
	t.Parallel()
	a := ledger.Alert{
		Title: "Shell that connects out.", Note: "Ask \u00c5sa",
		Key:      ledger.Key{Device: "pump-1", Type: "IoT_ReverseShell", Cause: "address 203.0.113.7"},
		Owner:    "bert",
		Evidence: []ledger.Evidence{{Matched: []ledger.Match{{Selection: "s", Field: "Script", Value: "/dev/tcp/198.51.100.9"}}}},
	}
	for text, want := range map[string]bool{
		"": true, "shell THAT": true, "address 203": true, "/dev/tcp": true, "\u00e5sa": true,
		"out.": false, "pump-1": false, "IoT_": false, "bert": false, "shell  that": false,
	} {
		if got := alert.Says(&a, text); got != want {
			t.Errorf("says %q: %t", text, got)
		}
	}
}
