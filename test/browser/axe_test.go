//go:build browser

package browser_test

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/chromedp/chromedp"
)

// axeSource is the checker of accessibility, as npm installed it.
var axeSource = sync.OnceValues(func() ([]byte, error) {
	return os.ReadFile("../../internal/console/assets/node_modules/axe-core/axe.min.js")
})

// finding is one rule that axe found broken.
type finding struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// axe fails the test if the page, as it is now, breaks a rule of WCAG 2.2 AA or
// one of axe's best practices.
func (p *page) axe() {
	p.t.Helper()
	source, err := axeSource()
	if err != nil {
		p.t.Fatalf("%v: run make browser, which has npm install it", err)
	}
	// The source is run by the debugger, which no policy of the page binds.
	within(p, "load axe", chromedp.Evaluate[chromedp.Void](string(source)+";undefined"))
	found := within(p, "run axe", chromedp.Evaluate[[]finding](
		`axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) => r.violations)`,
		chromedp.EvalAwaitPromise))
	for _, f := range found {
		var where []string
		for _, n := range f.Nodes[:min(len(f.Nodes), 4)] {
			where = append(where, fmt.Sprintf("%.200s\n\t\t%s", n.HTML, strings.ReplaceAll(n.Summary, "\n", " ")))
		}
		p.t.Errorf("axe at %s: %s: %s, %d times:\n\t%s", p.at(), f.ID, f.Help, len(f.Nodes), strings.Join(where, "\n\t"))
	}
}
