package recommend

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	// maxChecks bounds the checks that are named, the gravest first.
	maxChecks = 100
	// maxFound bounds what is told of each of them, in characters.
	maxFound = 300
)

// severities are those of checks (asc §4.2), the gravest first.
var severities = []string{"Critical", "Important", "Warning", "Informational"}

// failedCheck is a check of the OS baseline that did not pass. Its members are
// in the order in which people read them.
type failedCheck struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	// Result is "Fail", or "Err" if it could not be found out.
	Result string `json:"result"`
	Title  string `json:"title"`
	Found  string `json:"found,omitempty"`
}

// failedBaseline says what of a baseline failed: how many checks in all and of
// each severity, and how many of them could not be made.
type failedBaseline struct {
	Count         int           `json:"count"`
	Critical      int           `json:"critical"`
	Important     int           `json:"important"`
	Warning       int           `json:"warning"`
	Informational int           `json:"informational"`
	NotMade       int           `json:"notMade"`
	Checks        []failedCheck `json:"checks"`
}

// baseline judges the checks of the OS baseline (asc §8.1). A snapshot has
// those that did not pass; agents may send others along.
func (a *Assessor) baseline(tx *ledger.Tx, d *ledger.Device, m *event.Message, e *event.Event) error {
	mem := recall(d)
	if !fresh(&mem.baseline, e) {
		return nil
	}
	mem.keep(tx, d)
	var failed failedBaseline
	for _, it := range items(m, e) {
		c, ok := it.(*event.OSBaseline)
		if !ok {
			continue
		}
		check := failedCheck{c.CceID, c.Severity, c.Result, c.Description, shorten(c.Error, maxFound)}
		switch {
		case strings.EqualFold(c.Result, "Err"), strings.EqualFold(c.Result, "Error"):
			failed.NotMade++
		case !strings.EqualFold(c.Result, "Fail"):
			continue
		}
		switch gravity(c.Severity) {
		case 0:
			failed.Critical++
		case 1:
			failed.Important++
		case 2:
			failed.Warning++
		default:
			failed.Informational++
		}
		failed.Checks = append(failed.Checks, check)
	}
	slices.SortFunc(failed.Checks, func(a, b failedCheck) int {
		return cmp.Or(cmp.Compare(gravity(a.Severity), gravity(b.Severity)), cmp.Compare(a.ID, b.ID),
			cmp.Compare(a.Title, b.Title), cmp.Compare(a.Found, b.Found))
	})
	failed.Count = len(failed.Checks)
	failed.Checks = failed.Checks[:min(failed.Count, maxChecks)]
	return a.either(tx, d.ID, Baseline, failed.Count > 0, advice{details: failed})
}

// gravity returns the place of a severity, the gravest being 0.
func gravity(severity string) int {
	i := slices.IndexFunc(severities, func(s string) bool { return strings.EqualFold(s, severity) })
	if i < 0 {
		return len(severities) - 1
	}
	return i
}

// shorten returns at most n characters of s, and says if there were more.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
