// Package docs_test holds documents against the code that they describe.
package docs_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/indicator"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/rules"
	"github.com/tvilling/tvilling/internal/security/rules/corpus"
	"github.com/tvilling/tvilling/internal/security/sigma"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

var update = flag.Bool("update", false, "write what is generated into the documents instead of comparing it")

const (
	document      = "../../docs/detections.md"
	ruleExamples  = "../../internal/security/rules/testdata"
	stateExamples = "../../internal/security/detection/testdata"
	unseenFolders = "heldout*"
)

// TestDetections holds the catalogue in docs/detections.md against the
// detections that the hub has, and against what their examples measure.
// "go test ./test/docs -update" writes it anew.
func TestDetections(t *testing.T) {
	e := newEngine(t)
	measured := measure(t, e)
	list := e.List()
	if len(list) < 20 {
		t.Fatalf("%d detections: this test looks at nothing", len(list))
	}
	var table, sections bytes.Buffer
	fmt.Fprintln(&table, "| detection | alert | severity | events | ATT&CK | found seen, unseen | false seen, unseen | precision | recall |")
	fmt.Fprintln(&table, "| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, v := range list {
		m := measured[v.ID]
		if m.seen.positives == 0 || m.seen.near == 0 {
			t.Errorf("%s has no examples", v.ID)
		}
		fmt.Fprintf(&table, "| [%s](#%s) | `%s` | %s | %s | %s | %s, %s | %s, %s | %.2f | %.2f |\n", v.ID, v.ID, v.Type, v.Severity,
			strings.Join(eventsOf(t, v.Info), ", "), or(strings.Join(v.Techniques, ", "), "–"), m.seen.recalled(), m.unseen.recalled(), m.seen.mistaken(), m.unseen.mistaken(), m.precision(), m.recall())
		section(t, &sections, v)
	}
	generated(t, document, "table", table.String())
	generated(t, document, "catalogue", sections.String())
}

// section writes what there is to know of one detection.
func section(t *testing.T, w *bytes.Buffer, v detect.View) {
	t.Helper()
	fmt.Fprintf(w, "### %s\n\n%s. %s\n\n", v.ID, v.Title, strings.Join(strings.Fields(v.Description), " "))
	fmt.Fprintln(w, "- Known false positives:", strings.Join(v.FalsePositives, " "))
	if fold := foldOf(t, v.Info); fold != "" {
		fmt.Fprintf(w, "- One alert for each %s of a device.\n", fold)
	}
	for _, p := range v.Parameters {
		fmt.Fprintf(w, "- Parameter `%s`, %d to %d, by default %s: %s\n", p.Name, p.Min, p.Max, amount(p), p.Description)
	}
	fmt.Fprintln(w)
}

// amount shows a parameter's default.
func amount(p detect.Parameter) string {
	if p.Unit == "seconds" {
		return fmt.Sprintf("%d seconds (%s)", p.Default, span(time.Duration(p.Default)*time.Second))
	}
	return fmt.Sprint(p.Default)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func span(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}

// generated compares a part of a document with what it should be, or writes it.
func generated(t *testing.T, path, part, want string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+part+": generated, see test/docs -->\n\n", "<!-- end of "+part+" -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, also := strings.Cut(rest, end)
	if !ok || !also {
		t.Fatalf("%s has no part %q", path, part)
	}
	want = strings.TrimRight(want, "\n") + "\n\n"
	if !*update {
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s is not what the code says; go test ./test/docs -update writes it anew (-want +got):\n%s", part, d)
		}
		return
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newEngine returns an engine with all that the hub has.
func newEngine(t *testing.T) *detect.Engine {
	t.Helper()
	lists := map[string]*indicator.Set{}
	files, err := fs.Glob(rules.Lists(), "*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := fs.ReadFile(rules.Lists(), name)
		if err != nil {
			t.Fatal(err)
		}
		set, _, err := indicator.Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ = strings.Cut(name, ".")
		lists[name] = set
	}
	e, err := detect.New(t.Context(), detect.Options{
		Decode: rulefile.Parse, Builtin: rules.FS, Stateful: detection.All(), Ledger: ledger.NewLedger(securitymem.New()),
		List: func(name string) (sigma.List, bool) {
			set, ok := lists[name]
			return set, ok
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// ruleOf reads the Sigma rule of a detection, nil if it is none.
func ruleOf(t *testing.T, i *detect.Info) *sigma.Rule {
	t.Helper()
	if i.Text == "" {
		return nil
	}
	nodes, err := rulefile.Parse([]byte(i.Text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := sigma.Parse(nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// eventsOf returns the names of the events that a detection looks at.
func eventsOf(t *testing.T, i *detect.Info) (names []string) {
	t.Helper()
	if r := ruleOf(t, i); r != nil {
		byCategory := map[string]event.Kind{
			"process_creation": event.ProcessCreateKind, "process_termination": event.ProcessTerminateKind,
			"network_connection": event.ConnectionCreateKind, "authentication": event.LoginKind,
		}
		return []string{or(byCategory[r.LogSource.Category].String(), r.LogSource.Service)}
	}
	for _, s := range detection.All() {
		if s.Info().ID != i.ID {
			continue
		}
		for _, k := range s.Kinds() {
			names = append(names, k.String())
		}
	}
	if len(names) == 0 {
		return []string{"(silence)"}
	}
	return names
}

// foldOf says what of a rule's events makes an alert of its own.
func foldOf(t *testing.T, i *detect.Info) string {
	t.Helper()
	r := ruleOf(t, i)
	if r == nil {
		return ""
	}
	fold := r.Custom.Get("fold")
	if fold == nil {
		return ""
	}
	var names []string
	for _, n := range fold.List {
		names = append(names, "`"+n.Text+"`")
	}
	return strings.Join(names, " and ")
}

// score counts what a detection found of its examples.
type score struct{ positives, found, near, wrong int }

func (s score) recalled() string { return part(s.found, s.positives) }

func (s score) mistaken() string { return part(s.wrong, s.near) }

func part(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%d/%d", n, of)
}

func (s *score) judge(positive, hit bool) {
	if positive {
		s.positives++
		if hit {
			s.found++
		}
		return
	}
	s.near++
	if hit {
		s.wrong++
	}
}

// result is the score on the examples that were seen when a detection was
// written, and on those that were not.
type result struct{ seen, unseen score }

func (r *result) of(unseen bool) *score {
	if unseen {
		return &r.unseen
	}
	return &r.seen
}

func (r *result) precision() float64 {
	found := r.seen.found + r.unseen.found
	return float64(found) / float64(max(1, found+r.seen.wrong+r.unseen.wrong))
}

func (r *result) recall() float64 {
	return float64(r.seen.found+r.unseen.found) / float64(max(1, r.seen.positives+r.unseen.positives))
}

// measure tries the examples of all detections.
func measure(t *testing.T, e *detect.Engine) map[string]*result {
	t.Helper()
	results := map[string]*result{}
	for _, v := range e.List() {
		results[v.ID] = &result{}
	}
	for _, folder := range folders(t) {
		cases, err := corpus.Read(os.DirFS(ruleExamples), folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			results[c.Detection].of(folder != ".").judge(c.Positive, finds(t, e, c))
		}
		stateful(t, folder, results)
	}
	return results
}

// folders returns the folders of examples, that of the seen ones first.
func folders(t *testing.T) []string {
	t.Helper()
	list := []string{"."}
	for _, root := range []string{ruleExamples, stateExamples} {
		unseen, err := filepath.Glob(filepath.Join(root, unseenFolders))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range unseen {
			if name := filepath.Base(path); !slices.Contains(list, name) {
				list = append(list, name)
			}
		}
	}
	return list
}

// finds reports whether the detection of an example finds it.
func finds(t *testing.T, e *detect.Engine, c corpus.Case) bool {
	t.Helper()
	m := &event.Message{
		Hub:    c.Kind == event.HubAuthenticationKind,
		Events: []event.Event{{ID: "e", Kind: c.Kind, Items: []event.Item{c.Item}}},
	}
	found := false
	_, err := e.Observe(&ledger.Device{ID: "d"}, m, nil, m.Received, func(f detect.Found) error {
		found = found || f.ID == c.Detection
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// stateful counts the examples of the detections that have a memory. The tests
// of package detection hold every single one of them to what it says, so that
// all positives are found and no near miss is, but for the held-out ones that
// have a line "misjudged".
func stateful(t *testing.T, folder string, results map[string]*result) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(stateExamples, folder, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := results[strings.TrimSuffix(filepath.Base(path), ".txt")].of(folder != ".")
		positive := false
		for line := range strings.Lines(string(b)) {
			switch {
			case strings.HasPrefix(line, "positive: "):
				positive = true
				s.judge(true, true)
			case strings.HasPrefix(line, "near miss: "):
				positive = false
				s.judge(false, false)
			case strings.HasPrefix(line, "misjudged: ") && positive:
				s.found--
			case strings.HasPrefix(line, "misjudged: "):
				s.wrong++
			}
		}
	}
}
