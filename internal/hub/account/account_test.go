package account_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/memory"
)

const password = "a long enough one"

var home = account.Origin{Address: "192.0.2.1", Agent: "test"}

// counting counts how often a password was compared.
type counting struct {
	hubtest.Hasher
	verified int
}

func (c *counting) Verify(ctx context.Context, encoded, password string) (ok, again bool, err error) {
	c.verified++
	return c.Hasher.Verify(ctx, encoded, password)
}

// hub is a service over a store, with its committer.
type hub struct {
	*account.Service
	store  *memory.Store
	hasher *counting
	stop   func()
}

// over starts a service over a store, as a start of the hub does.
func over(t *testing.T, store *memory.Store, change func(*account.Options)) *hub {
	t.Helper()
	c, err := commit.New(t.Context(), commit.Options{Store: store, Fatal: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{store: store, hasher: new(counting)}
	o := account.Options{Commit: c, Store: store, Hasher: h.hasher, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&o)
	}
	if h.Service, err = account.New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	core, stopCore := context.WithCancel(context.WithoutCancel(t.Context()))
	ctx, stop := context.WithCancel(core)
	var inner, outer sync.WaitGroup
	inner.Go(func() { c.Run(core) })
	outer.Go(func() { h.Run(ctx) })
	h.stop = func() { stop(); outer.Wait(); stopCore(); inner.Wait() }
	return h
}

func (h *hub) add(t *testing.T, name string, role account.Role) {
	t.Helper()
	if _, err := h.Add(t.Context(), name, role, password, "test"); err != nil {
		t.Fatal(err)
	}
}

func (h *hub) signIn(t *testing.T, name string) (string, account.Session) {
	t.Helper()
	token, s, err := h.SignIn(t.Context(), name, password, home)
	if err != nil {
		t.Fatal(err)
	}
	return token, s
}

func (h *hub) open(t *testing.T, token string, want bool) {
	t.Helper()
	_, err := h.Session(t.Context(), token)
	if want && err != nil || !want && tvilling.CodeOf(err) != tvilling.Unauthorized {
		t.Errorf("the session is open: got %v, want %t", err, want)
	}
}

func (h *hub) journal(t *testing.T) (list []state.Change) {
	t.Helper()
	for c, err := range h.store.Changes(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

func code(t *testing.T, err error, want tvilling.Code) {
	t.Helper()
	if tvilling.CodeOf(err) != want {
		t.Errorf("got %v, want code %s", err, want)
	}
}

// nothing lets a time pass.
func nothing(d time.Duration) func(*testing.T, *hub, account.Session) error {
	return func(*testing.T, *hub, account.Session) error {
		time.Sleep(d) //nolint:forbidigo // in the bubble
		return nil
	}
}

// TestSessionEnds: by its age, without use, by sign-out, another password, a
// lower role, a disabled and a removed user, and by nothing else.
func TestSessionEnds(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(t *testing.T, h *hub, s account.Session) error
		// hourly has the session used each hour, for so many hours.
		hourly int
		stays  bool
	}{
		{"used for 11 hours", nothing(0), 11, true},
		{"used for 12 hours", nothing(0), 12, false},
		{"idle", nothing(2 * time.Hour), 0, false},
		{"nearly idle", nothing(119 * time.Minute), 0, true},
		{"sign-out", func(t *testing.T, h *hub, s account.Session) error {
			return h.End(t.Context(), s.User, s.ID, s.Actor())
		}, 0, false},
		{"own password", func(t *testing.T, h *hub, s account.Session) error {
			return h.ChangePassword(t.Context(), s, password, "another long one")
		}, 0, true},
		{"password", func(t *testing.T, h *hub, s account.Session) error {
			return h.SetPassword(t.Context(), s.User, "another long one", "test")
		}, 0, false},
		{"lower role", func(t *testing.T, h *hub, s account.Session) error {
			_, err := h.Change(t.Context(), s.User, account.Edit{Role: account.Viewer}, tvilling.Match{}, "test")
			return err
		}, 0, false},
		{"higher role", func(t *testing.T, h *hub, s account.Session) error {
			_, err := h.Change(t.Context(), s.User, account.Edit{Role: account.Admin}, tvilling.Match{}, "test")
			return err
		}, 0, true},
		{"disabled", func(t *testing.T, h *hub, s account.Session) error {
			yes := true
			_, err := h.Change(t.Context(), s.User, account.Edit{Disabled: &yes}, tvilling.Match{}, "test")
			return err
		}, 0, false},
		{"removed", func(t *testing.T, h *hub, s account.Session) error {
			return h.Remove(t.Context(), s.User, tvilling.Match{}, "test")
		}, 0, false},
		{"nothing", nothing(0), 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memory.New()
				h := over(t, store, nil)
				h.add(t, "root", account.Admin)
				h.add(t, "anna", account.Operator)
				token, s := h.signIn(t, "anna")
				other, _ := h.signIn(t, "root")
				for i := range test.hourly {
					if i > 0 {
						h.open(t, token, true)
					}
					time.Sleep(time.Hour) //nolint:forbidigo // in the bubble
				}
				if err := test.do(t, h, s); err != nil {
					t.Fatal(err)
				}
				h.open(t, token, test.stays)
				// Of another user nothing ends, but by time.
				h.open(t, other, test.hourly == 0 && test.name != "idle")
				// A restart changes nothing of it, except that it is used anew.
				synctest.Wait()
				h.stop()
				h = over(t, store, nil)
				h.open(t, token, test.stays)
				h.stop()
			})
		})
	}
}

// TestUnknownCostsAsMuch: an unknown name, a user without a password and a
// disabled one are compared as often as a wrong password, and told the same.
func TestUnknownCostsAsMuch(t *testing.T) {
	t.Parallel()
	h := over(t, memory.New(), nil)
	defer h.stop()
	h.add(t, "anna", account.Admin)
	h.add(t, "off", account.Viewer)
	yes := true
	if _, err := h.Change(t.Context(), "off", account.Edit{Disabled: &yes}, tvilling.Match{}, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Add(t.Context(), "linked", account.Viewer, "", "test"); err != nil {
		t.Fatal(err)
	}
	told := ""
	for _, try := range [][2]string{{"anna", "wrong"}, {"nobody", password}, {"off", password}, {"linked", ""}, {"linked", password}, {"anna", strings.Repeat("x", 1000)}} {
		before := h.hasher.verified
		_, _, err := h.SignIn(t.Context(), try[0], try[1], home)
		code(t, err, tvilling.Unauthorized)
		if h.hasher.verified != before+1 {
			t.Errorf("%q was compared %d times, want once", try, h.hasher.verified-before)
		}
		if told == "" {
			told = err.Error()
		}
		if err.Error() != told {
			t.Errorf("%q is told %q, want %q", try, err, told)
		}
	}
}

// TestGuessingWaits: tries wait longer and longer, are not made meanwhile, and
// neither lock the user out where the user is known, nor for ever.
func TestGuessingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := over(t, memory.New(), nil)
		defer h.stop()
		h.add(t, "anna", account.Admin)
		h.signIn(t, "anna") // home is known now
		away := account.Origin{Address: "2001:db8::1"}
		made := 0
		for i := range 600 { // each second for ten minutes, from addresses of one network
			away.Address = fmt.Sprintf("2001:db8::%x", i+1)
			before := h.hasher.verified
			_, _, err := h.SignIn(t.Context(), "Anna", "wrong wrong wrong", away)
			if tvilling.CodeOf(err) == tvilling.Throttled && h.hasher.verified != before {
				t.Fatal("a try that has to wait was made")
			}
			made += h.hasher.verified - before
			time.Sleep(time.Second) //nolint:forbidigo // in the bubble
		}
		if made < 10 || made > 30 {
			t.Errorf("%d tries were made in ten minutes, want about 26", made)
		}
		h.signIn(t, "anna")          // from home, at once
		time.Sleep(31 * time.Second) //nolint:forbidigo // in the bubble
		if _, _, err := h.SignIn(t.Context(), "anna", password, away); err != nil {
			t.Errorf("after the longest wait: %v", err)
		}
		// What was refused is told in few entries.
		synctest.Wait()
		refused := 0
		for _, c := range h.journal(t) {
			if c.Op == state.SignInRefused {
				refused++
				if !strings.Contains(string(c.Body), `"user":"anna"`) {
					t.Errorf("refusals without the name: %s", c.Body)
				}
			}
		}
		if refused == 0 || refused > 62 {
			t.Errorf("600 refusals are %d entries, want one each ten seconds", refused)
		}
	})
}

// TestUnknownNameIsNotKept: what was typed as a name may be a password.
func TestUnknownNameIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := over(t, memory.New(), nil)
		_, _, err := h.SignIn(t.Context(), "my secret passphrase", "x", home)
		code(t, err, tvilling.Unauthorized)
		synctest.Wait()
		h.stop()
		list := h.journal(t)
		if len(list) != 1 || list[0].Op != state.SignInRefused || strings.Contains(string(list[0].Body), "secret") {
			t.Errorf("got %+v", list)
		}
	})
}

// TestLastAdmin: of two admins who remove, demote and disable each other at
// once, one is left.
func TestLastAdmin(t *testing.T) {
	t.Parallel()
	yes := true
	for round := range 20 {
		h := over(t, memory.New(), nil)
		names := []string{"a", "b", "c"}
		for _, n := range names {
			h.add(t, n, account.Admin)
		}
		var wg sync.WaitGroup
		for i, n := range names {
			wg.Go(func() {
				var err error
				switch (i + round) % 3 {
				case 0:
					err = h.Remove(t.Context(), n, tvilling.Match{}, "test")
				case 1:
					_, err = h.Change(t.Context(), n, account.Edit{Role: account.Viewer}, tvilling.Match{}, "test")
				default:
					_, err = h.Change(t.Context(), n, account.Edit{Disabled: &yes}, tvilling.Match{}, "test")
				}
				if err != nil && tvilling.CodeOf(err) != tvilling.InvalidArgument {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if !h.HasAdmin() {
			t.Error("no admin is left")
		}
		h.stop()
	}
}

// TestLink: a link signs in once, within its time, and is ended by another.
func TestLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := over(t, memory.New(), nil)
		defer h.stop()
		if _, err := h.Add(t.Context(), "anna", account.Admin, "", "test"); err != nil {
			t.Fatal(err)
		}
		link := func() string {
			token, _, err := h.Link(t.Context(), "anna", "test")
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		follow := func(token string) (account.Session, error) {
			_, s, err := h.FollowLink(t.Context(), token, home)
			return s, err
		}
		first, second := link(), link()
		_, err := follow(first)
		code(t, err, tvilling.Unauthorized)
		if user, err := h.LinkUser(second); user != "anna" || err != nil {
			t.Errorf("got %q, %v", user, err)
		}
		s, err := follow(second)
		if err != nil || s.User != "anna" || !s.ByLink {
			t.Fatalf("got %+v, %v", s, err)
		}
		_, err = follow(second)
		code(t, err, tvilling.Unauthorized)
		late := link()
		time.Sleep(account.LinkLife) //nolint:forbidigo // in the bubble
		_, err = follow(late)
		code(t, err, tvilling.Unauthorized)
		// The password is set without one before, once.
		if err := h.ChangePassword(t.Context(), s, "", password); err != nil {
			t.Fatal(err)
		}
		now := h.Sessions("anna")[0]
		code(t, h.ChangePassword(t.Context(), now, "", "another long one"), tvilling.InvalidArgument)
	})
}

// TestSetup: the code makes one admin, once; a wrong one waits in the end.
func TestSetup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := 0
		secret := account.NewSetupCode()
		h := over(t, memory.New(), func(o *account.Options) {
			o.SetupCode, o.SetupDone = secret, func() { done++ }
		})
		defer h.stop()
		for range 20 {
			_, _, err := h.Setup(t.Context(), "aaaaa-aaaaa-aaaaa-aaaaa", "anna", password, home)
			code(t, err, tvilling.InvalidArgument)
		}
		_, _, err := h.Setup(t.Context(), secret, "anna", password, home)
		code(t, err, tvilling.Throttled)
		time.Sleep(30 * time.Second) //nolint:forbidigo // in the bubble
		_, _, err = h.Setup(t.Context(), secret, "anna", "short", home)
		code(t, err, tvilling.InvalidArgument)
		typed := strings.ToUpper(strings.ReplaceAll(secret, "-", " "))
		if _, s, err := h.Setup(t.Context(), typed, "anna", password, home); err != nil || !s.May(account.Admin) {
			t.Fatalf("got %+v, %v", s, err)
		}
		if done != 1 || h.SetupOpen() {
			t.Errorf("set-up was ended %d times, open is %t", done, h.SetupOpen())
		}
		_, _, err = h.Setup(t.Context(), secret, "eve", password, home)
		code(t, err, tvilling.InvalidArgument)
	})
}

// TestMany: one session more than there may be ends that used longest ago.
func TestMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := over(t, memory.New(), nil)
		defer h.stop()
		h.add(t, "anna", account.Viewer)
		var tokens []string
		for range account.MaxUserSessions {
			token, _ := h.signIn(t, "anna")
			tokens = append(tokens, token)
			time.Sleep(time.Second) //nolint:forbidigo // in the bubble
		}
		h.open(t, tokens[0], true) // used now
		h.signIn(t, "anna")
		h.open(t, tokens[0], true)
		h.open(t, tokens[1], false)
		if n := len(h.Sessions("anna")); n != account.MaxUserSessions {
			t.Errorf("%d sessions", n)
		}
	})
}

// TestNames: what may be a name and a password.
func TestNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"anna": true, "A.b-c_d@e+f": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a b": false, "a\x00b": false, "a\u202eb": false, "<b>": false, "änne": false, "a/b": false, "a:b": false,
	} {
		if err := account.CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	for word, ok := range map[string]bool{
		password: true, "Zwölf Wörter": true, strings.Repeat("aé1?", 40): false, "thelongestone!": true,
		"short": false, "elevenchars": false, strings.Repeat("x", 257): false, "aaaaaaaaaaaa": false, "abcabcabcabc": false,
		"password1234": false, "Passw0rd2026!": false, "123456789012": false, "qwertyuiopas": false, "annaannaanna": false, "anna-anna-12": false,
		"correct horse battery staple": false, "a\xffbcdefghijkl": false, "tvilling2026": false,
	} {
		if err := account.CheckPassword("anna", word); (err == nil) != ok {
			t.Errorf("%q: %v", word, err)
		}
	}
}

// TestConflict: a change of what somebody else has changed is refused.
func TestConflict(t *testing.T) {
	t.Parallel()
	h := over(t, memory.New(), nil)
	defer h.stop()
	h.add(t, "root", account.Admin)
	h.add(t, "anna", account.Viewer)
	u, err := h.User("ANNA")
	if err != nil {
		t.Fatal(err)
	}
	seen := tvilling.Match{Given: true, Tag: u.ETag()}
	if _, err := h.Change(t.Context(), "anna", account.Edit{Role: account.Operator}, seen, "test"); err != nil {
		t.Fatal(err)
	}
	_, err = h.Change(t.Context(), "anna", account.Edit{Role: account.Admin}, seen, "test")
	code(t, err, tvilling.PreconditionFailed)
	code(t, h.Remove(t.Context(), "anna", seen, "test"), tvilling.PreconditionFailed)
	_, err = h.Add(t.Context(), "Anna", account.Viewer, password, "test")
	code(t, err, tvilling.PreconditionFailed)
	if errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestJournal: no entry holds a password, a hash or a token.
func TestJournal(t *testing.T) {
	t.Parallel()
	h := over(t, memory.New(), nil)
	h.add(t, "anna", account.Admin)
	token, s := h.signIn(t, "anna")
	link, _, err := h.Link(t.Context(), "anna", s.Actor())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Record(t.Context(), s.Actor(), "sink.test", "siem"); err != nil {
		t.Fatal(err)
	}
	if err := h.End(t.Context(), "anna", s.ID, s.Actor()); err != nil {
		t.Fatal(err)
	}
	h.stop()
	var ops []state.Op
	for _, c := range h.journal(t) {
		ops = append(ops, c.Op)
		for _, secret := range []string{token, link, password} {
			if strings.Contains(string(c.Body), secret) {
				t.Errorf("%s tells a secret: %s", c.Op, c.Body)
			}
		}
	}
	want := []state.Op{state.ChangeUser, state.SignedIn, state.ChangeUser, state.Acted, state.SignedOut}
	if fmt.Sprint(ops) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", ops, want)
	}
	value, err := h.store.Setting(t.Context(), "console.sessions")
	if err != nil || strings.Contains(string(value), token) {
		t.Errorf("the store has the token: %s, %v", value, err)
	}
}
