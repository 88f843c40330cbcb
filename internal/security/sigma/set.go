package sigma

import (
	"fmt"

	"github.com/tvilling/tvilling"
)

// List is a set of values that a placeholder stands for.
type List interface {
	// Contains reports whether the list has a value; how it compares is the
	// list's own matter.
	Contains(value string) bool
}

// Enumerable is a [List] that may be small enough to be written into rules.
// Its values are then patterns, compared as all texts of a rule are.
type Enumerable interface {
	List
	// Values returns all values; false if there are too many.
	Values() ([]string, bool)
}

// Options say what names in rules mean.
type Options struct {
	// Resolve returns the number of a field for [Record.Values].
	Resolve func(field string) (id int, ok bool)
	// List returns the list for a placeholder (%name% with the modifier
	// expand). It may be nil if there are none.
	List func(name string) (List, bool)
	// Keywords are the fields in which keywords are searched. Rules with
	// keywords are refused if there are none.
	Keywords []int
	// Fields are the names that Resolve knows, for messages about names that
	// it does not know.
	Fields []string
}

// Record is what rules are matched with.
type Record interface {
	// Values appends the values of a field to dst; none if it is absent.
	Values(id int, dst []string) []string
}

// Match is a value of a record that a rule looks for.
type Match struct {
	// Selection is the part of the rule, Field the field as the rule names it
	// (empty for a keyword), Value what the record has there, Pattern what the
	// rule asks for, with its modifiers.
	Selection, Field, Value, Pattern string
}

// Set is rules made ready for one kind of record. It does not change and may
// be used by several goroutines, each with a [Scratch] of its own.
type Set struct {
	rules []compiled
	slots []slot
	// gates are the rules to look at when a text is found, by text.
	gates [][]int32
	// always has a bit for each rule that has to be looked at in any case.
	always   []uint64
	ungated  int
	literals int
	bytes    int
}

// slot is a field that rules of a set name.
type slot struct {
	id int
	// search finds the texts of all rules in the field; nil if there are none.
	search *automaton
	// folds and raw say in which form values are compared.
	folds, raw bool

	ids   []int32
	texts []string
}

// compiled is a rule of a set.
type compiled struct {
	rule *Rule
	root *node
	// selections are the rule's selections, remembered per record from memo on.
	selections []*node
	memo       int
}

// Rules returns how many rules the set has.
func (s *Set) Rules() int { return len(s.rules) }

// Always returns how many rules are looked at for every record, because they
// ask for no text that could be searched together with others.
func (s *Set) Always() int { return s.ungated }

// Literals returns how many texts are searched together.
func (s *Set) Literals() int { return s.literals }

// Bytes returns about how much memory the search needs.
func (s *Set) Bytes() int { return s.bytes }

// Compile makes rules ready. An error is that of the first rule that names
// something unknown; its subject is the rule's title and its cause [Problems].
// Without rules the set matches nothing.
func Compile(rules []*Rule, o Options) (*Set, error) {
	if len(rules) > MaxRules {
		return nil, tvilling.Errorf(tvilling.TooLarge, "There are %d rules for one kind of event; at most %d are taken.", len(rules), MaxRules)
	}
	c := &compiler{set: &Set{}, options: o, slots: map[int]int{}, literals: map[literalKey]int32{}}
	memo := 0
	for _, r := range rules {
		out, err := c.rule(r)
		if err != nil {
			return nil, err
		}
		out.memo = memo
		memo += len(out.selections)
		c.set.rules = append(c.set.rules, out)
		if c.literalBytes > MaxLiteralBytes {
			return nil, &tvilling.Error{
				Code: tvilling.TooLarge, Op: "compile rules", Subject: r.Title,
				Message: fmt.Sprintf("The texts that the rules look for have more than %d bytes together.", MaxLiteralBytes),
			}
		}
	}
	c.finish()
	return c.set, nil
}
