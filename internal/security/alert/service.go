package alert

import (
	"context"
	"encoding/base64"
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
	a, err := find(tx, id)
	if err != nil {
		return nil, err
	}
	if !match.Allows(ETag(a)) {
		return nil, &tvilling.Error{
			Code: tvilling.PreconditionFailed, Op: "update alert", Subject: id,
			Message: "The alert has changed since it was read; read it again, then repeat the change if it is still wanted.",
		}
	}
	return a, change(tx, a, c, actor)
}

func find(tx *ledger.Tx, id string) (*ledger.Alert, error) {
	a, err := tx.Alert(id)
	if err == nil && a == nil {
		err = notFound("update alert", id)
	}
	return a, err
}

// change makes a change that is right in itself, if the alert allows it.
func change(tx *ledger.Tx, a *ledger.Alert, c *Change, actor string) error {
	if c.Status != nil && c.Status.Open() && !a.Status.Open() {
		newest, err := tx.Newest(a.Key)
		if err != nil {
			return err
		}
		if newest != nil && newest.ID != a.ID {
			return refuse("status", "A newer alert of the same cause has taken its place: %s. Reopen that one.", newest.ID)
		}
	}
	steps, err := c.apply(a, actor)
	if err != nil {
		return err
	}
	for _, st := range steps {
		if err := tx.PutAlert(a, st); err != nil {
			return err
		}
	}
	return nil
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

// UpdateMany makes the same change to many alerts, each for itself: what is
// refused for one holds up no other. There is an outcome for every id, in
// order; those without an error are durable. It fails as a whole only for what
// is wrong with the call.
func (s *Service) UpdateMany(ctx context.Context, ids []string, c Change, actor string) ([]Outcome, error) {
	targets := make([]Target, len(ids))
	for i, id := range ids {
		targets[i].ID = id
	}
	return s.Act(ctx, targets, c, actor)
}
