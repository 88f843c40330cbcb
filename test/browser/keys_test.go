//go:build browser

package browser_test

import (
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/tvilling/tvilling/internal/console/gallery"
)

// cursor is the id of the row that the cursor is on.
const cursor = `(document.querySelector(".cursor")?.id ?? "")`

func (p *page) cursorAt(want string) {
	p.t.Helper()
	p.until("the cursor on "+want, cursor+` === `+quote(want))
}

func TestKeysWalkRows(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List)
	p.press("j")
	p.cursorAt("row-a")
	p.press("jj")
	p.cursorAt("row-c")
	p.press("k")
	p.cursorAt("row-b")
	p.press("kkkk")
	p.cursorAt("row-a")
	if got := eval[string](p, "document.activeElement.textContent"); got != "a" {
		t.Errorf("focus is on %q, want the link of row a", got)
	}
	p.press("jx") // b
	p.press("jjX")
	if got := eval[[]string](p, `[...document.querySelectorAll("[data-rows] input:checked")].map((e) => e.value)`); len(got) != 3 || got[0] != "b" || got[2] != "d" {
		t.Errorf("x and shift-x select %v, want b to d", got)
	}
	p.waitText("[data-bulk-count]", "3")
	p.press(".")
	p.until("the row's actions", `document.activeElement.textContent === "More of d"`)
	p.press(kb.Escape)
	p.until("closed actions", `!document.querySelector("details[data-actions][open]")`)
	p.press("j")
	p.cursorAt("row-e")
	p.leave(func() { p.press("o") })
	if got := p.at(); got != gallery.List+"?page=e" {
		t.Errorf("o opens %s", got)
	}
	p.leave(func() { p.press("[") })
	if got := p.at(); got != gallery.List {
		t.Errorf("[ opens %s", got)
	}
	p.leave(func() { p.press("]") })
	if got := p.at(); got != gallery.List+"?page=2" {
		t.Errorf("] opens %s", got)
	}
	p.press("jj")
	p.cursorAt("row-b")
	p.leave(func() { p.press(kb.Enter) })
	if got := p.at(); got != gallery.List+"?page=b" {
		t.Errorf("Enter opens %s", got)
	}
	p.clean()
}

func TestKeysOfPages(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List)
	p.press("/")
	p.until("focus on the jump field", `document.activeElement.id === "jump"`)
	p.press("jg")
	if got := eval[string](p, `document.activeElement.value`); got != "jg" {
		t.Errorf("typed %q into the jump field, want jg", got)
	}
	p.press(kb.Escape)
	p.press("f")
	p.until("focus on the query", `document.activeElement.matches("[data-query]")`)
	p.press(kb.Escape)
	p.press("n")
	p.until("the dialog", `document.querySelector("#new").open && document.activeElement.id === "name"`)
	p.press("?j")
	if got := eval[string](p, `document.activeElement.value`); got != "?j" {
		t.Errorf("typed %q in the dialog, want ?j", got)
	}
	p.click("#new [data-close]")
	p.gone("#new")
	p.press("?")
	p.wait("#keys-help[open]")
	p.waitText("#keys-help", "dismiss with a reason")
	p.axe()
	p.press("j")
	if got := eval[string](p, cursor); got != "" {
		t.Errorf("a key moves the cursor below the dialog, to %s", got)
	}
	p.press(kb.Escape)
	p.gone("#keys-help")
	p.leave(func() { p.press("gd") })
	if got := p.at(); got != "/console/devices" {
		t.Errorf("g d opens %s", got)
	}
	p.goTo("/console/keys")
	p.waitText("main", "dismiss with a reason")
	p.axe()
	p.clean()
}

func TestKeysTurnedOff(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List)
	p.cookie("tvilling-keys", "off")
	p.goTo(gallery.List)
	p.press("j")
	p.press("?")
	p.press("/")
	if got := eval[string](p, cursor+` + document.activeElement.id + (document.querySelector("#keys-help") ? "help" : "")`); got != "" {
		t.Errorf("with keys turned off, they still do %q", got)
	}
	p.clean()
}
