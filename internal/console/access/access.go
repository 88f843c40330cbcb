// Package access is how people get into the console: set-up of the first
// admin, sign-in and sign-out, one-time links, one's own account, and the
// settings of who may do what: users, shared access policies, the audit log.
package access

import (
	"context"
	"embed"
	"net/http"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

// Accounts keeps users and sessions; an [account.Service] does.
type Accounts interface {
	SignIn(ctx context.Context, name, password string, from account.Origin) (string, account.Session, error)
	Session(ctx context.Context, token string) (account.Session, error)
	Sessions(name string) []account.Session
	End(ctx context.Context, name, id, actor string) error
	EndAll(ctx context.Context, name, but, actor string) (int, error)

	HasUsers() bool
	SetupOpen() bool
	Setup(ctx context.Context, code, name, password string, from account.Origin) (string, account.Session, error)

	LinkUser(token string) (string, error)
	Link(ctx context.Context, name, actor string) (token string, expires time.Time, err error)
	FollowLink(ctx context.Context, token string, from account.Origin) (string, account.Session, error)

	Users() []account.User
	User(name string) (account.User, error)
	Add(ctx context.Context, name string, role account.Role, password, actor string) (account.User, error)
	Change(ctx context.Context, name string, e account.Edit, match tvilling.Match, actor string) (account.User, error)
	Remove(ctx context.Context, name string, match tvilling.Match, actor string) error
	ChangePassword(ctx context.Context, who account.Session, current, next string) error
}

// Options are what the pages work with.
type Options struct {
	Accounts Accounts
	// SetupFile is where the hub keeps the set-up code until there is an admin.
	SetupFile string
	Policies  Policies
	Audit     Audit
	// Hub is the name of the hub in connection strings.
	Hub string
}

type access struct{ opt Options }

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	p := &access{opt: o}
	const get, post = http.MethodGet, http.MethodPost
	return slices.Concat(p.userRoutes(), p.policyRoutes(), p.auditRoutes(), []web.Route{
		{Method: get, Path: "/sign-in", Do: p.signInPage},
		{Method: post, Path: "/sign-in", Do: p.signIn},
		{Method: get, Path: "/sign-in/link", Do: p.linkPage},
		{Method: post, Path: "/sign-in/link", Do: p.link},
		{Method: post, Path: "/sign-out", Do: p.signOut},
		{Method: get, Path: "/setup", Do: p.setupPage},
		{Method: post, Path: "/setup", Do: p.setup},

		{Method: get, Path: "/account", Role: account.Viewer, Do: p.account},
		{Method: post, Path: "/account/password", Role: account.Viewer, Do: p.password},
		{Method: post, Path: "/account/sessions/end", Role: account.Viewer, Do: p.endSession},
		{Method: post, Path: "/account/preferences", Role: account.Viewer, Do: p.preferences},
	})
}

// SignIn answers who asks for a page and has no session: with the way to sign
// in, from where it goes on. What was typed into a form is kept.
func SignIn(o Options) func(c *web.Call) error {
	p := &access{opt: o}
	return p.askToSignIn
}
