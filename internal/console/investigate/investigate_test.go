package investigate_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/investigate"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// site is the pages over events in memory.
type site struct {
	t      *testing.T
	server *web.Site
	events []*event.Record
	alerts []*ledger.Alert
	// wait is how long it takes to read one event.
	wait time.Duration
	// answers are what queries find, by their text.
	answers map[string]string
}

type house struct{}

func (house) Session(context.Context, string) (account.Session, error) {
	return account.Session{ID: "1", User: "anna", Role: account.Operator, Created: time.Now(), Expires: time.Now().Add(time.Hour)}, nil
}
func (house) Record(context.Context, string, string, string) error { return nil }

func newSite(t *testing.T) *site {
	s := &site{t: t, answers: make(map[string]string)}
	s.server = web.New(web.Options{
		Accounts: house{}, Status: func() web.Status { return web.Status{Hub: "hub"} }, Logger: slog.New(slog.DiscardHandler),
		SignIn: func(*web.Call) error { return tvilling.Errorf(tvilling.Unauthorized, "Sign in.") },
		Routes: investigate.Routes(investigate.Options{
			Hub: "hub", Events: s.read, EventsChanged: func() <-chan struct{} { return nil },
			Alerts: func(context.Context, ledger.AlertFilter, string) iter.Seq2[*ledger.Alert, error] {
				return func(yield func(*ledger.Alert, error) bool) {
					for _, a := range s.alerts {
						if !yield(a, nil) {
							return
						}
					}
				}
			},
			Indicators: func(v string) []string {
				if v == "203.0.113.77" {
					return []string{"malicious-addresses"}
				}
				return nil
			},
			Search: s,
			Paths: func() []investigate.Path {
				return []investigate.Path{{Name: "tags.site", Rows: 40, Values: 3}, {Name: "tags.serial", Rows: 40, Values: 1_000_000}, {Name: "tags.with space", Rows: 1, Values: 1}}
			},
		}),
	})
	return s
}

// add stores an event, a minute after the one before.
func (s *site) add(device, name, payload string) *event.Record {
	n := len(s.events) + 1
	at := time.Now().Add(-time.Hour).Add(time.Duration(n) * time.Minute).UTC()
	r := &event.Record{
		From: tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.SecurityModule}, Position: event.Position{Sequence: uint64(n)}, Received: at.Add(time.Second),
		Event: event.Event{ID: fmt.Sprintf("id-%d", n), Kind: event.KindOf(name), Name: name, Type: event.Security, Category: event.Triggered, Time: at, Stated: at, Payload: []byte(payload)},
	}
	s.events = append(s.events, r)
	return r
}

func (s *site) read(ctx context.Context, q event.Query) iter.Seq2[*event.Record, error] {
	list := slices.Clone(s.events)
	if q.Descending {
		slices.Reverse(list)
	}
	return func(yield func(*event.Record, error) bool) {
		for _, r := range list {
			c := r.Position.Compare(q.After)
			if q.After != (event.Position{}) && (q.Descending && c >= 0 || !q.Descending && c <= 0) || q.Device != "" && q.Device != r.From.Device ||
				len(q.Names) > 0 && !slices.Contains(q.Names, r.Event.Name) ||
				!q.From.IsZero() && r.Event.Time.Before(q.From) || !q.To.IsZero() && !r.Event.Time.Before(q.To) {
				continue
			}
			time.Sleep(s.wait) //nolint:forbidigo // in a bubble with its own time
			if !yield(r, ctx.Err()) {
				return
			}
		}
	}
}

// Run answers with what the test has for a query.
func (s *site) Run(_ context.Context, q *query.Query, o query.Options) (*query.Page, error) {
	for text, body := range s.answers {
		want, err := query.Compile(text)
		if err != nil {
			s.t.Fatal(err)
		}
		if (want.Where() == nil) == (q.Where() == nil) && want.Grouped() == q.Grouped() && want.Star() == q.Star() {
			pages := strings.Split(body, "\n")
			n := 0
			if o.Continuation != "" {
				if _, err := fmt.Sscan(o.Continuation, &n); err != nil {
					return nil, err
				}
			}
			p := &query.Page{Body: []byte(pages[n]), Count: 1, Scanned: 10}
			if n+1 < len(pages) {
				p.Next = fmt.Sprint(n + 1)
			}
			return p, nil
		}
	}
	return &query.Page{Body: []byte("[]")}, nil
}

// Explain says the same of every query.
func (s *site) Explain(context.Context, *query.Query, query.Options, bool) (*search.Explanation, error) {
	return &search.Explanation{Plan: search.Scan, Collection: "devices", Why: []string{"tags.<b> is in no column."}, Strange: []string{"firmware"}}, nil
}

// get returns the answer to a request.
func (s *site) get(path string) *http.Response {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, "https://hub/console"+path, http.NoBody)
	r.AddCookie(&http.Cookie{Name: web.Cookie, Value: "x"})
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	return w.Result()
}

// page returns a page that is to be there.
func (s *site) page(path string) string {
	s.t.Helper()
	return s.answer(path, http.StatusOK)
}

func (s *site) answer(path string, status int) string {
	s.t.Helper()
	a := s.get(path)
	defer func() { _ = a.Body.Close() }() // a recorder's
	b, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if a.StatusCode != status {
		s.t.Fatalf("%s: %s\n%s", path, a.Status, b)
	}
	return string(b)
}

// has fails unless a page has all texts, as they are written or as they are read.
func has(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) && !strings.Contains(html.UnescapeString(page), text) {
			t.Errorf("the page lacks %q:\n%s", text, main(page))
		}
	}
}

func hasNot(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			t.Errorf("the page has %q:\n%s", text, main(page))
		}
	}
}

func main(page string) string {
	_, rest, _ := strings.Cut(page, "<main")
	rest, _, _ = strings.Cut(rest, "</main>")
	return rest
}
