// Package hubtest is test support: the core of a hub, wired over the memory
// store, without any gateway or listener. It is not part of the product.
package hubtest

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/journal"
	"github.com/tvilling/tvilling/internal/hub/policy"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/query/querytest"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/session"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/store/memory"
)

// Core is the core of a hub.
type Core struct {
	Store     state.Store
	Sealer    *auth.Sealer
	Auth      *auth.Authenticator
	Committer *commit.Committer
	Sessions  *session.Manager
	Registry  *registry.Service
	Twins     *twin.Service
	Journal   *journal.Journal
	Policies  *policy.Service
	// Accounts hashes passwords in a way that is quick, and good for tests only.
	Accounts *account.Service
	// Index is kept and ready; Search uses it. Whole twins are written without
	// the sections' metadata.
	Index  *index.Index
	Search *search.Service

	recorded atomic.Pointer[func([]state.Change)]
}

// Tell makes f hear of the changes of every durable round from now on, as
// commit.Options.Recorded does.
func (c *Core) Tell(f func(changes []state.Change)) { c.recorded.Store(&f) }

func (c *Core) record(changes []state.Change) {
	if f := c.recorded.Load(); f != nil {
		(*f)(changes)
	}
}

// New returns a running core over an empty memory store, stopped when the test
// ends. It has the companion rule of a default hub unless the test takes it away.
func New(t testing.TB) *Core {
	t.Helper()
	return Over(t, memory.New())
}

// Over is New over a store of the caller's, which may have data already. The
// caller closes it.
func Over(t testing.TB, store state.Store) *Core {
	t.Helper()
	c := &Core{Store: store}
	var err error
	if c.Sealer, err = auth.NewSealer(make([]byte, auth.HubKeyBytes)); err != nil {
		t.Fatal(err)
	}
	policies, err := auth.DefaultPolicies(c.Sealer)
	if err != nil {
		t.Fatal(err)
	}
	if value, err := store.Setting(t.Context(), auth.PoliciesSetting); err != nil {
		t.Fatal(err)
	} else if value != nil {
		if policies, err = auth.ParsePolicies(value); err != nil {
			t.Fatal(err)
		}
	}
	c.Auth, err = auth.New(auth.Options{Directory: store, Sealer: c.Sealer, Policies: policies})
	if err != nil {
		t.Fatal(err)
	}
	c.Index = index.New(index.Options{Live: func(id tvilling.Identity) (connected bool, since, activity time.Time) { return c.Sessions.Live(id) }})
	c.Committer, err = commit.New(t.Context(), commit.Options{Store: store, Fatal: func(err error) { t.Errorf("committer: %v", err) }, Follow: c.Index.Committed, Recorded: c.record})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	c.Sessions = session.New(c.Committer, store, c.Auth, log)
	c.Sessions.Moved = c.Index.Moved
	if err := c.Index.Build(t.Context(), func(ctx context.Context, kind state.Kind) iter.Seq2[state.Entry, error] {
		return store.Scan(ctx, state.Range{Kind: kind})
	}, store.Session); err != nil {
		t.Fatal(err)
	}
	c.Registry = registry.New(c.Committer, store, c.Sessions, c.Sealer)
	c.Registry.SetCompanion(&registry.Companion{Module: tvilling.SecurityModule})
	c.Twins = twin.New(c.Committer, store, c.Sessions)
	c.Search = search.New(search.Options{Store: store, Sessions: c.Sessions, Index: c.Index, Document: func(dst []byte, v twin.View) []byte {
		return querytest.AppendTwin(dst, &query.Twin{Twin: v.Twin, Identity: v.Identity, Connected: v.Connected, LastActivity: v.LastActivity})
	}})
	c.Journal = journal.New(store, c.Committer)
	c.Policies = policy.New(c.Committer, c.Auth, c.Sealer, c.Sessions)
	if c.Accounts, err = account.New(t.Context(), account.Options{Commit: c.Committer, Store: store, Hasher: Hasher{}, Logger: log}); err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { c.Committer.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
	if value, err := json.Marshal(policies); err != nil {
		t.Fatal(err)
	} else if err := c.Committer.Do(t.Context(), func(tx *commit.Tx) error {
		tx.PutSetting(auth.PoliciesSetting, value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

// Register creates a device or module with keys made by the hub.
func (c *Core) Register(t testing.TB, id tvilling.Identity) registry.View {
	t.Helper()
	v, err := c.Registry.Put(t.Context(), registry.Spec{ID: id}, tvilling.Match{}, "test")
	if err != nil {
		t.Fatalf("register %s: %v", id, err)
	}
	return v
}

// Patch parses a patch or fails the test.
func Patch(t testing.TB, part doc.Part, body string) *doc.Patch {
	t.Helper()
	p, err := doc.Parse([]byte(body), part)
	if err != nil {
		t.Fatalf("parse %s: %v", body, err)
	}
	return p
}

// Client is the far end of a session: it keeps what it is handed.
type Client struct {
	mu      sync.Mutex
	patches []string
	closed  []error
}

// Desired keeps a change of desired properties.
func (c *Client) Desired(_ int64, patch []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.patches = append(c.patches, string(patch))
}

// Close keeps the reason.
func (c *Client) Close(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = append(c.closed, reason)
}

// Patches returns the changes of desired properties so far.
func (c *Client) Patches() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.patches...)
}

// Closed returns the reasons for which the connection was to be closed.
func (c *Client) Closed() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]error(nil), c.closed...)
}

// Connect opens a session as an identity, with the principal that its primary
// key gives.
func (c *Core) Connect(t testing.TB, id tvilling.Identity, clean bool) (*session.Session, *Client, bool) {
	t.Helper()
	client := new(Client)
	s, present, err := c.Sessions.Open(t.Context(), session.Options{ID: id, Principal: c.Principal(t, id), Clean: clean}, client)
	if err != nil {
		t.Fatalf("connect %s: %v", id, err)
	}
	return s, client, present
}

// Principal returns the principal that an identity's primary key gives.
func (c *Core) Principal(t testing.TB, id tvilling.Identity) auth.Principal {
	t.Helper()
	p, err := c.Auth.Connect(t.Context(), id, auth.Credentials{Token: c.Token(t, id)})
	if err != nil {
		t.Fatalf("authenticate %s: %v", id, err)
	}
	return p
}

// Token returns a token signed with an identity's primary key.
func (c *Core) Token(t testing.TB, id tvilling.Identity) string {
	t.Helper()
	rec, err := c.Store.Identity(t.Context(), id)
	if err != nil || rec == nil {
		t.Fatalf("read %s: %v, %v", id, rec, err)
	}
	primary, _, err := c.Registry.Keys(rec)
	if err != nil {
		t.Fatal(err)
	}
	resource := "hub/devices/" + string(id.Device)
	if id.IsModule() {
		resource += "/modules/" + string(id.Module)
	}
	token, err := auth.Sign(resource, primary, "", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return token
}
