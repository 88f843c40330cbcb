package hubapi

import (
	"context"
	"iter"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/audit"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/live"
	"github.com/tvilling/tvilling/internal/hub/message"
	"github.com/tvilling/tvilling/internal/hub/policy"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/security/onboard"
)

// Registry keeps the identities; a [registry.Service] is one.
type Registry interface {
	Get(ctx context.Context, id tvilling.Identity) (registry.View, error)
	Put(ctx context.Context, spec registry.Spec, match tvilling.Match, actor string) (registry.View, error)
	Delete(ctx context.Context, id tvilling.Identity, match tvilling.Match, actor string) error
	Devices(ctx context.Context, top int) ([]registry.View, error)
	Page(ctx context.Context, after tvilling.DeviceID, top int) ([]registry.View, error)
	Modules(ctx context.Context, d tvilling.DeviceID) ([]registry.View, error)
	Keys(rec *state.Identity) (primary, secondary string, err error)
	Regenerate(ctx context.Context, id tvilling.Identity, which, actor string) (registry.View, error)
	Restore(ctx context.Context, d tvilling.DeviceID, actor string) (registry.View, error)
	Statistics(ctx context.Context) (registry.Statistics, error)
}

// Twins reads and changes twins; a [twin.Service] is one.
type Twins interface {
	Get(ctx context.Context, id tvilling.Identity) (twin.View, error)
	Patch(ctx context.Context, id tvilling.Identity, u twin.Update, match tvilling.Match, actor string) (twin.View, error)
	Replace(ctx context.Context, id tvilling.Identity, u twin.Update, match tvilling.Match, actor string) (twin.View, error)
}

// History tells how twins were, and puts them back; a [history.Service] does.
type History interface {
	Versions(ctx context.Context, id tvilling.Identity, q history.Query) (*history.Page, error)
	At(ctx context.Context, id tvilling.Identity, point history.Point) (*history.State, error)
	Restore(ctx context.Context, id tvilling.Identity, point history.Point, match tvilling.Match, actor string) (twin.View, error)
}

// Search answers queries over the twins; a [search.Service] is one.
type Search interface {
	Run(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error)
	Explain(ctx context.Context, q *query.Query, o query.Options, run bool) (*search.Explanation, error)
}

// Messages yields what devices sent, oldest first; a [message.Service] is one.
type Messages interface {
	Head(kind message.Kind) uint64
	Read(ctx context.Context, kind message.Kind, after uint64, follow bool) iter.Seq2[*tvilling.Message, error]
}

// Journal yields the changes of the hub, oldest first; a journal.Journal is one.
type Journal interface {
	Head() uint64
	Read(ctx context.Context, after uint64, follow bool) iter.Seq2[state.Change, error]
}

// Live opens live queries; a [live.Service] is one.
type Live interface {
	Open(ctx context.Context, text, cursor string) (*live.Subscription, error)
}

// Policies keeps the shared access policies of the hub; a [policy.Service] is one.
type Policies interface {
	List(ctx context.Context) ([]policy.Policy, error)
	Get(ctx context.Context, name string) (policy.Policy, error)
	Put(ctx context.Context, p policy.Policy, actor string) (policy.Policy, error)
	Delete(ctx context.Context, name, actor string) error
	Regenerate(ctx context.Context, name, which, actor string) (policy.Policy, error)
}

// Settings keeps the settings of the hub; an [onboard.Service] is one.
type Settings interface {
	// Current returns those in force; it does not wait.
	Current() onboard.Settings
	// Change makes next durable and puts it in force.
	Change(ctx context.Context, next onboard.Settings, actor string) error
}

// Adoption tells of the adoption of existing devices; an [onboard.Service] does.
type Adoption interface {
	Progress() onboard.Progress
}

// Users keeps the people who may use the console; an [account.Service] does.
type Users interface {
	Users() []account.User
	User(name string) (account.User, error)
	Add(ctx context.Context, name string, role account.Role, password, actor string) (account.User, error)
	Change(ctx context.Context, name string, e account.Edit, match tvilling.Match, actor string) (account.User, error)
	Remove(ctx context.Context, name string, match tvilling.Match, actor string) error
	SetPassword(ctx context.Context, name, password, actor string) error
	Link(ctx context.Context, name, actor string) (token string, expires time.Time, err error)
	Sessions(name string) []account.Session
	End(ctx context.Context, name, id, actor string) error
	EndAll(ctx context.Context, name, but, actor string) (int, error)
}

// Audit tells what users and policies did; an [audit.Log] does.
type Audit interface {
	Page(ctx context.Context, f audit.Filter, before uint64, limit int) (audit.Page, error)
	All(ctx context.Context, f audit.Filter) iter.Seq2[audit.Entry, error]
}

// Configurations keeps the automatic configurations and applies them; a
// [configuration.Service] is one.
type Configurations interface {
	List(ctx context.Context) ([]configuration.Configuration, error)
	Get(ctx context.Context, id string) (configuration.Configuration, error)
	Put(ctx context.Context, c configuration.Configuration, match tvilling.Match, actor string) (configuration.Configuration, error)
	Delete(ctx context.Context, id string, match tvilling.Match, actor string) error
	Test(target string, queries map[string]string) (targetError string, queryErrors map[string]string)
	Metrics(ctx context.Context, id string) (configuration.Metrics, error)
	Progress(ctx context.Context, id string) (configuration.Progress, error)
	Plan(ctx context.Context, c configuration.Configuration, after tvilling.Identity, limit int) (*configuration.DryRun, error)
	Notices(c configuration.Configuration) []configuration.Notice
	Why(ctx context.Context, id tvilling.Identity) (*configuration.Explanation, error)
	Pause(ctx context.Context, id, actor string) (configuration.Progress, error)
	Resume(ctx context.Context, id, actor string) (configuration.Progress, error)
	Advance(ctx context.Context, id, actor string) (configuration.Progress, error)
	Rollback(ctx context.Context, id, actor string) (configuration.Progress, error)
}
