package hubapi_test

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/health"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/live"
	"github.com/tvilling/tvilling/internal/hub/message"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/security/onboard"
)

// hub is the core of a hub over the memory store with the handler on top.
type hub struct {
	*hubtest.Core
	options  hubapi.Options
	handler  *hubapi.Handler
	onboard  *onboard.Service
	messages *messages
	log      *lockedBuffer
}

// newHub starts a hub. Changes of o are made before the handler is.
func newHub(t testing.TB, change ...func(*hubapi.Options)) *hub {
	t.Helper()
	h := &hub{Core: hubtest.New(t), messages: new(messages), log: new(lockedBuffer)}
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if h.onboard, err = onboard.New(t.Context(), h.Committer, h.Store, h.Registry, log); err != nil {
		t.Fatal(err)
	}
	o := hubapi.Options{
		Live: h.live(),
		Auth: h.Auth, Registry: h.Registry, Twins: h.Twins, Search: h.search(h.Store), Messages: h.messages, Journal: h.Journal,
		Policies: h.Policies, Settings: h.onboard, Adoption: h.onboard, Health: func() (health.Facts, []health.Fault) { return health.Facts{Version: "test"}, nil }, Certificates: certificates, Users: h.Accounts, Audit: newAudit(t, h.Journal, h.Committer),
		Configurations: h.newConfigurations(t, log),
		History: history.New(h.Store, h.Twins, func(id tvilling.Identity) bool {
			connected, _, _ := h.Sessions.Live(id)
			return connected
		}),
		SecurityModule: tvilling.SecurityModule,
		Ready:          func(context.Context) error { return nil },
		Logger:         log,
	}
	for _, f := range change {
		f(&o)
	}
	h.options, h.handler = o, hubapi.New(o)
	return h
}

// ask makes another search answer queries.
func (h *hub) ask(s hubapi.Search) {
	h.options.Search = s
	h.handler = hubapi.New(h.options)
}

// live follows queries, over an index that is kept.
func (h *hub) live() *live.Service {
	l := live.New(live.Options{
		Search: h.search(h.Store), Journal: h.Journal, Store: h.Store, Sessions: h.Sessions, Document: hubapi.Document,
		Logger: slog.New(slog.NewTextHandler(h.log, nil)),
	})
	h.Tell(l.Recorded)
	return l
}

// search runs queries over a store, and the index of the hub.
func (h *hub) search(store search.Store) *search.Service {
	return search.New(search.Options{Store: store, Sessions: h.Sessions, Index: h.Index, Document: hubapi.Document})
}

// token returns an Authorization header. who is the name of a policy, an
// identity ("d1", "d1/m1") that is registered, or "" for none.
func (h *hub) token(t testing.TB, who string) string {
	t.Helper()
	if who == "" {
		return ""
	}
	p, err := h.Policies.Get(t.Context(), who)
	if err != nil {
		device, module, _ := strings.Cut(who, "/")
		return h.Token(t, tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)})
	}
	token, err := auth.Sign("hub.example", p.Keys.Primary, p.Name, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// do sends a request as somebody.
func (h *hub) do(t testing.TB, who, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if token := h.token(t, who); token != "" {
		r.Header.Set("Authorization", token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

// must is do that fails the test unless the answer has a status.
func (h *hub) must(t testing.TB, status int, who, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := h.do(t, who, method, target, body, header...)
	if w.Code != status {
		t.Fatalf("%s %s as %q: got %d %s, want %d", method, target, who, w.Code, w.Body, status)
	}
	return w
}

// messages is a log of messages in memory.
type messages struct {
	mu   sync.Mutex
	list [2][]*tvilling.Message
	more chan struct{}
}

func (m *messages) add(kind message.Kind, list ...*tvilling.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range list {
		x.Sequence = uint64(len(m.list[kind]) + 1)
		m.list[kind] = append(m.list[kind], x)
	}
	if m.more != nil {
		close(m.more)
		m.more = nil
	}
}

func (m *messages) from(kind message.Kind, after uint64) ([]*tvilling.Message, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.more == nil {
		m.more = make(chan struct{})
	}
	return m.list[kind][min(after, uint64(len(m.list[kind]))):], m.more
}

func (m *messages) Head(kind message.Kind) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.list[kind]))
}

func (m *messages) Read(ctx context.Context, kind message.Kind, after uint64, follow bool) iter.Seq2[*tvilling.Message, error] {
	return func(yield func(*tvilling.Message, error) bool) {
		for {
			list, more := m.from(kind, after)
			for _, x := range list {
				if !yield(x, nil) {
					return
				}
				after = x.Sequence
			}
			if !follow {
				return
			}
			select {
			case <-more:
			case <-ctx.Done():
				return
			}
		}
	}
}

// lockedBuffer is a buffer that goroutines may share.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
