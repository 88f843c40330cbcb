package web_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// accounts know sessions by their users.
type accounts struct{ record error }

func (accounts) Session(_ context.Context, token string) (account.Session, error) {
	return account.Session{ID: token, User: strings.TrimRight(token, "0123456789"), Role: account.Admin}, nil
}

func (a accounts) Record(context.Context, string, string, string) error { return a.record }

func site(t *testing.T, a accounts, routes ...web.Route) *web.Site {
	t.Helper()
	return web.New(web.Options{Accounts: a, Status: func() web.Status { return web.Status{} }, Routes: routes, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
}

func ask(ctx context.Context, s *web.Site, method, path, session string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, method, "/console"+path, nil)
	r.AddCookie(&http.Cookie{Name: web.Cookie, Value: session})
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// TestStreamsAreBounded: of one user, over all sessions, and of all; each that
// ends makes room again, and pages are not touched by it.
func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := site(t, accounts{}, web.Route{Method: http.MethodGet, Path: "/live", Role: account.Viewer, Stream: true, Do: func(c *web.Call) error {
			return c.Stream(web.Stream{Fragments: func(context.Context) ([]web.Fragment, error) { return nil, nil }})
		}}, web.Route{Method: http.MethodGet, Path: "/page", Role: account.Viewer, Do: func(c *web.Call) error { return c.HTML(0, nil) }})
		ctx, stop := context.WithCancel(t.Context())
		var open sync.WaitGroup
		users := "abcdefghijklmnopqrstuvwxyz"
		for i := range 26 * 64 { // of each user 64, on many sessions
			open.Go(func() { ask(ctx, s, http.MethodGet, "/live", users[i%26:i%26+1]+string(rune('0'+i%10))) })
		}
		synctest.Wait()
		if n := s.Stats().Streams; n != 1000 {
			t.Errorf("%d streams are open, want 1000", n)
		}
		if w := ask(ctx, s, http.MethodGet, "/page", "z1"); w.Code != http.StatusOK {
			t.Errorf("a page: %d", w.Code)
		}
		stop()
		open.Wait()
		if n := s.Stats().Streams; n != 0 {
			t.Errorf("%d streams are open after the end", n)
		}
		ctx, stop = context.WithCancel(t.Context())
		for i := range 300 {
			open.Go(func() { ask(ctx, s, http.MethodGet, "/live", "anna"+string(rune('0'+i%10))) })
		}
		synctest.Wait()
		if n := s.Stats().Streams; n != 256 {
			t.Errorf("%d streams of one user are open, want 256", n)
		}
		w := ask(ctx, s, http.MethodGet, "/live", "anna1")
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "anna has 256 open pages") {
			t.Errorf("one more: %d %s", w.Code, w.Body)
		}
		if n := s.Stats().Limited; n < 45 {
			t.Errorf("%d were turned away", n)
		}
		stop()
		open.Wait()
	})
}

// TestUnaudited: an act that was done and could not be audited is not said to be
// undone.
func TestUnaudited(t *testing.T) {
	t.Parallel()
	for _, code := range []tvilling.Code{tvilling.Unavailable, tvilling.Throttled, tvilling.Internal} {
		s := site(t, accounts{tvilling.Errorf(code, "No room.")}, web.Route{Method: http.MethodPost, Path: "/act", Role: account.Admin, Audit: "thing.act", Do: func(c *web.Call) error {
			return c.Redirect("/console/x", "Done.")
		}})
		w := ask(t.Context(), s, http.MethodPost, "/act", "anna")
		body := w.Body.String()
		if w.Code != http.StatusInternalServerError || !strings.Contains(body, "Do not repeat it") || strings.Contains(body, "was not done") || strings.Contains(body, "Nothing was changed") {
			t.Errorf("%s: %d %s", code, w.Code, body)
		}
	}
}
