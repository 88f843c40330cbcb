package sigma

import (
	"cmp"
	"slices"
	"strings"
)

// nearest returns the names most like name, the likest first, at most most;
// none if nothing is like it.
func nearest(name string, names []string, most int) []string {
	type near struct {
		name     string
		distance int
	}
	var found []near
	want := strings.ToLower(name)
	if len(want) > 64 {
		return nil
	}
	for _, n := range names {
		have := strings.ToLower(n)
		d := distance(want, have)
		if len(want) >= 3 && (strings.Contains(have, want) || len(have) >= 3 && strings.Contains(want, have)) {
			d = min(d, 2)
		}
		if d <= max(2, len(want)/3) {
			found = append(found, near{n, d})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	var out []string
	for _, f := range found[:min(most, len(found))] {
		out = append(out, f.name)
	}
	return out
}

// distance is how many bytes have to be changed, added or removed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
