package sigma_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// node makes a text of the rule; the limits lie beyond what a rule file holds.
func node(s string) *sigma.Node {
	return &sigma.Node{Kind: sigma.StringNode, Text: s, Line: 1, Column: 1}
}

func object(pairs ...sigma.Pair) *sigma.Node {
	return &sigma.Node{Kind: sigma.MapNode, Map: pairs, Line: 1, Column: 1}
}

func member(key string, v *sigma.Node) sigma.Pair {
	return sigma.Pair{Key: key, Line: 1, Column: 1, Value: v}
}

func list(n int, v func(i int) *sigma.Node) *sigma.Node {
	l := &sigma.Node{Kind: sigma.ListNode, Line: 1, Column: 1}
	for i := range n {
		l.List = append(l.List, v(i))
	}
	return l
}

func rule(detection ...sigma.Pair) *sigma.Node {
	return object(member("title", node("t")), member("logsource", object(member("category", node("c")))), member("detection", object(detection...)))
}

func TestLimits(t *testing.T) {
	numbered := func(i int) *sigma.Node { return node(fmt.Sprint("v", i)) }
	var many []sigma.Pair
	for i := range sigma.MaxSelections + 1 {
		many = append(many, member(fmt.Sprint("s", i), object(member("a", node("x")))))
	}
	wide := object()
	for i := range sigma.MaxItems + 1 {
		wide.Map = append(wide.Map, member(fmt.Sprint("f", i), node("x")))
	}
	cond := member("condition", node("s"))
	for _, c := range []struct {
		name string
		n    *sigma.Node
		want string
	}{
		{"selections", rule(append(many, member("condition", node("s1")))...), "more than 128 selections"},
		{"items", rule(member("s", wide), cond), "compares more than 2000 fields"},
		{"values", rule(member("s", object(member("a", list(sigma.MaxValues+1, numbered)))), cond), "more than 10000 values"},
		{"values of modifiers", rule(member("s", object(member("a|base64offset", list(sigma.MaxValues/3+1, numbered)))), cond), "more than 10000 values"},
		{"dashes", rule(member("s", object(member("a|windash|base64", node(strings.Repeat(" -a", 20))))), cond), "make more than 10000 texts"},
		{"value", rule(member("s", object(member("a", node(strings.Repeat("x", sigma.MaxValueBytes+1))))), cond), "at most 4096"},
		{"regular expression", rule(member("s", object(member("a|re", node(strings.Repeat("x", sigma.MaxRegexBytes+1))))), cond), "at most 2048"},
		{"condition", rule(member("s", object(member("a", node("x")))), member("condition", node(strings.Repeat("s or ", 1000)+"s"))), "at most 4096"},
		{"conditions", rule(member("s", object(member("a", node("x")))), member("condition", list(17, func(int) *sigma.Node { return node("s") }))), "1 to 16"},
		{"nots", rule(member("s", object(member("a", node("x")))), member("condition", node(strings.Repeat("not ", 40)+"s"))), "nested more than 32 deep"},
		{"title", object(member("title", node(strings.Repeat("x", 257)))), "at most 256"},
		{"references", object(member("references", list(257, numbered))), "at most 256"},
		{"not a map", node("x"), "not a text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := sigma.Parse(c.n)
			if code := tvilling.CodeOf(err); code != tvilling.TooLarge && code != tvilling.InvalidArgument || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %.300v, want … %s …", err, c.want)
			}
		})
	}
}

func TestSetLimits(t *testing.T) {
	r, err := sigma.Parse(rule(member("s", object(member("a", list(1000, func(i int) *sigma.Node {
		return node(fmt.Sprint(i, strings.Repeat("x", sigma.MaxValueBytes-10)))
	})))), member("condition", node("s"))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sigma.Compile([]*sigma.Rule{r, r}, options); err != nil {
		t.Errorf("the same texts twice: %v", err) // they are searched once
	}
	other, err := sigma.Parse(rule(member("s", object(member("b", list(1000, func(i int) *sigma.Node {
		return node(fmt.Sprint(i, strings.Repeat("x", sigma.MaxValueBytes-10)))
	})))), member("condition", node("s"))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sigma.Compile([]*sigma.Rule{r, other}, options); tvilling.CodeOf(err) != tvilling.TooLarge {
		t.Errorf("texts of 8 MB: %v", err)
	}
	if _, err := sigma.Compile(make([]*sigma.Rule, sigma.MaxRules+1), options); tvilling.CodeOf(err) != tvilling.TooLarge {
		t.Errorf("too many rules: %v", err)
	}
	set, err := sigma.Compile(nil, options)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := matches(set, record{"a": {"x"}}); ok {
		t.Error("a set of no rules matches")
	}
}
