//go:build browser

package browser_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/gallery"
	"github.com/tvilling/tvilling/internal/console/jump"
	"github.com/tvilling/tvilling/internal/console/keys"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// exhibition serves the gallery, and its list, which tests change.
type exhibition struct {
	*harness
	address string
	server  *httptest.Server
	site    *web.Site

	mu      sync.Mutex
	rows    []gallery.Row
	changed chan struct{}
	posted  []map[string][]string
	// ended has sessions be over, gone has the stream be nowhere.
	ended bool
}

// exhibit runs a site with the gallery until the test ends.
func exhibit(t *testing.T) *exhibition {
	t.Helper()
	e := &exhibition{address: "127.0.0.1:0", changed: make(chan struct{})}
	e.harness = &harness{t: t, host: func() string { return e.address }, tokens: map[string]string{"admin": "a-token"}}
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		e.rows = append(e.rows, gallery.Row{ID: id, Text: "first of " + id})
	}
	e.begin()
	t.Cleanup(e.close)
	return e
}

func (e *exhibition) begin() {
	listener, err := net.Listen("tcp", e.address)
	if err != nil {
		e.t.Fatal(err)
	}
	e.address = listener.Addr().String()
	e.site = web.New(web.Options{
		Accounts: e, Status: func() web.Status {
			return web.Status{Hub: "plant-north", Version: "v1.4.0", Devices: 12482, High: 9, Recommendations: 731, Configurations: 14}
		},
		SignIn: func(c *web.Call) error { return c.Redirect("/console/sign-in", "") },
		Logger: slog.New(slog.NewTextHandler(e.t.Output(), nil)),
		Routes: slices.Concat(keys.Routes(), jump.Routes(jump.Options{Devices: e.devices}), gallery.Routes(gallery.Options{Rows: e.list, Changed: e.wait, Posted: e.post})),
	})
	e.server = httptest.NewUnstartedServer(e.site)
	if err := e.server.Listener.Close(); err != nil {
		e.t.Fatal(err)
	}
	e.server.Listener = listener
	e.server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(&bytes.Buffer{}, nil), slog.LevelDebug)
	e.server.StartTLS()
}

// close stops the site, as a hub that stops does.
func (e *exhibition) close() {
	e.site.Stop()
	e.server.CloseClientConnections()
	e.server.Close()
}

func (e *exhibition) list() []gallery.Row {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.rows)
}

func (e *exhibition) wait() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.changed
}

func (e *exhibition) post(form map[string][]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.posted = append(e.posted, form)
}

func (e *exhibition) sent() []map[string][]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.posted)
}

// change changes what the list has, and wakes who looks at it.
func (e *exhibition) change(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	close(e.changed)
	e.changed = make(chan struct{})
}

// devices are those that the jump field offers.
func (e *exhibition) devices(_ context.Context, prefix string, most int) ([]tvilling.DeviceID, error) {
	var found []tvilling.DeviceID
	for _, id := range []tvilling.DeviceID{"pump-1", "pump-2", "valve-1"} {
		if strings.HasPrefix(string(id), prefix) && len(found) < most {
			found = append(found, id)
		}
	}
	return found, nil
}

// Session and Record are what sites ask of accounts.
func (e *exhibition) Session(_ context.Context, token string) (account.Session, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended || token != "a-token" {
		return account.Session{}, tvilling.Errorf(tvilling.Unauthorized, "This session is over.")
	}
	return account.Session{ID: "1", User: "anna", Role: account.Admin}, nil
}

func (e *exhibition) Record(context.Context, string, string, string) error { return nil }
