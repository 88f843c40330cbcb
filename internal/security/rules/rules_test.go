package rules_test

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/indicator"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/rules"
	"github.com/tvilling/tvilling/internal/security/sigma"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// lists returns the lists that come with the hub, by name.
func lists(tb testing.TB) func(name string) (sigma.List, bool) {
	tb.Helper()
	files, err := fs.ReadDir(rules.Lists(), ".")
	if err != nil {
		tb.Fatal(err)
	}
	sets := map[string]*indicator.Set{}
	for _, f := range files {
		r, err := rules.Lists().Open(f.Name())
		if err != nil {
			tb.Fatal(err)
		}
		set, report, err := indicator.Read(r)
		if err != nil || report.Bad > 0 || set.Len() == 0 {
			tb.Fatalf("%s: %+v, %v", f.Name(), report, err)
		}
		if err := r.Close(); err != nil {
			tb.Fatal(err)
		}
		name, _, _ := strings.Cut(f.Name(), ".")
		sets[name] = set
	}
	return func(name string) (sigma.List, bool) {
		set, ok := sets[name]
		return set, ok
	}
}

// engine returns an engine with the hub's own rules, and the detections in Go
// if they are wanted.
func engine(tb testing.TB, stateful ...detect.Stateful) *detect.Engine {
	tb.Helper()
	e, err := detect.New(tb.Context(), detect.Options{
		Decode: rulefile.Parse, Builtin: rules.FS, Stateful: stateful, List: lists(tb), Ledger: ledger.NewLedger(securitymem.New()),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// found returns the detections that find something in an item.
func found(tb testing.TB, e *detect.Engine, item event.Item) []string {
	tb.Helper()
	var names []string
	m := &event.Message{Hub: item.Kind() == event.HubAuthenticationKind, Events: []event.Event{{ID: "e", Kind: item.Kind(), Items: []event.Item{item}}}}
	_, err := e.Observe(&ledger.Device{ID: "d"}, m, nil, m.Received, func(f detect.Found) error {
		names = append(names, f.ID)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return names
}

// TestRules reads every rule and checks that it says what a user needs.
func TestRules(t *testing.T) {
	files, err := fs.Glob(rules.FS, "*.yml")
	if err != nil || len(files) < 16 {
		t.Fatalf("%d rules, %v", len(files), err)
	}
	ids := map[string]string{}
	for _, name := range files {
		text, err := fs.ReadFile(rules.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		nodes, err := rulefile.Parse(text)
		if err != nil || len(nodes) != 1 {
			t.Fatalf("%s: %d documents, %v", name, len(nodes), err)
		}
		r, err := sigma.Parse(nodes[0])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if other, twice := ids[r.ID]; twice || r.ID == "" {
			t.Errorf("%s: id %q is empty or that of %s", name, r.ID, other)
		}
		ids[r.ID] = name
		if r.Title == "" || len(r.Description) < 60 || r.Date == "" || r.Level == "" || r.Status != "stable" || r.Author == "" ||
			len(r.References) == 0 || len(r.FalsePositives) == 0 {
			t.Errorf("%s: something of title, description, date, level, status, author, references, falsepositives is missing", name)
		}
		if typ := r.Custom.Get("type"); typ == nil || !strings.HasPrefix(typ.Text, "IoT_") {
			t.Errorf("%s: no type", name)
		}
		if len(r.Custom.Get("remediation").List) == 0 {
			t.Errorf("%s: no remediation", name)
		}
		technique := false
		for _, tag := range r.Tags {
			technique = technique || strings.HasPrefix(tag, "attack.t")
		}
		if !technique {
			t.Errorf("%s: no ATT&CK technique", name)
		}
	}
	if got, want := len(engine(t, detection.All()...).List()), len(files)+len(detection.All()); got != want {
		t.Errorf("the engine has %d detections, want %d", got, want)
	}
}

// TestLists checks that the lists hold nothing of the real world.
func TestLists(t *testing.T) {
	files, err := fs.Glob(rules.Lists(), "*.txt")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(rules.Lists(), name)
		if err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(string(text)) {
			l = strings.TrimSpace(l)
			reserved := strings.HasPrefix(l, "192.0.2.") || strings.HasPrefix(l, "198.51.100.") || strings.HasPrefix(l, "203.0.113.") || strings.HasPrefix(l, "2001:db8:") ||
				strings.HasSuffix(l, ".test") || strings.HasSuffix(l, ".example")
			if !strings.HasPrefix(l, "#") && !reserved && path.Base(name) != "malicious-hashes.simulated.txt" {
				t.Errorf("%s: %q is not reserved for documentation", name, l)
			}
		}
	}
	list := lists(t)
	for name, value := range map[string]string{"malicious-addresses": "2001:db8:bad::1", "malicious-domains": "cdn.malware.test"} {
		if l, ok := list(name); !ok || !l.Contains(value) {
			t.Errorf("%s lacks %s", name, value)
		}
	}
}
