package app

import (
	"context"
	"encoding/json"
	"iter"
	"path/filepath"

	"github.com/tvilling/tvilling/internal/hub/audit"
	"github.com/tvilling/tvilling/internal/hub/journal"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/auditlog"
)

// openAudit opens the log of what users and policies did, which follows the
// hub's journal and the security plane's feed.
func (a *App) openAudit(changes *journal.Journal) error {
	store, err := auditlog.Open(auditlog.Options{
		Dir: filepath.Join(a.opt.Data, "audit"), FS: a.opt.Tuning.FS, Logger: a.log.With("component", "audit"),
	})
	if err != nil {
		return err
	}
	a.stops.push(store.Close)
	a.audit, err = audit.New(audit.Options{
		Store: store, Logger: a.log.With("component", "audit"),
		Sources: []audit.Source{
			audit.JournalSource(changes, a.committer.Changed),
			{Name: "security", Read: a.actsOfFeed, Changed: a.plane.ledger.Changed},
		},
	})
	return err
}

// actsOfFeed picks what users and policies did out of the feed of alerts and
// recommendations.
func (a *App) actsOfFeed(ctx context.Context, after uint64) iter.Seq2[audit.Step, error] {
	return func(yield func(audit.Step, error) bool) {
		for e, err := range a.plane.store.Feed(ctx, after) {
			step := audit.Step{Number: e.Sequence}
			if err == nil && audit.Audited(e.Actor) {
				step.Entry = actOfFeed(&e)
			}
			if !yield(step, err) {
				return
			}
		}
	}
}

func actOfFeed(e *ledger.Entry) *audit.Entry {
	act := &audit.Entry{Time: e.Time, Actor: e.Actor, Action: e.Subject + "." + e.Action, Subject: e.ID}
	// Of the record as it was left, what was said about the act.
	var body struct {
		Title  string `json:"title,omitempty"`
		Status string `json:"status,omitempty"`
		Reason string `json:"reason,omitempty"`
		Note   string `json:"note,omitempty"`
		Owner  string `json:"owner,omitempty"`
		Device string `json:"deviceId,omitempty"`
	}
	body.Device = string(e.Device)
	if json.Unmarshal(e.Body, &body) != nil {
		return act // without detail; the alert has its history
	}
	if b, err := json.Marshal(body); err == nil {
		act.Detail = b
	}
	return act
}
