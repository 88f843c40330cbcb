package investigate_test

import (
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

func TestPredicate(t *testing.T) {
	t.Parallel()
	port := &event.ListeningPorts{Protocol: "tcp", LocalPort: "443", Extra: event.Details{{Name: "Pid", Value: "77"}, {Name: "a.b", Value: "X y"}}}
	ranged := &event.ListeningPorts{Protocol: "udp", LocalPort: "8000-8010"}
	process := &event.ProcessCreate{Executable: "/bin/sh", CommandLine: `sh -c "echo Hello"`, ProcessID: 9}
	for _, tt := range []struct {
		where string
		item  event.Item
		want  bool
	}{
		{"LocalPort = 443", port, true},
		{"LocalPort=443", port, true},
		{"LocalPort = 0443", port, true}, // both are numbers
		{"LocalPort != 443", port, false},
		{"LocalPort<=1024", port, true},
		{"LocalPort < 443", port, false},
		{"LocalPort > 90", port, true}, // as text 443 is less than 90
		{"LocalPort >= 443", port, true},
		{"localport = 443", port, true},
		{"LocalPort < 9", ranged, true}, // a range is text
		{"LocalPort = 8000", ranged, false},
		{"Protocol = TCP", port, false},
		{"Protocol contains TC", port, true},
		{"Protocol startswith T", port, true},
		{"Protocol startswith c", port, false},
		{"Protocol CONTAINS tcp", port, true},
		{"ExtraDetails.Pid > 9", port, true},
		{"ExtraDetails.pid = 77", port, false}, // names of details are exact
		{"ExtraDetails.a.b = X y", port, true},
		{"ExtraDetails.None = \"\"", port, true},
		{"RemoteAddress = \"\"", port, true},
		{"RemoteAddress != 1.2.3.4", port, true},
		{"RemoteAddress < z", port, false}, // not sent
		{"RemoteAddress >= \"\"", port, false},
		{"Executable = /bin/sh", port, false},
		{"CommandLine contains echo hello", process, true},
		{`CommandLine contains "\"Echo "`, process, true},
		{`CommandLine="sh -c \"echo Hello\""`, process, true},
		{`Executable contains "\\"`, process, false},
		{"ProcessId = 9", process, true},
		{"ProcessId > -1", process, true},
		{"ProcessId > 10x", process, true}, // text: "9" is more than "10x"
		{"Executable contains \"\"", process, true},
	} {
		p, err := investigate.ParsePredicate(tt.where)
		if err != nil {
			t.Errorf("%s: %v", tt.where, err)
			continue
		}
		if got := p.Holds(tt.item); got != tt.want {
			t.Errorf("%s of %+v: got %t", tt.where, tt.item, got)
		}
	}
}

func TestPredicateRefused(t *testing.T) {
	t.Parallel()
	for where, want := range map[string]string{
		"":                    "is not of the form",
		"LocalPort":           "is not of the form",
		"= 3":                 "is not of the form",
		"Colour = red":        `no member "Colour"`,
		"ExtraDetails. = red": `no member "ExtraDetails."`,
		"LocalPort ~ 3":       `"~" is not an operator`,
		"LocalPort == 3":      "",
		"LocalPort containsx": "is not an operator",
		"LocalPort contains":  "has no value",
		"LocalPort =  ":       "has no value",
		`Protocol = "tcp`:     "no closing quote",
		`Protocol = "tcp" x`:  "goes on behind its closing quote",
		`Protocol = "\"`:      "no closing quote",
		strings.Repeat("LocalPort", 9) + " = " + strings.Repeat("9", 1024): "at most 1024 bytes",
	} {
		_, err := investigate.ParsePredicate(where)
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", where, err)
			}
			continue
		}
		if tvilling.CodeOf(err) != tvilling.InvalidArgument || !strings.Contains(tvilling.MessageOf(err), want) {
			t.Errorf("%q: got %v, want %q", where, err, want)
		}
	}
	if _, err := investigate.ParseWhere(make([]string, investigate.MaxPredicates+1)); !strings.Contains(tvilling.MessageOf(err), "at most 16 conditions") {
		t.Errorf("too many: %v", err)
	}
}

func TestWhere(t *testing.T) {
	t.Parallel()
	w, err := investigate.ParseWhere([]string{"LocalPort > 100", "LocalPort < 500"})
	if err != nil {
		t.Fatal(err)
	}
	for port, want := range map[string]bool{"99": false, "443": true, "501": false} {
		if got := w.Holds(&event.ListeningPorts{LocalPort: port}); got != want {
			t.Errorf("%s: got %t", port, got)
		}
	}
	if _, err := investigate.ParseWhere([]string{"LocalPort > 100", "?"}); err == nil {
		t.Error("a malformed condition among others is taken")
	}
}

// FuzzPredicate: whatever is written, it is refused with a reason or can be
// asked of any item; "=" and "!=" never agree.
func FuzzPredicate(f *testing.F) {
	for _, s := range []string{"LocalPort <= 1024", `CommandLine contains "a\"b"`, "ExtraDetails.X != ", "Executable startswith /", "=", "a=\"\\", "Protocol = \xff"} {
		f.Add(s, "tcp")
	}
	f.Fuzz(func(t *testing.T, where, value string) {
		p, err := investigate.ParsePredicate(where)
		if err != nil {
			if tvilling.CodeOf(err) != tvilling.InvalidArgument || tvilling.MessageOf(err) == "" {
				t.Errorf("%q: refused as %v", where, err)
			}
			return
		}
		items := []event.Item{
			&event.ListeningPorts{Protocol: value, LocalPort: value, Extra: event.Details{{Name: "X", Value: value}}},
			&event.ProcessCreate{Executable: value, CommandLine: value}, &event.OSBaseline{Result: value},
		}
		for _, it := range items {
			p.Holds(it)
		}
		name, rest, ok := strings.Cut(where, "=")
		if !ok || strings.ContainsAny(name, "!<> \t") || rest == "" || rest[0] == '=' {
			return
		}
		q, err := investigate.ParsePredicate(name + "!=" + rest)
		if err != nil {
			t.Fatalf("%q is taken with = and refused with !=: %v", where, err)
		}
		for _, it := range items {
			if p.Holds(it) == q.Holds(it) {
				t.Errorf("%q and its contrary agree about %+v", where, it)
			}
		}
	})
}
