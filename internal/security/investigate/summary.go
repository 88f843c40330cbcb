package investigate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// Question is one that a summary answers.
type Question string

// The questions (asc §10).
const (
	// Users: who has an account, in which groups, since when.
	Users Question = "users"
	// Ports: what listens on the low ports.
	Ports Question = "ports"
	// Logins: who logged in, or tried to, from elsewhere.
	Logins Question = "logins"
	// Processes: what ran, as whom, with which arguments.
	Processes Question = "processes"
	// Baseline: which checks of the baseline did not pass.
	Baseline Question = "baseline"
	// Connections: with whom devices speak, when.
	Connections Question = "connections"
	// Processtree: which processes of one device started which.
	Processtree Question = "tree"
)

// Questions returns all there are.
func Questions() []Question {
	return []Question{Users, Ports, Logins, Processes, Baseline, Connections, Processtree}
}

// Scope narrows a question; zero members do not.
type Scope struct {
	Device tvilling.DeviceID
	// From and To bound the time of the events.
	From, To time.Time
	// MaxPort is the highest local port that the answer about ports has;
	// [DefaultMaxPort] if 0.
	MaxPort int64
}

// Summary is an answer.
type Summary struct {
	Question Question `json:"question"`
	// Groups are the lines: []*UserGroup, []*PortGroup and so on; of a tree
	// []Process.
	Groups any `json:"groups"`
	// Events is how many events were read.
	Events int64 `json:"events"`
	// Shed counts what is in no group since there was no room for one.
	Shed int64 `json:"shed"`
	// Damaged counts events that could not be read from the store.
	Damaged int64 `json:"damaged"`
	// Complete says that all events of the scope were read; if not, Through is
	// when the newest one read was received.
	Complete bool      `json:"complete"`
	Through  time.Time `json:"through,omitzero"`
	// Since is, of a tree that is not complete, the time of the oldest event read.
	Since time.Time `json:"since,omitzero"`
}

// fold takes items one by one, and gives an answer.
type fold interface {
	name() string
	add(rec *event.Record, it event.Item)
	answer() (list any, shed int64)
}

// Summary answers a question. It ends early, with Complete false, when enough
// says so: that is asked after every event.
func (r *Reader) Summary(ctx context.Context, question Question, s Scope, enough func() bool) (*Summary, error) {
	out := &Summary{Question: question, Complete: true}
	var f fold
	switch question {
	case Users:
		f = &users{}
	case Ports:
		f = &ports{max: s.MaxPort}
	case Logins:
		f = &logins{}
	case Processes:
		names := newAccounts()
		if err := r.accounts(ctx, s, names, out, enough); err != nil {
			return nil, err
		}
		f = &processes{names: names}
	case Baseline:
		f = &baseline{}
	case Connections:
		f = &connections{from: s.From, to: s.To}
	case Processtree:
		t, err := r.Tree(ctx, s, enough)
		if err != nil {
			return nil, err
		}
		return &Summary{Question: question, Groups: t.List(), Events: t.Events, Damaged: t.Damaged, Complete: t.Complete, Since: t.Since}, nil
	default:
		return nil, &tvilling.Error{Code: tvilling.NotFound, Op: "summarise events", Message: fmt.Sprintf("There is no summary %q; there are users, ports, logins, processes, baseline, connections and tree.", question)}
	}
	if out.Complete {
		q := event.Query{Device: s.Device, Names: []string{f.name()}, From: s.From, To: s.To}
		if err := r.each(ctx, q, out, enough, f.add); err != nil {
			return nil, err
		}
	}
	out.Groups, out.Shed = f.answer()
	return out, nil
}

// each reads the items of the events of a query.
func (r *Reader) each(ctx context.Context, q event.Query, out *Summary, enough func() bool, take func(*event.Record, event.Item)) error {
	for rec, err := range r.events(ctx, q) {
		var items []event.Item
		if err == nil {
			items, err = Items(rec)
		}
		if err != nil {
			if tvilling.CodeOf(err) != tvilling.Corrupt {
				return err
			}
			out.Damaged++
			continue
		}
		out.Events++
		for _, it := range items {
			take(rec, it)
		}
		if enough() {
			out.Complete, out.Through = false, rec.Received
			return nil
		}
	}
	return ctx.Err()
}

// usersBack is how far before the scope accounts are looked for: their
// snapshots come far apart.
const usersBack = 7 * 24 * time.Hour

// accounts reads which user ids belong to which names.
func (r *Reader) accounts(ctx context.Context, s Scope, into *accountNames, out *Summary, enough func() bool) error {
	q := event.Query{Device: s.Device, Names: []string{event.LocalUsersKind.String()}, To: s.To}
	if !s.From.IsZero() {
		q.From = s.From.Add(-usersBack)
	}
	return r.each(ctx, q, out, enough, into.add)
}

// accountNames knows the names of user ids per device.
type accountNames struct {
	memory
	names map[account]string
}

type account struct {
	device tvilling.DeviceID
	id     string
}

func newAccounts() *accountNames { return &accountNames{names: make(map[account]string)} }

func (a *accountNames) add(rec *event.Record, it event.Item) {
	u, ok := it.(*event.LocalUsers)
	if !ok || u.UserID == "" || len(u.UserID) > MaxValue {
		return
	}
	key, name := account{rec.From.Device, u.UserID}, clip(u.UserName)
	if _, known := a.names[key]; !known {
		if !a.take(len(key.device) + len(key.id) + len(name) + 96) {
			return // the process's own user name has to do
		}
		key.id = strings.Clone(key.id)
	}
	a.names[key] = strings.Clone(name) // the newest snapshot is right
}

// of returns the name of a user: as the accounts of the device have it, as
// the event says, or the id.
func (a *accountNames) of(device tvilling.DeviceID, id, said string) string {
	if name := a.names[account{device, id}]; name != "" && id != "" {
		return name
	}
	if said != "" {
		return said
	}
	return id
}
