package detection_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// minHeldOut is how many cases of each kind stand in a held-out file.
const minHeldOut = 5

// TestHeldOut runs the cases of testdata/heldout. They were written from what a
// detection says of itself, by somebody who had not read its code, so only the
// verdict is compared: what is to be found is found at the line it stands
// below and not before, and a near miss is not found. A case stays as it was
// first written: if it is judged wrong and the detection is not to change, a
// line "misjudged" says why, and it counts as judged wrong here and in
// docs/detections.md. With -v it prints how many were judged right.
func TestHeldOut(t *testing.T) {
	list, err := filepath.Glob("testdata/heldout/*.txt")
	if err != nil || len(list) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, path := range list {
		id := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(id, func(t *testing.T) {
			var positives, found, misses, wrong int
			for _, x := range read(t, path) {
				why := misjudged(&x, id)
				if x.positive {
					positives++
				} else {
					misses++
				}
				switch {
				case why == "" && x.positive:
					found++
				case why != "" && !x.positive:
					wrong++
				}
				switch {
				case why != "" && x.misjudged == "":
					t.Errorf("%s: %s", x.name, why)
				case why == "" && x.misjudged != "":
					t.Errorf("%s: is judged right, against its line misjudged", x.name)
				}
			}
			t.Logf("%s: %d of %d found, %d of %d near misses found", id, found, positives, wrong, misses)
			if positives < minHeldOut || misses < minHeldOut {
				t.Errorf("%d positives and %d near misses; want %d of each", positives, misses, minHeldOut)
			}
		})
	}
}

// misjudged says what is wrong with the findings of a case, "" if nothing is.
func misjudged(x *example, id string) string {
	findings, _ := x.run(id, len(x.steps))
	var wanted, found []int // lines
	for n, st := range x.steps {
		if len(st.want) > 0 {
			wanted = append(wanted, st.line)
		}
		if len(findings[n]) > 0 {
			found = append(found, st.line)
		}
	}
	switch {
	case !x.positive && len(found) > 0:
		return "a near miss is found"
	case x.positive && len(found) == 0:
		return "is not found"
	case x.positive && found[0] != wanted[0]:
		return "is found at another line first"
	case slices.ContainsFunc(wanted, func(line int) bool { return !slices.Contains(found, line) }):
		return "is not found at every line where it should be"
	default:
		return ""
	}
}
