package web_test

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// people is whoever has a token that has not ended.
type people struct {
	mu    sync.Mutex
	ended bool
}

func (p *people) Session(_ context.Context, token string) (account.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if token != "good" || p.ended {
		return account.Session{}, tvilling.Errorf(tvilling.Unauthorized, "There is no such session.")
	}
	return account.Session{ID: "1", User: "anna", Role: account.Viewer}, nil
}

func (p *people) Record(context.Context, string, string, string) error { return nil }

func (p *people) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
}

// page is a browser that reads a stream.
type page struct {
	*httptest.ResponseRecorder
	mu   sync.Mutex
	text strings.Builder
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// taken returns what came since it was last asked, without signs of life.
func (p *page) taken() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := strings.ReplaceAll(p.text.String(), ": \n\n", "")
	p.text.Reset()
	return s
}

// follow opens a stream of fragments that are made anew each time changed has a
// value; it returns the page and whether the stream has ended.
func follow(ctx context.Context, who *people, changed chan struct{}, every time.Duration, fragments func() ([]web.Fragment, error)) (*page, *web.Site, func() bool) {
	site := web.New(web.Options{
		Accounts: who, Status: func() web.Status { return web.Status{} }, Logger: slog.New(slog.DiscardHandler),
		Routes: []web.Route{{Method: http.MethodGet, Path: "/live", Role: account.Viewer, Stream: true, Do: func(c *web.Call) error {
			return c.Stream(web.Stream{
				Changed: []func() <-chan struct{}{func() <-chan struct{} { return changed }}, Every: every,
				Fragments: func(context.Context) ([]web.Fragment, error) { return fragments() },
			})
		}}},
	})
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "https://hub/console/live", nil)
	r.AddCookie(&http.Cookie{Name: web.Cookie, Value: "good"})
	p := &page{ResponseRecorder: httptest.NewRecorder()}
	done := make(chan struct{})
	go func() {
		site.ServeHTTP(p, r)
		close(done)
	}()
	return p, site, func() bool {
		synctest.Wait()
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
}

func TestStreamSendsWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		changed := make(chan struct{}, 1)
		row, list := "<tr id=\"r\"><td>1\r2</td></tr>", "<ul id=\"l\">\n<li>a</li></ul>"
		p, _, ended := follow(ctx, &people{}, changed, 0, func() ([]web.Fragment, error) {
			return []web.Fragment{{ID: "l", HTML: template.HTML(list)}, {ID: "r", HTML: template.HTML(row)}}, nil
		})
		synctest.Wait()
		if got, want := p.taken(), "event: patch\ndata: <ul id=\"l\">\ndata: <li>a</li></ul>\n\nevent: patch\ndata: <tr id=\"r\"><td>1&#13;2</td></tr>\n\n"; got != want {
			t.Errorf("at first: %q, want an event for each: %q", got, want)
		}
		row = `<tr id="r"><td>3</td></tr>`
		time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
		synctest.Wait()
		if got := p.taken(); got != "" {
			t.Errorf("nothing said that it had changed, and %q came", got)
		}
		changed <- struct{}{}
		synctest.Wait()
		if got, want := p.taken(), "event: patch\ndata: <tr id=\"r\"><td>3</td></tr>\n\n"; got != want {
			t.Errorf("after a change: %q, want the row alone: %q", got, want)
		}
		row = `<tr id="r"><td>4</td></tr>`
		changed <- struct{}{}
		synctest.Wait()
		if got := p.taken(); got != "" {
			t.Errorf("a second change at once came at once: %q", got)
		}
		time.Sleep(time.Second) //nolint:forbidigo // in a bubble
		synctest.Wait()
		if got := p.taken(); !strings.Contains(got, ">4<") {
			t.Errorf("within a second: %q, want the row", got)
		}
		cancel()
		if !ended() {
			t.Error("the browser has gone, and the stream goes on")
		}
	})
}

func TestStreamLooksOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		_, site, ended := follow(t.Context(), &people{}, nil, 5*time.Second, func() ([]web.Fragment, error) {
			looks++
			return nil, nil
		})
		time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
		synctest.Wait()
		if looks < 11 || looks > 13 {
			t.Errorf("%d looks in a minute, want one in 5 s", looks)
		}
		site.Stop()
		if !ended() {
			t.Error("the hub has stopped, and the stream goes on")
		}
	})
}

func TestStreamEndsWithItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		who := &people{}
		_, _, ended := follow(t.Context(), who, nil, 0, func() ([]web.Fragment, error) { return nil, nil })
		time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
		if ended() {
			t.Fatal("the session is good, and the stream has ended")
		}
		who.end()
		time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
		if !ended() {
			t.Error("the session has ended, and the stream goes on")
		}
	})
}

func TestStreamTellsOfTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, ended := follow(t.Context(), &people{}, nil, 0, func() ([]web.Fragment, error) {
			return nil, errors.Join(tvilling.Errorf(tvilling.NotFound, "There is no device x."), nil)
		})
		if !ended() {
			t.Fatal("the stream goes on")
		}
		if got, want := p.taken(), "event: trouble\ndata: There is no device x. (NotFound)\n\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
