//go:build browser

package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long a tab waits for what it is told to wait for.
const patience = 15 * time.Second

// page is a tab of the browser. Its methods fail the test that it belongs to.
type page struct {
	t    *testing.T
	ctx  context.Context
	host string
	wide bool

	mu sync.Mutex
	// bad is what the console and the network have told that should not be.
	bad []string
	// status are the last statuses of documents, by address.
	status map[string]int64
}

type tab struct {
	width, height int64
	dark, plain   bool
	role          string
}

// option changes a tab before it opens its page.
type option func(*tab)

// narrow is a phone.
func narrow(o *tab) { o.width, o.height = 390, 844 }

// small is the narrowest screen that pages have to work on.
func small(o *tab) { o.width, o.height = 320, 640 }

// dark prefers the dark theme.
func dark(o *tab) { o.dark = true }

// noScript has JavaScript turned off.
func noScript(o *tab) { o.plain = true }

// asRole is signed in as a user of a role, "viewer" or "operator"; without it, an
// admin is. asRole("") is nobody.
func asRole(role string) option { return func(o *tab) { o.role = role } }

// open opens a page of the hub in a new tab, which shares nothing with others.
func (h *harness) open(t *testing.T, path string, options ...option) *page {
	t.Helper()
	o := tab{width: 1440, height: 900, role: "admin"}
	for _, change := range options {
		change(&o)
	}
	p := &page{t: t, host: h.host(), wide: o.width > 720, status: make(map[string]int64)}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	t.Cleanup(cancel)
	p.ctx = ctx
	scheme := "light"
	if o.dark {
		scheme = "dark"
	}
	p.must("open a tab", chromedp.Do(ctx, chromedp.EmulateViewport(o.width, o.height)))
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	p.must("prefer a theme", err)
	if o.plain {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		p.must("turn JavaScript off", err)
	}
	p.signIn(h.token(o.role))
	p.goTo(path)
	return p
}

// signIn gives the browser a session; "" is none.
func (p *page) signIn(token string) {
	p.t.Helper()
	if token != "" {
		p.cookie(sessionCookie, token)
	}
}

// cookie sets a cookie of the hub.
func (p *page) cookie(name, value string) {
	p.t.Helper()
	yes := true
	_, err := chromedp.Call(p.ctx, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: "https://" + p.host + "/", Path: "/", Secure: &yes, HTTPOnly: &yes})
	p.must("set a cookie", err)
}

// listen collects what should not be there. It runs on the tab's own goroutine.
func (p *page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		p.bad = append(p.bad, fmt.Sprintf("exception: %s (%s:%d)", text, e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber))
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, a := range e.Args {
			words = append(words, string(a.Value)+a.Description)
		}
		p.bad = append(p.bad, fmt.Sprintf("console.%s: %s", e.Type, strings.Join(words, " ")))
	case *cdplog.EventEntryAdded:
		// What documents and streams answer is for tests of their own; all other
		// requests have to go well.
		_, document := p.status[e.Entry.URL]
		if e.Entry.Level == cdplog.EntryLevelInfo || e.Entry.Source == cdplog.EntrySourceNetwork && (document || strings.Contains(e.Entry.URL, "/console/live/")) {
			return
		}
		p.bad = append(p.bad, fmt.Sprintf("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		if err != nil || u.Host != p.host && u.Scheme != "data" && u.Scheme != "about" {
			p.bad = append(p.bad, "a request to elsewhere: "+e.Request.URL)
		}
		if e.Type == network.ResourceTypeDocument {
			p.status[e.Request.URL] = 0
		}
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			p.status[e.Response.URL] = e.Response.Status
		}
	}
}

func (p *page) must(what string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// within does something in the tab, within its patience, and returns its value.
func within[T any](p *page, what string, a chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	p.must(what, err)
	return v
}

// goTo loads an address of the hub.
func (p *page) goTo(path string) {
	p.t.Helper()
	within(p, "load "+path, chromedp.Navigate("https://"+p.host+path))
}

// eval returns the value of an expression of JavaScript, also where pages may
// run none.
func eval[T any](p *page, expression string) T {
	p.t.Helper()
	return within(p, "evaluate "+expression, chromedp.Evaluate[T](expression))
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// until waits for an expression to be true. A page that is being replaced is
// not true yet.
func (p *page) until(what, expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var last error
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && ok {
			return
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			p.shot("failed")
			p.t.Fatalf("waited %v for %s at %s (%v); the page says:\n%s", patience, what, p.at(), last, p.says())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// says is the text of the page, for messages of failed tests.
func (p *page) says() string {
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText.slice(0, 3000) : ""`))
	if err != nil {
		return err.Error()
	}
	return v
}

// at is the path and query of the page.
func (p *page) at() string {
	p.t.Helper()
	return eval[string](p, "location.pathname + location.search")
}

// documentStatus is the status that the page was answered with.
func (p *page) documentStatus() int64 {
	p.t.Helper()
	address, _, _ := strings.Cut(eval[string](p, "location.href"), "#")
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status[address]
}

// wait waits until an element is there and can be seen.
func (p *page) wait(selector string) {
	p.t.Helper()
	p.until(selector, `!!document.querySelector(`+quote(selector)+`)?.checkVisibility()`)
}

// gone waits until no element is there, or none can be seen.
func (p *page) gone(selector string) {
	p.t.Helper()
	p.until("no "+selector, `[...document.querySelectorAll(`+quote(selector)+`)].every((e) => !e.checkVisibility())`)
}

// waitText waits until the text of an element has want in it.
func (p *page) waitText(selector, want string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%q in %s", want, selector), `[...document.querySelectorAll(`+quote(selector)+`)].some((e) => e.textContent.includes(`+quote(want)+`))`)
}

// waitAt waits for the page whose path and query begin so to be loaded.
func (p *page) waitAt(path string) {
	p.t.Helper()
	p.until("the page "+path, `document.readyState === "complete" && (location.pathname + location.search).startsWith(`+quote(path)+`)`)
}

// text is the text of the first element, as people see it.
func (p *page) text(selector string) string {
	p.t.Helper()
	p.until(selector, `!!document.querySelector(`+quote(selector)+`)`)
	return strings.TrimSpace(eval[string](p, `document.querySelector(`+quote(selector)+`).innerText`))
}

// texts are the texts of all elements.
func (p *page) texts(selector string) []string {
	p.t.Helper()
	return eval[[]string](p, `[...document.querySelectorAll(`+quote(selector)+`)].map((e) => e.innerText.trim())`)
}

// count counts elements.
func (p *page) count(selector string) int {
	p.t.Helper()
	return eval[int](p, `document.querySelectorAll(`+quote(selector)+`).length`)
}

// click clicks the middle of an element as a hand does; it waits for it first.
func (p *page) click(selector string) {
	p.t.Helper()
	at := p.middle(selector)
	within(p, "click "+selector, chromedp.MouseClickXY(at[0], at[1]))
}

// middle is where a hand would click on an element, which is brought into view.
func (p *page) middle(selector string) []float64 {
	p.t.Helper()
	p.wait(selector)
	return eval[[]float64](p, `(() => { const e = document.querySelector(`+quote(selector)+`); e.scrollIntoView({block: "center", behavior: "instant"}); const r = [...e.getClientRects()].find((r) => r.width > 0) ?? e.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2] })()`)
}

// follow clicks what leads to another page, and waits until that is loaded.
func (p *page) follow(selector string) {
	p.t.Helper()
	p.leave(func() { p.click(selector) })
}

// leave does what leads to another page, and waits until that is loaded.
func (p *page) leave(do func()) {
	p.t.Helper()
	before := eval[float64](p, "performance.timeOrigin")
	do()
	p.until("another page", fmt.Sprintf(`performance.timeOrigin !== %f && document.readyState === "complete"`, before))
}

// fill types a text into a field in place of what it has. Choices are chosen by
// their value.
func (p *page) fill(selector, text string) {
	p.t.Helper()
	p.wait(selector)
	element := `document.querySelector(` + quote(selector) + `)`
	if eval[bool](p, element+` instanceof HTMLSelectElement || [`+element+`.type].some((t) => t === "datetime-local" || t === "number" || t === "date" || t === "time")`) {
		eval[bool](p, `(() => { const e = `+element+`; e.focus(); e.value = `+quote(text)+`; e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})); return true })()`)
		return
	}
	eval[bool](p, `(() => { const e = `+element+`; e.focus(); e.select?.(); return true })()`)
	if text == "" {
		p.press(kb.Delete)
		return
	}
	within(p, "type into "+selector, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return err
	}))
}

// press presses keys, one after the other: "j", kb.Enter, kb.Escape. What a key
// types comes with it, so that a page can have the key for itself.
func (p *page) press(keys string) {
	p.t.Helper()
	within(p, "press "+keys, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, key := range keys {
			events := kb.Encode(key)
			down, up := events[0], events[len(events)-1]
			if len(events) == 3 {
				down.Text, down.UnmodifiedText = events[1].Text, events[1].UnmodifiedText
			}
			for _, e := range []*input.DispatchKeyEventParams{down, up} {
				if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, *e); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}

// clean fails the test if the console or the network told what should not be,
// and forgets it.
func (p *page) clean() {
	p.t.Helper()
	p.mu.Lock()
	bad := p.bad
	p.bad = nil
	p.mu.Unlock()
	for _, b := range bad {
		p.t.Error(b)
	}
}

// shot keeps a picture of the page: `go test -artifacts` says where.
func (p *page) shot(name string) {
	p.t.Helper()
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Errorf("picture %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(p.t.ArtifactDir(), name+".png"), png, 0o600); err != nil {
		p.t.Error(err)
	}
}
