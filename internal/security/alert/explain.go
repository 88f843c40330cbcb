package alert

import (
	"context"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Explanation says why there is an alert and what may be done.
type Explanation struct {
	Alert *ledger.Alert
	// Rule is the detection as it is now; nil if there is none of that id.
	Rule *Rule
	// Changed says that the detection has another version now than when it
	// raised the alert.
	Changed bool
	// Observations are about the alert's evidence, in its order.
	Observations []Observation
	History      []ledger.Step
	Remediation  []string
	Techniques   []Technique
	// Sentences tell all of it in plain words, in order. Values that devices
	// sent are quoted, with what is not printable escaped.
	Sentences []string
}

// Observation says what one piece of evidence shows.
type Observation struct {
	ledger.Evidence
	// Clock says what to think of its time.
	Clock Clock
	// Delay is how long after it happened the hub received it; negative if the
	// device's clock was ahead of the hub's.
	Delay time.Duration
	// Sentence tells it in plain words.
	Sentence string
}

// Clock says what to think of the time of an observation.
type Clock string

// What there is to think of a time.
const (
	// ClockPlausible: the device's time agrees with the hub's.
	ClockPlausible Clock = "plausible"
	// ClockHub: the hub observed it itself, or the device's time was missing or
	// out of reason; the time is when the hub received it.
	ClockHub Clock = "hub"
	// ClockAhead: the device's clock was ahead of the hub's.
	ClockAhead Clock = "ahead"
	// ClockLate: it was received long after it is said to have happened: the
	// device was off-line, or its clock was slow.
	ClockLate Clock = "late"
)

const (
	clockAhead = 2 * time.Minute
	clockLate  = time.Hour
)

// Technique is an adversary's technique of MITRE ATT&CK.
type Technique struct {
	ID string
	// Link leads to its description.
	Link string
}

// Explain says why there is an alert. The codes are NotFound and those of
// reading the store.
func (s *Service) Explain(ctx context.Context, id string) (*Explanation, error) {
	a, err := s.ledger.Store().Alert(ctx, id)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, notFound("explain alert", id)
	}
	e := &Explanation{Alert: a}
	if e.History, err = s.ledger.Store().History(ctx, id); err != nil {
		return nil, err
	}
	if r, ok := s.rules.Rule(a.Rule); ok {
		e.Rule = &r
		e.Changed = r.Version != a.RuleVersion
		e.Remediation = r.Remediation
		for _, t := range r.Techniques {
			e.Techniques = append(e.Techniques, Technique{ID: t, Link: techniqueLink(t)})
		}
	}
	for i := range a.Evidence {
		e.Observations = append(e.Observations, observe(&a.Evidence[i]))
	}
	e.Sentences = tell(e)
	return e, nil
}

// observe judges one piece of evidence.
func observe(ev *ledger.Evidence) Observation {
	o := Observation{Evidence: *ev, Clock: ClockPlausible}
	if !ev.Received.IsZero() {
		o.Delay = ev.Received.Sub(ev.Time)
	}
	switch {
	case ev.Event == "" || ev.Name == event.HubAuthenticationKind.String() || ev.Time.Equal(ev.Received):
		o.Clock = ClockHub
	case o.Delay < -clockAhead:
		o.Clock = ClockAhead
	case o.Delay > clockLate:
		o.Clock = ClockLate
	}
	o.Sentence = tellObservation(&o)
	return o
}
