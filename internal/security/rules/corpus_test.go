package rules_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/security/rules"
	"github.com/tvilling/tvilling/internal/security/rules/corpus"
)

// What a detection must reach on its examples.
const (
	minPrecision = 0.98
	minRecall    = 0.95
	// minExamples is how many positives, and how many near misses, were seen
	// when a rule was written.
	minExamples = 12
)

// score counts what a detection found of its examples.
type score struct {
	Positives int `json:"positives"`
	Found     int `json:"found"`
	Near      int `json:"nearMisses"`
	False     int `json:"false"`
}

func (s *score) add(o score) {
	s.Positives += o.Positives
	s.Found += o.Found
	s.Near += o.Near
	s.False += o.False
}

func (s *score) precision() float64 {
	if s.Found+s.False == 0 {
		return 1
	}
	return float64(s.Found) / float64(s.Found+s.False)
}

func (s *score) recall() float64 {
	if s.Positives == 0 {
		return 1
	}
	return float64(s.Found) / float64(s.Positives)
}

// measured is what is published of a detection.
type measured struct {
	Detection string `json:"detection"`
	Seen      score  `json:"seen"`
	HeldOut   score  `json:"heldOut"`
	// HeldOut2 are those of the second set, for the rules that were changed
	// after the first had been run.
	HeldOut2 score `json:"heldOut2,omitzero"`
	// Precision and Recall are those over all examples.
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
}

// judge counts what was found in an example.
func judge(t *testing.T, c corpus.Case, s *score, names []string, crossed map[string]int) {
	t.Helper()
	hit := slices.Contains(names, c.Detection)
	switch {
	case c.Positive && hit:
		s.Positives, s.Found = s.Positives+1, s.Found+1
	case c.Positive:
		s.Positives++
		t.Logf("%s: %s misses: %s\n\t%s", c.Place, c.Detection, c.Title, c.Payload)
	case hit:
		s.Near, s.False = s.Near+1, s.False+1
		t.Logf("%s: %s finds a near miss: %s\n\t%s", c.Place, c.Detection, c.Title, c.Payload)
	default:
		s.Near++
	}
	for _, n := range names {
		if n != c.Detection {
			sign := map[bool]string{true: "+", false: "-"}[c.Positive]
			crossed[fmt.Sprintf("%s %s %s: %s", n, sign, c.Place, c.Title)]++
		}
	}
}

// TestCorpus measures every rule with its examples: those that were seen when
// it was written (testdata) and those that somebody else wrote without it being
// changed for them (testdata/heldout). With -v it prints the table that is
// published, and a line of JSON per detection.
func TestCorpus(t *testing.T) {
	results := map[string]*measured{}
	files, err := fs.Glob(rules.FS, "*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f, ".yml")
		results[name] = &measured{Detection: name}
	}
	e, crossed := engine(t), map[string]int{}
	run := func(folder string, pick func(*measured) *score) {
		cases, err := corpus.Read(os.DirFS("testdata"), folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			r := results[c.Detection]
			if r == nil {
				t.Fatalf("%s: there is no rule %s", c.Place, c.Detection)
			}
			judge(t, c, pick(r), found(t, e, c.Item), crossed)
		}
	}
	run(".", func(m *measured) *score { return &m.Seen })
	run("heldout", func(m *measured) *score { return &m.HeldOut })
	run("heldout2", func(m *measured) *score { return &m.HeldOut2 })
	t.Logf("%-26s %14s %14s %9s %9s", "detection", "seen", "held out", "precision", "recall")
	for _, name := range slices.Sorted(maps.Keys(results)) {
		check(t, results[name])
	}
	for _, c := range slices.Sorted(maps.Keys(crossed)) {
		t.Logf("found by another detection, too: %s (%d)", c, crossed[c])
	}
}

// check prints what was measured of a detection and fails if it is not enough.
func check(t *testing.T, m *measured) {
	t.Helper()
	all := m.Seen
	all.add(m.HeldOut)
	all.add(m.HeldOut2)
	m.Precision, m.Recall = all.precision(), all.recall()
	t.Logf("%-26s %2d/%2d %2d of %2d %2d/%2d %2d of %2d %9.3f %9.3f", m.Detection,
		m.Seen.Found, m.Seen.Positives, m.Seen.False, m.Seen.Near, m.HeldOut.Found, m.HeldOut.Positives, m.HeldOut.False, m.HeldOut.Near,
		m.Precision, m.Recall)
	line, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("corpus %s", line)
	if m.Seen.Positives < minExamples || m.Seen.Near < minExamples {
		t.Errorf("%s has %d positives and %d near misses; each detection needs %d of both", m.Detection, m.Seen.Positives, m.Seen.Near, minExamples)
	}
	for part, s := range map[string]score{"seen": m.Seen, "all": all} {
		if p, r := s.precision(), s.recall(); p < minPrecision || r < minRecall {
			t.Errorf("%s, %s examples: precision %.3f, recall %.3f; at least %.2f and %.2f are wanted", m.Detection, part, p, r, minPrecision, minRecall)
		}
	}
}
