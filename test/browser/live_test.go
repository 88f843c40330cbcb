//go:build browser

package browser_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/console/gallery"
)

// TestPatchLeavesTheReaderAlone changes rows below what a reader does.
func TestPatchLeavesTheReaderAlone(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List)
	p.waitText("#live", "Live")
	p.fill("#row-c input[type=text]", "half a sen")
	p.click("#row-d input[type=checkbox]")
	p.click("#row-e summary")
	eval[bool](p, `(() => { document.querySelector("#row-c input[type=text]").focus(); document.querySelector("#end").style.marginTop = "3000px"; scrollTo(0, 200); window.rowC = document.querySelector("#row-c"); return true })()`)
	e.change(func() {
		e.rows = append([]gallery.Row{{ID: "new", Text: "<b>a new one</b>"}}, e.rows[1:]...) // a goes
		e.rows[2].Text = "second of c"
	})
	p.waitText("#row-c", "second of c")
	p.waitText("#row-new", "<b>a new one</b>")
	if n := p.count("#row-a"); n != 0 {
		t.Error("row a is still there")
	}
	for what, expression := range map[string]string{
		"the row is the same element":         `window.rowC === document.querySelector("#row-c")`,
		"focus stays":                         `document.activeElement === document.querySelector("#row-c input[type=text]")`,
		"what was typed stays":                `document.activeElement.value === "half a sen"`,
		"what was ticked stays":               `document.querySelector("#row-d input").checked && document.querySelectorAll("[data-rows] input:checked").length === 1`,
		"what was opened stays":               `document.querySelector("#row-e details").open`,
		"the page is not scrolled":            `Math.abs(scrollY - 200) < 40`,
		"the new row is first":                `document.querySelector("#rows").firstElementChild.id === "row-new"`,
		"the changed cell is marked":          `document.querySelector("#row-c td.is-new") !== null`,
		"cells that are as they were are not": `document.querySelector("#row-b td.is-new") === null`,
	} {
		if !eval[bool](p, expression) {
			t.Errorf("not so: %s", what)
		}
	}
	// The cursor goes on from where its row was.
	p.goTo(gallery.List)
	p.waitText("#live", "Live")
	p.press("jjj")
	p.cursorAt("row-c")
	e.change(func() { e.rows = append(e.rows[:2:2], e.rows[3:]...) })
	p.cursorAt("row-d")
	p.clean()
}

// TestRestartIsSurvived stops what serves a page, and starts it again.
func TestRestartIsSurvived(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List)
	p.waitText("#live", "Live")
	p.fill("#guarded", "typed before")
	e.close()
	p.waitText("#live", "Connection lost")
	p.waitText("#live [data-age]", "s old")
	e.rows[0].Text = "changed meanwhile"
	e.begin()
	p.until("Live again", `document.querySelector("#live").dataset.state === "live"`)
	p.waitText("#row-a", "changed meanwhile")
	if got := eval[string](p, `document.querySelector("#guarded").value + document.querySelector("[data-age]").textContent`); got != "typed before" {
		t.Errorf("after the restart, the field and the age are %q", got)
	}
	p.clean()
}

// TestEndedSessionIsSaid ends the session of an open page.
func TestEndedSessionIsSaid(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List+"?page=2")
	p.waitText("#live", "Live")
	e.change(func() { e.ended = true })
	e.close()
	e.begin()
	p.waitText("#live", "Signed out")
	if got, want := eval[string](p, `document.querySelector("#live a").getAttribute("href")`), "/console/sign-in?to=%2Fconsole%2F-%2Flist%3Fpage%3D2"; got != want {
		t.Errorf("the way to sign in is %s, want %s", got, want)
	}
	p.clean()
}

// TestHiddenPageRests hides a page, which asks for nothing then.
func TestHiddenPageRests(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List)
	p.waitText("#live", "Live")
	hide := func(hidden string) {
		eval[bool](p, `(() => { Object.defineProperty(document, "hidden", {value: `+hidden+`, configurable: true}); document.dispatchEvent(new Event("visibilitychange")); return true })()`)
	}
	hide("true")
	p.waitText("#live", "Paused")
	e.change(func() { e.rows[0].Text = "while nobody looked" })
	hide("false")
	p.waitText("#row-a", "while nobody looked")
	p.waitText("#live", "Live")
	p.clean()
}

// TestJumpOffersDevices types the beginning of an id.
func TestJumpOffersDevices(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List)
	p.press("/")
	p.press("pump")
	p.until("offers", `[...document.querySelectorAll("#jump-list option")].map((o) => o.value).join() === "pump-1,pump-2"`)
	p.clean()
}
