package investigate

import (
	"cmp"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

const (
	// maxLogins is how many events of logins a page is made of.
	maxLogins = 5000
	// together is how far apart attempts may be that are one line.
	together = 10 * time.Minute
)

// attempt is who tried what, from where.
type attempt struct{ Device, User, From, By, Operation, Result string }

// login is one login, or attempts one after the other that are alike.
type login struct {
	attempt
	// First and Last are the times of the attempts, Count how many there were.
	First, Last time.Time
	Count       int64
	// Events is the page with the events that it was made of.
	Events string
	Lists  []string
}

// Failed reports whether nobody got in.
func (l *login) Failed() bool { return strings.EqualFold(l.Result, "fail") }

// Succeeded reports whether somebody did.
func (l *login) Succeeded() bool { return strings.EqualFold(l.Result, "success") }

// loginsPage is what the template of logins is given.
type loginsPage struct {
	Tabs  []tab
	Scope scope
	User  string
	Rows  []*login
	// Failures and Successes count attempts.
	Failures, Successes int64
	Events              string
	// Stopped says that there are others, before Through; Earlier is the page with
	// them.
	Stopped bool
	Through time.Time
	Earlier string
	Damaged int
}

func (a *area) logins(c *web.Call) error {
	now := time.Now()
	s, err := readScope(c, "7d", now)
	if err != nil {
		return err
	}
	p := loginsPage{Tabs: tabs("investigate/logins", s), Scope: s, User: c.Query("user")}
	v := s.values()
	v.Set("name", event.LoginKind.String())
	var where investigate.Where
	if p.User != "" {
		w := condition(event.UserName.String(), "=", p.User)
		if w == "" {
			return problem("user", "The name of a user is too long to look for.")
		}
		if where, err = investigate.ParseWhere([]string{w}); err != nil {
			return err
		}
		v.Set("where", w)
	}
	p.Events = address("investigate", v)
	done, err := a.look(c.Context())
	if err != nil {
		return err
	}
	defer done()
	q := event.Query{Device: tvilling.DeviceID(s.Device), Names: []string{event.LoginKind.String()}, From: s.From, To: s.To, Descending: true}
	t, n := within(lookTime), 0
	fold := foldLogins{open: make(map[attempt]*login)}
	for f, err := range a.reader.Find(c.Context(), q, where) {
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			p.Damaged++
			continue
		}
		if err != nil {
			return err
		}
		items, err := investigate.Items(f.Record)
		if err != nil {
			p.Damaged++
			continue
		}
		for _, it := range items {
			if l, ok := it.(*event.Login); ok && where.Holds(l) {
				fold.add(f.Record, l)
			}
		}
		if n++; n == maxLogins || t.enough() {
			p.Stopped, p.Through = true, f.Event.Time
			break
		}
	}
	a.finish(&p, fold.list)
	return c.Page(web.View{Title: "Logins", Nav: "investigate", Crumbs: crumbs, Template: pages, Name: "logins", Data: p})
}

// finish counts the attempts and bounds the lines.
func (a *area) finish(p *loginsPage, list []*login) {
	if len(list) > maxLines {
		list = list[:maxLines]
		p.Stopped, p.Through = true, list[maxLines-1].First
	}
	for _, l := range list {
		l.Lists = a.opt.Indicators(l.From)
		v := around(l.Device, l.First)
		v.Set("to", l.Last.Add(5*time.Minute).UTC().Format(time.RFC3339Nano))
		v.Set("name", event.LoginKind.String())
		l.Events = address("investigate", v)
		switch {
		case l.Failed():
			p.Failures += l.Count
		case l.Succeeded():
			p.Successes += l.Count
		}
	}
	p.Rows = list
	if p.Stopped {
		earlier := p.Scope
		earlier.Range, earlier.To = "exact", p.Through
		v := earlier.values()
		set(v, "user", p.User)
		p.Earlier = address("investigate/logins", v)
	}
}

// foldLogins puts attempts together that are alike, newest first.
type foldLogins struct {
	list []*login
	// open are the lines that may still grow, by who and what.
	open map[attempt]*login
}

func (f *foldLogins) add(rec *event.Record, it *event.Login) {
	who := attempt{
		Device: string(rec.From.Device), User: cmp.Or(it.UserName, it.UserID), From: it.RemoteAddress, By: it.Executable, Operation: it.Operation, Result: it.Result,
	}
	at, hits := rec.Event.Time, event.Hits(it)
	if l := f.open[who]; l != nil && l.First.Sub(at) <= together {
		l.Count += hits
		if at.Before(l.First) {
			l.First = at
		}
		return
	}
	l := &login{attempt: who, First: at, Last: at, Count: hits}
	f.open[who] = l
	f.list = append(f.list, l)
}
