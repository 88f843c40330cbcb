package access_test

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/access"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/audit"
)

// torn is a log with a damaged entry in it.
type torn struct{}

func (torn) Page(context.Context, audit.Filter, uint64, int) (audit.Page, error) {
	return audit.Page{}, nil
}

func (torn) Changed() <-chan struct{} { return nil }

func (torn) All(context.Context, audit.Filter) iter.Seq2[audit.Entry, error] {
	return func(yield func(audit.Entry, error) bool) {
		_ = yield(audit.Entry{Sequence: 1, Time: time.Unix(0, 0), Actor: "user:anna", Action: "device.create", Subject: "=first"}, nil) &&
			yield(audit.Entry{Sequence: 2}, tvilling.Errorf(tvilling.Corrupt, "The entry is damaged.")) &&
			yield(audit.Entry{Sequence: 3, Time: time.Unix(0, 0), Actor: "user:anna", Action: "device.create", Subject: "last"}, nil)
	}
}

// admin is signed in always.
type admin struct{}

func (admin) Session(context.Context, string) (account.Session, error) {
	return account.Session{ID: "1", User: "anna", Role: account.Admin}, nil
}

func (admin) Record(context.Context, string, string, string) error { return nil }

// TestExportGoesOn: a damaged entry of the audit log does not keep those after
// it from being exported; the hub's log tells of it.
func TestExportGoesOn(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := web.New(web.Options{
		Accounts: admin{}, Status: func() web.Status { return web.Status{} }, Routes: access.Routes(access.Options{Audit: torn{}}),
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for _, format := range []string{"csv", "jsonl"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/settings/audit/export?format="+format, nil)
		r.AddCookie(&http.Cookie{Name: web.Cookie, Value: "x"})
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		body := w.Body.String()
		if w.Code != http.StatusOK || !strings.Contains(body, "first") || !strings.Contains(body, "last") {
			t.Errorf("%s: %d %q", format, w.Code, body)
		}
		if format == "csv" && strings.Contains(body, ",=first") {
			t.Errorf("a formula: %q", body)
		}
	}
	if n := strings.Count(log.String(), "damaged record left out"); n != 2 {
		t.Errorf("the log tells of it %d times: %s", n, &log)
	}
}
