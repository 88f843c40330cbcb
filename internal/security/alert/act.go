package alert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// State is where an alert stands for those who work on it: what operators have
// said of it, and nothing of its evidence.
type State struct {
	Status              ledger.Status
	Reason, Note, Owner string
	DismissedUntil      time.Time
}

// StateOf returns the state of an alert.
func StateOf(a *ledger.Alert) State {
	return State{Status: a.Status, Reason: a.Reason, Note: a.Note, Owner: a.Owner, DismissedUntil: a.DismissedUntil}
}

// Tag names the state in a few characters. Evidence that folds into an alert
// gives it another etag and leaves the tag: whoever acts on what they saw is
// held up by other operators, and not by a device that goes on.
func (s State) Tag() string {
	h := sha256.New()
	for _, part := range []string{string(s.Status), s.Reason, s.Note, s.Owner, stamp(s.DismissedUntil)} {
		h.Write(strconv.AppendInt(nil, int64(len(part)), 10))
		h.Write([]byte(":" + part))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (s State) equal(o State) bool {
	return s.Status == o.Status && s.Reason == o.Reason && s.Note == o.Note && s.Owner == o.Owner && s.DismissedUntil.Equal(o.DismissedUntil)
}

// Target is an alert that is to be changed as long as it stands as it was seen.
type Target struct {
	ID string
	// Tag is that of the state that was seen; "" for whatever there is.
	Tag string
}

// Outcome is what became of the change of one alert among many.
type Outcome struct {
	ID string
	// Was is where it stood before; meaningless if it was refused.
	Was State
	// Alert is as it is now; nil if it was refused.
	Alert *ledger.Alert
	Err   error
}

// Move is how an alert came from one state to another.
type Move struct {
	ID       string
	Was, Now State
}

// Moves returns what was changed, for [Service.Undo].
func Moves(outcomes []Outcome) []Move {
	var list []Move
	for _, o := range outcomes {
		if o.Err == nil && !o.Was.equal(StateOf(o.Alert)) {
			list = append(list, Move{ID: o.ID, Was: o.Was, Now: StateOf(o.Alert)})
		}
	}
	return list
}

// Act makes the same change to many alerts, each for itself and only if it
// stands as its target says. What is refused for one holds up no other: its
// outcome has the error, of code PreconditionFailed if somebody else has
// changed it. There is an outcome for every target, in order; those without an
// error are durable. Act fails as a whole only for what is wrong with the call.
func (s *Service) Act(ctx context.Context, targets []Target, c Change, actor string) ([]Outcome, error) {
	ids := make([]string, len(targets))
	for i := range targets {
		ids[i] = targets[i].ID
	}
	return s.many(ctx, ids, c.check, func(tx *ledger.Tx, i int) (Outcome, error) {
		a, err := find(tx, ids[i])
		if err != nil {
			return Outcome{}, err
		}
		was := StateOf(a)
		if tag := targets[i].Tag; tag != "" && tag != was.Tag() {
			return Outcome{}, moved(ids[i])
		}
		return Outcome{Was: was, Alert: a}, change(tx, a, &c, actor)
	})
}

// Undo puts alerts back to where they stood before they were moved, each for
// itself, in steps of the ordinary life of alerts: what was closed is reopened
// and, if it was not new then, acknowledged or started again. One that does not
// stand as the move left it any more is refused with PreconditionFailed. The
// history keeps both ways.
func (s *Service) Undo(ctx context.Context, moves []Move, actor string) ([]Outcome, error) {
	ids := make([]string, len(moves))
	for i := range moves {
		ids[i] = moves[i].ID
	}
	return s.many(ctx, ids, nil, func(tx *ledger.Tx, i int) (Outcome, error) {
		a, err := find(tx, ids[i])
		if err != nil {
			return Outcome{}, err
		}
		now := StateOf(a)
		if !now.equal(moves[i].Now) {
			return Outcome{}, moved(ids[i])
		}
		way := back(now.Status, moves[i].Was)
		for k := range way { // all of it or nothing
			if err := way[k].check(tx.Now()); err != nil {
				return Outcome{}, err
			}
		}
		for k := range way {
			if err := change(tx, a, &way[k], actor); err != nil {
				return Outcome{}, err
			}
		}
		return Outcome{Was: now, Alert: a}, nil
	})
}

// back returns the changes that lead from a status to a state.
func back(from ledger.Status, to State) []Change {
	var way []Change
	if from != to.Status && !slices.Contains(Next(from), to.Status) {
		way = append(way, Change{Status: new(ledger.New)})
	}
	last := Change{Status: &to.Status, Note: &to.Note, Owner: &to.Owner}
	if !to.Status.Open() {
		last.Reason = &to.Reason
	}
	if to.Status == ledger.Dismissed {
		last.DismissedUntil = &to.DismissedUntil
	}
	return append(way, last)
}

// moved is the refusal to change an alert that somebody else has changed.
func moved(id string) error {
	return &tvilling.Error{
		Code: tvilling.PreconditionFailed, Op: "update alert", Subject: id,
		Message: "Somebody else has changed the alert since it was read; read it again, then repeat the change if it is still wanted.",
	}
}

// many does something to alerts, some in each transaction, unless check, which
// may be nil, finds it wrong for all. What is refused for one is its outcome.
func (s *Service) many(ctx context.Context, ids []string, check func(now time.Time) error, do func(tx *ledger.Tx, i int) (Outcome, error)) ([]Outcome, error) {
	if len(ids) == 0 || len(ids) > MaxMany {
		return nil, refuse("ids", "The list must have 1 to %d ids; it has %d.", MaxMany, len(ids))
	}
	seen := make(map[string]bool, len(ids))
	for i, id := range ids {
		if seen[id] {
			return nil, refuse(fmt.Sprintf("ids[%d]", i), "The id %q is given twice.", id)
		}
		seen[id] = true
	}
	out := make([]Outcome, 0, len(ids))
	for first := 0; first < len(ids); first += manyAtOnce {
		end := min(first+manyAtOnce, len(ids))
		var done []Outcome
		err := s.ledger.Do(ctx, func(tx *ledger.Tx) error {
			if check != nil {
				if err := check(tx.Now()); err != nil {
					return err
				}
			}
			for i := first; i < end; i++ {
				o, err := do(tx, i)
				switch tvilling.CodeOf(err) {
				case "":
				case tvilling.NotFound, tvilling.InvalidArgument, tvilling.PreconditionFailed, tvilling.Corrupt:
					o = Outcome{}
				default:
					return err
				}
				o.ID, o.Err = ids[i], err
				done = append(done, o)
			}
			return nil
		})
		if err != nil && first == 0 {
			return nil, err
		}
		for i := first; i < end; i++ {
			if err != nil {
				out = append(out, Outcome{ID: ids[i], Err: err})
			} else {
				out = append(out, done[i-first])
			}
		}
	}
	return out, nil
}
