package detect

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// Trial is a rule that is not in force, to be tried on stored events. It is for
// one goroutine.
type Trial struct {
	// Info is what the rule would be.
	Info *Info
	// Event is the name of the events that it looks at.
	Event string

	set     *sigma.Set
	names   names
	record  record
	scratch sigma.Scratch
}

// Trial reads the text of a Sigma rule as [Engine.PutRule] would, and makes it
// ready to be tried. It changes nothing.
func (e *Engine) Trial(text string) (*Trial, error) {
	if len(text) > MaxRuleBytes {
		return nil, tvilling.Errorf(tvilling.TooLarge, "A rule may have at most %d bytes; this one has %d.", MaxRuleBytes, len(text))
	}
	rules, err := e.parse("tried-rule", []byte(text), Operator)
	if err != nil {
		return nil, err
	}
	t := &Trial{Info: rules[0].info, Event: rules[0].kind.String()}
	if t.set, err = e.compile(&t.names, rules); err != nil {
		return nil, err
	}
	return t, nil
}

// Hit is an item of an event that a rule would find.
type Hit struct {
	// Item is its place among the items.
	Item    int
	Matched []ledger.Match
}

// Match returns the items that the rule would find.
func (t *Trial) Match(items []event.Item) (hits []Hit) {
	t.record.names = &t.names
	for i, item := range items {
		t.record.set(item)
		t.set.Match(&t.record, &t.scratch, func(_ *sigma.Rule, matched []sigma.Match) {
			hits = append(hits, Hit{Item: i, Matched: matches(matched)})
		})
	}
	return hits
}
