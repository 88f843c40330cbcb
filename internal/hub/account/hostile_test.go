package account_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/memory"
)

// slow takes a time to compare, as a hash that is work does.
type slow struct {
	hubtest.Hasher
	verified atomic.Int64
}

func (s *slow) Verify(ctx context.Context, encoded, password string) (ok, again bool, err error) {
	s.verified.Add(1)
	time.Sleep(100 * time.Millisecond) //nolint:forbidigo // in the bubble
	return s.Hasher.Verify(ctx, encoded, password)
}

// TestGuessesAtOnce: tries that are made at the same time do not all count as
// the first one.
func TestGuessesAtOnce(t *testing.T) {
	for _, test := range []struct {
		name    string
		address func(i int) string
		user    func(i int) string
		most    int64
	}{
		{"at one name, from everywhere", func(i int) string { return fmt.Sprintf("198.51.100.%d", i) }, func(int) string { return "anna" }, 5},
		{"at all names, from one place", func(int) string { return "198.51.100.1" }, func(i int) string { return fmt.Sprintf("user-%d", i) }, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := new(slow)
				h := over(t, memory.New(), func(o *account.Options) { o.Hasher = s })
				defer h.stop()
				h.add(t, "anna", account.Admin)
				var wg sync.WaitGroup
				for i := range 200 {
					wg.Go(func() {
						_, _, err := h.SignIn(t.Context(), test.user(i), "wrong wrong wrong", account.Origin{Address: test.address(i)})
						if c := tvilling.CodeOf(err); c != tvilling.Unauthorized && c != tvilling.Throttled {
							t.Errorf("got %v", err)
						}
					})
				}
				wg.Wait()
				if n := s.verified.Load(); n != test.most {
					t.Errorf("%d of 200 tries at once were made, want %d", n, test.most)
				}
			})
		})
	}
}

// TestOwnSignInForgivesNothing: whoever has an account, and sits where an admin
// does, does not get tries at the admin's password by signing in.
func TestOwnSignInForgivesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := over(t, memory.New(), nil)
		defer h.stop()
		h.add(t, "anna", account.Admin)
		h.add(t, "eve", account.Viewer)
		h.signIn(t, "anna")
		h.signIn(t, "eve")
		made := 0
		for range 100 {
			for range 4 {
				before := h.hasher.verified
				_, _, err := h.SignIn(t.Context(), "anna", "wrong wrong wrong", home)
				if err == nil {
					t.Fatal("a wrong password opens a session")
				}
				made += h.hasher.verified - before
			}
			// Refused or not: it is eve's own password.
			_, _, err := h.SignIn(t.Context(), "eve", password, home)
			if c := tvilling.CodeOf(err); err != nil && c != tvilling.Throttled {
				t.Fatal(err)
			}
		}
		if made > 10 {
			t.Errorf("eve made %d tries at anna's password at once", made)
		}
		// Typing errors of one's own are forgiven.
		time.Sleep(time.Minute) //nolint:forbidigo // in the bubble
		for range 30 {
			if _, _, err := h.SignIn(t.Context(), "eve", "wrong wrong wrong", home); tvilling.CodeOf(err) != tvilling.Unauthorized {
				t.Fatalf("a typing error: %v", err)
			}
			h.signIn(t, "eve")
		}
	})
}

// TestClockSetBack: a hub whose journal has times that are yet to come keeps
// people signed in, and nobody longer than they may be.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		ahead := time.Now().Add(48 * time.Hour)
		b := &state.Batch{Changes: []state.Change{{Sequence: 1, Time: ahead, Op: state.ChangeSetting, Actor: "test"}}}
		if err := store.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		h := over(t, store, nil)
		defer h.stop()
		h.add(t, "anna", account.Admin)
		h.add(t, "bert", account.Viewer)
		token, s := h.signIn(t, "anna")
		h.signIn(t, "bert")
		h.open(t, token, true)
		if left := time.Until(s.Expires); left > 12*time.Hour {
			t.Errorf("the session lasts %s", left)
		}
	})
	// One that was opened before the clock was set back ends with that.
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		created := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
		users := `[{"name":"anna","role":"admin","created":"2026-01-01T00:00:00Z","version":1}]`
		sessions := `[{"sum":"` + strings.Repeat("A", 43) + `=","user":"anna","created":"` + created + `","expires":"` + time.Now().Add(36*time.Hour).UTC().Format(time.RFC3339) + `"}]`
		put(t, store, users, sessions)
		h := over(t, store, nil)
		defer h.stop()
		if n := len(h.Sessions("anna")); n != 0 {
			t.Errorf("%d sessions of a clock that ran ahead are open", n)
		}
	})
}

func put(t *testing.T, store *memory.Store, users, sessions string) {
	t.Helper()
	b := &state.Batch{}
	for name, value := range map[string]string{"console.users": users, "console.sessions": sessions} {
		if value != "" {
			b.Writes = append(b.Writes, state.Write{Setting: &state.Setting{Name: name, Value: []byte(value)}})
		}
	}
	if err := store.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedUsers: users that cannot be read are no reason to take anybody for
// one, nor to let the next one who comes be the first admin.
func TestDamagedUsers(t *testing.T) {
	t.Parallel()
	for _, users := range []string{"", "{", "{}", "[null]", `[{"name":""}]`, `[{"name":"anna","role":"admin"},null]`, `[{"name":"a","role":"admin"},{"name":"A","role":"viewer"}]`, "\x00\x00", `"x"`} {
		for _, sessions := range []string{"", "[null]", "{", `[{"sum":"AA=="}]`} {
			if users == "" && sessions == "" {
				continue
			}
			store := memory.New()
			put(t, store, users, sessions)
			_, err := account.New(t.Context(), account.Options{Store: store, Hasher: hubtest.Hasher{}, SetupCode: "x"})
			if tvilling.CodeOf(err) != tvilling.Corrupt || !strings.Contains(tvilling.MessageOf(err), "backup") {
				t.Errorf("users %q, sessions %q: %v", users, sessions, err)
			}
		}
	}
}
