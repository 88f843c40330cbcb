package query_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/hub/query"
)

// TestAgainstReference evaluates random conditions twice: as the package does,
// on compact documents, and by the plainest reading of the language, on JSON.
func TestAgainstReference(t *testing.T) {
	type twin struct {
		row  query.Row
		json map[string]any
	}
	var twins []twin
	for _, source := range []string{
		`{"deviceId":"one"}`,
		`{"deviceId":"two","tags":{"a":1,"b":1},"parentScopes":["x"]}`,
		`{"deviceId":"three","status":"disabled","tags":{"a":"x","b":"y","o":{"p":true}}}`,
		`{"deviceId":"four","tags":{"a":true,"b":false,"o":{"p":-1.5}},"x509Thumbprint":{"primaryThumbprint":"x"}}`,
		`{"deviceId":"five","tags":{"a":[1,"x",true],"b":{"p":1},"o":{"p":"é\"x"}}}`,
		`{"deviceId":"x","tags":{"a":"` + strings.Repeat("long", 200) + `","b":"x","o":{}}}`,
	} {
		r := mustTwin(t, source)
		var m map[string]any
		if err := json.Unmarshal(r.AppendJSON(nil), &m); err != nil {
			t.Fatal(err)
		}
		twins = append(twins, twin{r, m})
	}
	rapid.Check(t, func(t *rapid.T) {
		where := conditions(4).Draw(t, "where")
		text := (&query.Statement{From: &query.Path{Segments: []string{"devices"}}, Where: where}).String()
		q, err := query.Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, tw := range twins {
			want := isTrue(reference(where, tw.json))
			if got := q.Match(tw.row); got != want {
				t.Fatalf("%s finds %s: %v, want %v", text, tw.row.ID(), got, want)
			}
		}
	})
}

// leaves generates operands: paths and constants that often meet.
func leaves() *rapid.Generator[query.Expr] {
	path := rapid.Map(rapid.SampledFrom([]string{
		"deviceId", "status", "tags", "tags.a", "tags.b", "tags.o", "tags.o.p", "tags.none", "nosuch", "parentScopes", "version",
		"x509Thumbprint.primaryThumbprint",
	}), func(s string) query.Expr { return &query.Path{Segments: strings.Split(s, ".")} })
	return rapid.OneOf(path, path, rapid.Map(constants(), func(c *query.Constant) query.Expr { return c }))
}

func constants() *rapid.Generator[*query.Constant] {
	return rapid.OneOf(
		rapid.Map(rapid.SampledFrom([]string{"x", "y", "", "é\"x", "disabled", "two"}), func(s string) *query.Constant {
			return &query.Constant{Kind: query.String, Text: s}
		}),
		rapid.Map(rapid.SampledFrom([]float64{1, 2, 0, -1.5}), func(f float64) *query.Constant {
			return &query.Constant{Kind: query.Number, Number: f}
		}),
		rapid.Map(rapid.Bool(), func(b bool) *query.Constant { return &query.Constant{Kind: query.Bool, Bool: b} }),
		rapid.Just(&query.Constant{Kind: query.Null}),
		rapid.Just(&query.Constant{Kind: query.Undefined}),
	)
}

// conditions generates conditions of at most the given depth.
func conditions(depth int) *rapid.Generator[query.Expr] {
	return rapid.Custom(func(t *rapid.T) query.Expr {
		shape := rapid.IntRange(0, 9).Draw(t, "shape")
		if depth == 0 {
			shape %= 6
		}
		operand := leaves()
		if depth > 0 && rapid.IntRange(0, 5).Draw(t, "nest") == 0 {
			operand = conditions(depth - 1)
		}
		switch shape {
		case 0:
			return leaves().Draw(t, "leaf")
		case 1:
			path := rapid.SampledFrom([]string{"tags.a", "tags.o.p", "tags.none", "parentScopes"}).Draw(t, "path")
			return &query.Call{Name: "IS_DEFINED", Args: []query.Expr{&query.Path{Segments: strings.Split(path, ".")}}}
		case 2:
			name := rapid.SampledFrom([]string{"STARTSWITH", "ENDSWITH", "CONTAINS", "ARRAY_CONTAINS"}).Draw(t, "name")
			return &query.Call{Name: name, Args: []query.Expr{leaves().Draw(t, "first"), leaves().Draw(t, "second")}}
		case 3:
			return &query.In{
				X:       operand.Draw(t, "x"),
				Items:   &query.Array{Items: rapid.SliceOfN(constants(), 0, 3).Draw(t, "items")},
				Negated: rapid.Bool().Draw(t, "negated"),
			}
		case 4, 5:
			op := rapid.SampledFrom([]query.Op{query.Equal, query.NotEqual, query.Less, query.LessEqual, query.Greater, query.GreaterEqual})
			return &query.Binary{Op: op.Draw(t, "op"), Left: operand.Draw(t, "left"), Right: operand.Draw(t, "right")}
		case 6, 7:
			return &query.Not{X: conditions(depth-1).Draw(t, "x")}
		case 8:
			return &query.And{Terms: rapid.SliceOfN(conditions(depth-1), 2, 3).Draw(t, "terms")}
		}
		return &query.Or{Terms: rapid.SliceOfN(conditions(depth-1), 2, 3).Draw(t, "terms")}
	})
}

// undefined is the value of what is not there or cannot be said.
type undefined struct{}

func isTrue(v any) bool { return v == any(true) }

// truth reads a value as the outcome of a condition: a bool or undefined.
func truth(v any) any {
	switch v.(type) {
	case bool, undefined:
		return v
	}
	return false
}

// reference returns the value of an expression: undefined, nil, a bool, a
// float64, a string, a map or a slice.
func reference(e query.Expr, twin map[string]any) any {
	switch e := e.(type) {
	case *query.Path:
		var v any = twin
		for _, s := range e.Segments {
			m, _ := v.(map[string]any)
			inner, ok := m[s]
			if !ok {
				return undefined{}
			}
			v = inner
		}
		return v
	case *query.Constant:
		return map[query.Kind]any{query.Undefined: undefined{}, query.Bool: e.Bool, query.Number: e.Number, query.String: e.Text}[e.Kind]
	case *query.Not:
		if b, ok := truth(reference(e.X, twin)).(bool); ok {
			return !b
		}
		return undefined{}
	case *query.And:
		return join(e.Terms, twin, false)
	case *query.Or:
		return join(e.Terms, twin, true)
	case *query.Binary:
		return referenceCompare(e.Op, reference(e.Left, twin), reference(e.Right, twin))
	case *query.In:
		return referenceIn(e, twin)
	case *query.Call:
		return referenceCall(e, twin)
	}
	panic("no such expression")
}

// join is OR with decisive true, AND with decisive false.
func join(terms []query.Expr, twin map[string]any, decisive bool) any {
	var outcome any = !decisive
	for _, t := range terms {
		switch truth(reference(t, twin)) {
		case any(decisive):
			return decisive
		case any(undefined{}):
			outcome = undefined{}
		}
	}
	return outcome
}

func referenceCompare(op query.Op, a, b any) any {
	order := 0
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		if !ok {
			return undefined{}
		}
		order = strings.Compare(a, b)
	case float64:
		b, ok := b.(float64)
		if !ok {
			return undefined{}
		}
		order = int(min(max((a-b)*10, -1), 1))
	case bool:
		b, ok := b.(bool)
		if !ok {
			return undefined{}
		}
		rank := map[bool]int{true: 1}
		order = rank[a] - rank[b]
	case nil:
		if b != nil || op != query.Equal && op != query.NotEqual {
			return undefined{}
		}
	default:
		return undefined{}
	}
	return map[query.Op]bool{
		query.Equal: order == 0, query.NotEqual: order != 0, query.Less: order < 0,
		query.LessEqual: order <= 0, query.Greater: order > 0, query.GreaterEqual: order >= 0,
	}[op]
}

func referenceIn(e *query.In, twin map[string]any) any {
	x := reference(e.X, twin)
	if x == any(undefined{}) {
		return undefined{}
	}
	var outcome any = false
	for _, item := range e.Items.Items {
		switch same := referenceCompare(query.Equal, x, reference(item, twin)); {
		case isTrue(same):
			return !e.Negated
		case same == any(undefined{}):
			outcome = undefined{}
		}
	}
	if outcome == any(false) {
		return e.Negated
	}
	return outcome
}

func referenceCall(e *query.Call, twin map[string]any) any {
	first := reference(e.Args[0], twin)
	if e.Name == "IS_DEFINED" {
		_, missing := first.(undefined)
		return !missing
	}
	second := reference(e.Args[1], twin)
	if e.Name == "ARRAY_CONTAINS" {
		list, ok := first.([]any)
		if _, missing := second.(undefined); !ok || missing {
			return undefined{}
		}
		return slices.ContainsFunc(list, func(v any) bool { return isTrue(referenceCompare(query.Equal, v, second)) })
	}
	s, ok := first.(string)
	part, also := second.(string)
	if !ok || !also {
		return undefined{}
	}
	switch e.Name {
	case "STARTSWITH":
		return strings.HasPrefix(s, part)
	case "ENDSWITH":
		return strings.HasSuffix(s, part)
	}
	return strings.Contains(s, part)
}
