package detection_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
)

// TestExamples runs the cases of testdata: each as it stands, with the
// detection made anew before each step, and before one step at a time.
func TestExamples(t *testing.T) {
	for _, path := range files(t) {
		id := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(id, func(t *testing.T) {
			list := read(t, path)
			var positives, misses int
			for _, x := range list {
				if x.positive {
					positives++
				} else {
					misses++
				}
				t.Run(x.name, func(t *testing.T) { check(t, id, &x) })
			}
			if positives < 10 || misses < 10 {
				t.Errorf("%d positives and %d near misses; want 10 of each", positives, misses)
			}
		})
	}
}

func check(t *testing.T, id string, x *example) {
	t.Helper()
	plain, s := x.run(id, len(x.steps))
	var found bool
	for n, st := range x.steps {
		var got []string
		for _, f := range plain[n] {
			found = true
			got = append(got, describe(f))
			if f.Hits < 1 || f.Time.IsZero() {
				t.Errorf("line %d: finding %+v has no hits or no time", st.line, f)
			}
			if f.Event != nil && f.Item >= len(f.Event.Items) {
				t.Errorf("line %d: item %d of an event that has %d", st.line, f.Item, len(f.Event.Items))
			}
		}
		if diff := cmp.Diff(st.want, got); diff != "" && !repeats(x.steps, n) {
			t.Errorf("line %d: findings (-want +got):\n%s", st.line, diff)
		}
	}
	if found != x.positive {
		t.Errorf("found something = %t, want %t", found, x.positive)
	}
	if s.largest > 512 {
		t.Errorf("%d bytes of memory; an ordinary case takes at most 512", s.largest)
	}
	for fresh := -1; fresh < len(x.steps); fresh++ {
		again, _ := x.run(id, fresh)
		if diff := cmp.Diff(texts(plain), texts(again)); diff != "" {
			t.Errorf("a restart before step %d changes findings:\n%s", fresh, diff)
		}
	}
}

// repeats reports whether a step comes of a line that stands for several and
// is not the last of them: what is wanted stands with the last.
func repeats(steps []step, n int) bool {
	return n+1 < len(steps) && steps[n+1].line == steps[n].line
}

func texts(found [][]detect.Finding) [][]string {
	var out [][]string
	for _, list := range found {
		var s []string
		for _, f := range list {
			s = append(s, describe(f))
		}
		out = append(out, s)
	}
	return out
}

// TestCatalogue holds that every detection says what an operator needs.
func TestCatalogue(t *testing.T) {
	var ids []string
	for _, d := range detection.All() {
		info := d.Info()
		ids = append(ids, info.ID)
		if info.ID == "" || !strings.HasPrefix(info.Type, "IoT_") || info.Title == "" || info.Description == "" || info.Version == "" ||
			len(info.Remediation) == 0 || info.Source != detect.Builtin {
			t.Errorf("%s lacks something: %+v", info.ID, info)
		}
		for _, p := range info.Parameters {
			if p.Name == "" || p.Description == "" || p.Unit == "" || p.Default < p.Min || p.Default > p.Max {
				t.Errorf("%s: parameter %+v", info.ID, p)
			}
		}
		if !slices.ContainsFunc(files(t), func(f string) bool { return filepath.Base(f) == info.ID+".txt" }) {
			t.Errorf("%s has no examples", info.ID)
		}
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("ids are not in order or not unique: %v", ids)
	}
}
