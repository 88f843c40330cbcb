package alert

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Rule is what an explanation needs to know of a detection.
type Rule struct {
	ID, Title, Description string
	Severity               ledger.Severity
	// Version is the one in force.
	Version string
	// Source is "builtin" or "operator".
	Source         string
	Remediation    []string
	FalsePositives []string
	// Techniques are MITRE ATT&CK ids ("T1496").
	Techniques []string
}

// Rules knows the detections.
type Rules interface {
	// Rule returns a detection by its id; false if there is none (any more).
	Rule(id string) (Rule, bool)
}

// Service changes alerts on behalf of operators, and explains them.
type Service struct {
	ledger *ledger.Ledger
	rules  Rules
}

// New returns a service.
func New(l *ledger.Ledger, rules Rules) *Service { return &Service{ledger: l, rules: rules} }

// ETag returns the etag of an alert: another one for each change of it.
func ETag(a *ledger.Alert) tvilling.ETag {
	return tvilling.ETag(base64.StdEncoding.EncodeToString(strconv.AppendUint(nil, a.Version, 10)))
}

// Update changes an alert if match allows it. A change that is refused, or
// that changes nothing, leaves no trace; otherwise the change is durable when
// Update returns. The codes are NotFound, PreconditionFailed and
// InvalidArgument, the last with the member's name as path.
func (s *Service) Update(ctx context.Context, id string, c Change, match tvilling.Match, actor string) (*ledger.Alert, error) {
	var out *ledger.Alert
	err := s.ledger.Do(ctx, func(tx *ledger.Tx) error {
		if err := c.check(tx.Now()); err != nil {
			return err
		}
		var err error
		out, err = update(tx, id, &c, match, actor)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func update(tx *ledger.Tx, id string, c *Change, match tvilling.Match, actor string) (*ledger.Alert, error) {
	a, err := tx.Alert(id)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, notFound("update alert", id)
	}
	if !match.Allows(ETag(a)) {
		return nil, &tvilling.Error{
			Code: tvilling.PreconditionFailed, Op: "update alert", Subject: id,
			Message: "The alert has changed since it was read; read it again, then repeat the change if it is still wanted.",
		}
	}
	if c.Status != nil && c.Status.Open() && !a.Status.Open() {
		newest, err := tx.Newest(a.Key)
		if err != nil {
			return nil, err
		}
		if newest != nil && newest.ID != id {
			return nil, refuse("status", "A newer alert of the same cause has taken its place: %s. Reopen that one.", newest.ID)
		}
	}
	steps, err := c.apply(a, actor)
	if err != nil {
		return nil, err
	}
	for _, st := range steps {
		if err := tx.PutAlert(a, st); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func notFound(op, id string) error {
	return &tvilling.Error{Code: tvilling.NotFound, Op: op, Subject: id, Message: "There is no alert with this id."}
}

const (
	// MaxMany is how many alerts one call changes at most.
	MaxMany = 1000
	// manyAtOnce of them are changed in one transaction, for which others wait.
	manyAtOnce = 100
)

// Outcome is what became of the change of one alert among many.
type Outcome struct {
	ID string
	// Alert is as it is now; nil if it was refused.
	Alert *ledger.Alert
	Err   error
}

// UpdateMany makes the same change to many alerts, each for itself: what is
// refused for one holds up no other. There is an outcome for every id, in
// order; those without an error are durable. It fails as a whole only for what
// is wrong with the call.
func (s *Service) UpdateMany(ctx context.Context, ids []string, c Change, actor string) ([]Outcome, error) {
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
	for len(ids) > 0 {
		part := ids[:min(len(ids), manyAtOnce)]
		ids = ids[len(part):]
		done, err := s.updatePart(ctx, part, &c, actor)
		if err != nil && len(out) == 0 {
			return nil, err
		}
		for i, id := range part {
			if err != nil {
				out = append(out, Outcome{ID: id, Err: err})
			} else {
				out = append(out, done[i])
			}
		}
	}
	return out, nil
}

// updatePart changes some alerts in one transaction.
func (s *Service) updatePart(ctx context.Context, ids []string, c *Change, actor string) ([]Outcome, error) {
	var out []Outcome
	err := s.ledger.Do(ctx, func(tx *ledger.Tx) error {
		if err := c.check(tx.Now()); err != nil {
			return err
		}
		for _, id := range ids {
			a, err := update(tx, id, c, tvilling.Match{}, actor)
			switch tvilling.CodeOf(err) {
			case "", tvilling.NotFound, tvilling.InvalidArgument, tvilling.Corrupt:
				out = append(out, Outcome{ID: id, Alert: a, Err: err})
			default:
				return err
			}
		}
		return nil
	})
	return out, err
}
