package investigate

import (
	"context"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

// tableKind is a page that answers one question about events.
type tableKind struct {
	question investigate.Question
	// path is the page, title its name, range the one it has by itself.
	path, title, span string
	event             event.Kind
	// none says that there is nothing, so that the reader knows why.
	none string
}

// The pages that answer a question.
var (
	portsTable    = tableKind{investigate.Ports, "investigate/ports", "Listening ports", "24h", event.ListeningPortsKind, "No open port is known"}
	usersTable    = tableKind{investigate.Users, "investigate/users", "Accounts", "30d", event.LocalUsersKind, "No account is known"}
	baselineTable = tableKind{investigate.Baseline, "investigate/baseline", "Failed checks of the baseline", "7d", event.OSBaselineKind, "No check failed"}
	programsTable = tableKind{investigate.Processes, "investigate/processes", "Processes", "24h", event.ProcessCreateKind, "No process is known"}
)

// summaryTable is an answer as pages show it.
type summaryTable struct {
	Question string
	Scope    scope
	None     string
	Event    string
	Answer   *investigate.Summary
	// One of these has the lines.
	Ports    []*investigate.PortGroup
	Users    []*investigate.UserGroup
	Baseline []*investigate.BaselineGroup
	Programs []*investigate.ProcessGroup
	Lines    int
	bounds
}

// Events is the page with the events in which a member has a value.
func (t *summaryTable) Events(member, value string) string {
	v := t.Scope.values()
	v.Set("range", t.Scope.Range)
	if t.Scope.Range == "exact" {
		v.Del("range")
	}
	v.Set("name", t.Event)
	if w := condition(member, "=", value); w != "" {
		v.Set("where", w)
	}
	return address("investigate", v)
}

// summaryPage is what the template of a summary is given.
type summaryPage struct {
	Tabs    []tab
	Title   string
	Path    string
	Table   *summaryTable
	MaxPort string
}

func (a *area) summary(k tableKind) func(*web.Call) error {
	return func(c *web.Call) error {
		now := time.Now()
		s, err := readScope(c, k.span, now)
		if err != nil {
			return err
		}
		done, err := a.look(c.Context())
		if err != nil {
			return err
		}
		defer done()
		p := summaryPage{Tabs: tabs(k.path, s), Title: k.title, Path: address(k.path, nil)}
		if p.Table, err = a.table(c.Context(), k, s, now); err != nil {
			return err
		}
		return c.Page(web.View{Title: k.title, Nav: "investigate", Crumbs: crumbs, Template: pages, Name: "summary", Data: p})
	}
}

// table answers the question of a page.
func (a *area) table(ctx context.Context, k tableKind, s scope, now time.Time) (*summaryTable, error) {
	t := &summaryTable{Question: string(k.question), Scope: s, None: k.none, Event: k.event.String()}
	scope := investigate.Scope{Device: tvilling.DeviceID(s.Device), From: s.From, To: s.end(now)}
	if k.question == investigate.Ports {
		scope.MaxPort = 65535
	}
	var err error
	if t.Answer, err = a.reader.Summary(ctx, k.question, scope, within(lookTime).enough); err != nil {
		return nil, err
	}
	switch list := t.Answer.Groups.(type) {
	case []*investigate.PortGroup:
		t.Lines, t.Ports = len(list), list[:min(len(list), maxLines)]
	case []*investigate.UserGroup:
		t.Lines, t.Users = len(list), list[:min(len(list), maxLines)]
	case []*investigate.BaselineGroup:
		t.Lines, t.Baseline = len(list), list[:min(len(list), maxLines)]
	case []*investigate.ProcessGroup:
		t.Lines, t.Programs = len(list), list[:min(len(list), maxLines)]
	}
	t.bounds = boundsOf(t.Answer, t.Lines, k.path, s)
	return t, nil
}
