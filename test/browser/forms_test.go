//go:build browser

package browser_test

import (
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tvilling/tvilling/internal/console/gallery"
)

func TestBulk(t *testing.T) {
	e := exhibit(t)
	for name, options := range map[string][]option{"script": nil, "no script": {noScript}} {
		t.Run(name, func(t *testing.T) {
			before := len(e.sent())
			p := e.open(t, gallery.List, options...)
			p.gone("[data-bulk]")
			p.click("#row-b input[type=checkbox]")
			p.wait("[data-bulk]")
			p.click("#row-d input[type=checkbox]")
			if name == "script" {
				p.waitText("[data-bulk-count]", "2")
				p.click("[data-all]")
				p.waitText("[data-bulk-count]", "5")
				p.click("[data-all]")
				p.gone("[data-bulk]")
				p.click("#row-b input[type=checkbox]")
				p.click("#row-d input[type=checkbox]")
			}
			p.follow("[data-bulk] button")
			p.waitText("main", "Sent.")
			sent := e.sent()
			if len(sent) != before+1 {
				t.Fatalf("%d forms were sent, want 1", len(sent)-before)
			}
			last := sent[before]
			if len(last["row"]) != 2 || last["row"][0] != "b" || last["row"][1] != "d" || last["act"][0] != "acknowledge" {
				t.Errorf("sent %v", last)
			}
			p.clean()
		})
	}
}

func TestFormIsSentOnce(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List)
	eval[bool](p, `(() => { const b = document.querySelector("form[data-guard] button"); b.click(); b.click(); b.form.requestSubmit(); return true })()`)
	p.waitText("main", "Sent.")
	if n := len(e.sent()); n != 1 {
		t.Errorf("the form was sent %d times, want once", n)
	}
	p.clean()
}

func TestGuardAsks(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List)
	asked := make(chan cdppage.DialogType, 8)
	p.must("listen", chromedp.Listen(p.ctx, func(event any) {
		if d, ok := event.(*cdppage.EventJavascriptDialogOpening); ok {
			asked <- d.Type
		}
	}))
	// Nothing was typed: nobody is asked.
	p.follow(`#row-a a`)
	p.goTo(gallery.List)
	p.fill("#guarded", "after")
	// The click is over when the question is answered.
	at, clicked := p.middle("#row-b a"), make(chan error, 1)
	go func() { clicked <- chromedp.Do(p.ctx, chromedp.MouseClickXY(at[0], at[1])) }()
	if kind := <-asked; kind != cdppage.DialogTypeBeforeunload {
		t.Errorf("asked by %s", kind)
	}
	_, err := chromedp.Call(p.ctx, cdppage.HandleJavaScriptDialog, cdppage.HandleJavaScriptDialogParams{Accept: false})
	p.must("stay", err)
	p.must("click", <-clicked)
	p.until("what was typed", `document.querySelector("#guarded").value === "after"`)
	// Sending it is no leaving.
	p.follow("form[data-guard] button")
	if len(asked) != 0 {
		t.Errorf("asked again: %s", <-asked)
	}
	if sent := e.sent(); len(sent) != 1 || sent[0]["text"][0] != "after" {
		t.Errorf("sent %v", sent)
	}
	p.clean()
}

func TestRowIsClickable(t *testing.T) {
	e := exhibit(t)
	p := e.open(t, gallery.List)
	p.leave(func() {
		at := eval[[]float64](p, `(() => { const r = document.querySelector("#row-c .fill").getBoundingClientRect(); return [r.right - 20, r.top + r.height / 2] })()`)
		within(p, "click a row", chromedp.MouseClickXY(at[0], at[1]))
	})
	if got := p.at(); got != gallery.List+"?page=c" {
		t.Errorf("a click on row c opens %s", got)
	}
	p.clean()
}
