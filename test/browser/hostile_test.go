//go:build browser

package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/console/gallery"
)

// TestHostileTextsAreInert shows texts that try to be more, and copies them.
func TestHostileTextsAreInert(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.Path)
	for i, sample := range gallery.Hostile() {
		cell := fmt.Sprintf("#hostile-%d", i)
		if n := p.count(cell + " :not(bdi, span)"); n != 0 {
			t.Errorf("%s: %d elements in it that are not ours", sample.What, n)
		}
		copied := eval[string](p, `(() => { const s = getSelection(); s.selectAllChildren(document.querySelector("`+cell+` bdi")); return s.toString() })()`)
		switch sample.What {
		case "Not UTF-8", "32 KB": // have no whole original in the page
			continue
		}
		// A page cannot hold the character of code zero.
		if want := strings.ReplaceAll(sample.Text, "\x00", "\ufffd"); copied != want {
			t.Errorf("%s: copied %q, want %q", sample.What, copied, want)
		}
	}
	// Nothing of it stands outside of its cell, or over another line.
	if out := eval[[]string](p, `[...document.querySelectorAll("#hostile bdi")].filter((b) => { const i = b.getBoundingClientRect(), o = b.closest("td").getBoundingClientRect(); return i.left < o.left || i.right > o.right + 1 || i.top < o.top || i.bottom > o.bottom + 1 }).map((b) => b.closest("tr").innerText)`); len(out) > 0 {
		t.Errorf("outside of their cells: %q", out)
	}
	p.clean()
}

// TestHostileRowsArriveInert has a stream bring such texts.
func TestHostileRowsArriveInert(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List)
	p.waitText("#live", "Live")
	e.change(func() {
		for i, sample := range gallery.Hostile() {
			e.rows = append(e.rows, gallery.Row{ID: fmt.Sprint(i), Text: sample.Text})
		}
	})
	p.waitText("#row-0", "<script>alert(2)</script>")
	p.waitText("#row-13", "AAAA")
	if n := p.count("#rows img, #rows script"); n != 0 {
		t.Errorf("%d elements came out of texts", n)
	}
	p.clean()
}
