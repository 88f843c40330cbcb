package detect

import (
	"context"
	"iter"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// How much a trial looks at, and how many finds it keeps.
const (
	TrialEvents = 100_000
	TrialHits   = 50
	TrialTime   = 8 * time.Second
)

// Cut is the bound that ended a trial before it had looked at everything.
type Cut string

// The bounds of a trial; NotCut is a trial that looked at everything.
const (
	NotCut      Cut = ""
	CutByEvents Cut = "events"
	CutByTime   Cut = "time"
)

// Stored is what a trial reads: events, and the items in the payload of one.
type Stored struct {
	Events func(ctx context.Context, q event.Query) iter.Seq2[*event.Record, error]
	Items  func(rec *event.Record) ([]event.Item, error)
}

// Findings are what a rule would have found.
type Findings struct {
	// Looked counts events, Found the items in them that the rule finds.
	Looked, Found int
	// Damaged counts events that could not be read.
	Damaged int
	// Cut says what ended the trial early; what is older than Since was not
	// looked at then.
	Cut   Cut
	Since time.Time
	// Finds are the newest, up to [TrialHits].
	Finds []Find
}

// Find is an item that the rule finds, in its event.
type Find struct {
	Record *event.Record
	Hit
}

// Look tries the rule on stored events, the newest first. Of q it takes the
// device and the time.
func (t *Trial) Look(ctx context.Context, in Stored, q event.Query) (*Findings, error) {
	out := &Findings{Since: q.From}
	begin := time.Now()
	for rec, err := range in.Events(ctx, event.Query{Device: q.Device, Names: []string{t.Event}, From: q.From, To: q.To, Descending: true}) {
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			out.Damaged++
			continue
		}
		if err != nil {
			return nil, err
		}
		switch {
		case out.Looked == TrialEvents:
			out.Cut = CutByEvents
		case time.Since(begin) > TrialTime:
			out.Cut = CutByTime
		}
		if out.Cut != NotCut {
			return out, nil
		}
		out.Looked++
		if err := t.look(rec, in, out); err != nil {
			return nil, err
		}
	}
	out.Since = q.From
	return out, ctx.Err()
}

func (t *Trial) look(rec *event.Record, in Stored, out *Findings) error {
	out.Since = rec.Event.Time
	items, err := in.Items(rec)
	if tvilling.CodeOf(err) == tvilling.Corrupt {
		out.Damaged++
		return nil
	}
	if err != nil {
		return err
	}
	for _, h := range t.Match(items) {
		if out.Found++; len(out.Finds) < TrialHits {
			out.Finds = append(out.Finds, Find{Record: rec, Hit: h})
		}
	}
	return nil
}
