package query_test

import (
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

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
		`{"deviceId":"six","tags":{"a":3,"b":0.5,"o":{"p":"12"}}}`,
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
		shape := rapid.IntRange(0, 11).Draw(t, "shape")
		if depth == 0 {
			shape %= 8
		}
		operand := rapid.OneOf(leaves(), leaves(), computed(2))
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
			return &query.Call{Name: name, Args: []query.Expr{operand.Draw(t, "first"), operand.Draw(t, "second")}}
		case 3:
			return &query.In{
				X:       operand.Draw(t, "x"),
				Items:   &query.Array{Items: rapid.SliceOfN(constants(), 0, 3).Draw(t, "items")},
				Negated: rapid.Bool().Draw(t, "negated"),
			}
		case 4, 5:
			op := rapid.SampledFrom([]query.Op{query.Equal, query.NotEqual, query.Less, query.LessEqual, query.Greater, query.GreaterEqual})
			return &query.Binary{Op: op.Draw(t, "op"), Left: operand.Draw(t, "left"), Right: operand.Draw(t, "right")}
		case 6:
			return &query.Like{X: operand.Draw(t, "x"), Pattern: patterns.Draw(t, "pattern"), Negated: rapid.Bool().Draw(t, "negated")}
		case 7:
			name := rapid.SampledFrom(slices.Sorted(maps.Keys(kinds))).Draw(t, "name")
			return &query.Call{Name: name, Args: []query.Expr{operand.Draw(t, "x")}}
		case 8, 9:
			return &query.Not{X: conditions(depth-1).Draw(t, "x")}
		case 10:
			return &query.And{Terms: rapid.SliceOfN(conditions(depth-1), 2, 3).Draw(t, "terms")}
		}
		return &query.Or{Terms: rapid.SliceOfN(conditions(depth-1), 2, 3).Draw(t, "terms")}
	})
}

var patterns = rapid.SampledFrom([]string{"", "%", "x", "_", "%x", "x%", "t%o", "_w_", "%o%", "%\"_", "long%g", "\\%", "%%_", "e%e", "%l_n%lo_g"})

// computed generates expressions that have a value.
func computed(depth int) *rapid.Generator[query.Expr] {
	return rapid.Custom(func(t *rapid.T) query.Expr {
		operand := leaves()
		if depth > 0 && rapid.IntRange(0, 2).Draw(t, "nest") == 0 {
			operand = computed(depth - 1)
		}
		switch rapid.IntRange(0, 3).Draw(t, "shape") {
		case 0:
			x := operand.Draw(t, "x")
			if c, ok := x.(*query.Constant); ok && c.Kind == query.Number { // whose minus is its own
				return c
			}
			return &query.Negative{X: x}
		case 1:
			op := rapid.SampledFrom([]query.Op{query.Add, query.Subtract, query.Multiply, query.Divide, query.Modulo}).Draw(t, "op")
			right := operand.Draw(t, "right")
			if p, ok := right.(*query.Path); ok && p.Segments[0] == "nosuch" { // which is refused
				right = &query.Constant{Kind: query.Undefined}
			}
			return &query.Binary{Op: op, Left: operand.Draw(t, "left"), Right: right}
		}
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(functions))).Draw(t, "name")
		call := &query.Call{Name: name}
		for range functions[name].arguments {
			call.Args = append(call.Args, operand.Draw(t, "argument"))
		}
		return call
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
	case *query.Negative:
		if f, ok := reference(e.X, twin).(float64); ok {
			return -f
		}
		return undefined{}
	case *query.Like:
		return referenceLike(e, reference(e.X, twin))
	case *query.Binary:
		if f, ok := arithmetic[e.Op]; ok {
			return onNumbers(f)([]any{reference(e.Left, twin), reference(e.Right, twin)})
		}
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
		order = cmp.Compare(a, b)
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
	var args []any
	for _, x := range e.Args {
		args = append(args, reference(x, twin))
	}
	first := args[0]
	if f, ok := functions[e.Name]; ok {
		return f.value(args)
	}
	if is, ok := kinds[e.Name]; ok {
		return is(first)
	}
	if e.Name == "IS_DEFINED" {
		_, missing := first.(undefined)
		return !missing
	}
	second := args[1]
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

// referenceLike turns the pattern into a regular expression.
func referenceLike(e *query.Like, x any) any {
	s, ok := x.(string)
	if !ok {
		return undefined{}
	}
	var expression strings.Builder
	expression.WriteString("(?s)^")
	for rest := e.Pattern; rest != ""; {
		_, n := utf8.DecodeRuneInString(rest)
		switch c := rest[:n]; c {
		case "%":
			expression.WriteString(".*")
		case "_":
			expression.WriteString(".")
		case `\`:
			rest, n = rest[1:], 1
			expression.WriteString(regexp.QuoteMeta(rest[:1]))
		default:
			expression.WriteString(regexp.QuoteMeta(c))
		}
		rest = rest[n:]
	}
	return regexp.MustCompile(expression.String()+"$").MatchString(s) != e.Negated
}

var arithmetic = map[query.Op]func(a, b float64) float64{
	query.Add:      func(a, b float64) float64 { return a + b },
	query.Subtract: func(a, b float64) float64 { return a - b },
	query.Multiply: func(a, b float64) float64 { return a * b },
	query.Divide:   func(a, b float64) float64 { return a / b },
	query.Modulo:   math.Mod,
}

// onNumbers makes a function of two numbers one of two values.
func onNumbers(f func(a, b float64) float64) func([]any) any {
	return func(args []any) any {
		a, ok := args[0].(float64)
		b, also := args[1].(float64)
		if !ok || !also {
			return undefined{}
		}
		return finite(f(a, b))
	}
}

func finite(f float64) any {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return undefined{}
	}
	return f
}

func onNumber(f func(float64) float64) func([]any) any {
	return func(args []any) any {
		a, ok := args[0].(float64)
		if !ok {
			return undefined{}
		}
		return finite(f(a))
	}
}

func onText(f func(string) any) func([]any) any {
	return func(args []any) any {
		s, ok := args[0].(string)
		if !ok {
			return undefined{}
		}
		return f(s)
	}
}

// functions are those that have a value, by the plainest reading.
var functions = map[string]struct {
	arguments int
	value     func([]any) any
}{
	"ABS":     {1, onNumber(math.Abs)},
	"EXP":     {1, onNumber(math.Exp)},
	"SQUARE":  {1, onNumber(func(x float64) float64 { return x * x })},
	"CEILING": {1, onNumber(math.Ceil)},
	"FLOOR":   {1, onNumber(math.Floor)},
	"SQRT":    {1, onNumber(math.Sqrt)},
	"SIGN": {1, onNumber(func(x float64) float64 {
		return map[bool]float64{true: 1}[x > 0] - map[bool]float64{true: 1}[x < 0]
	})},
	"POWER":  {2, onNumbers(math.Pow)},
	"LOWER":  {1, onText(func(s string) any { return strings.ToLower(s) })},
	"UPPER":  {1, onText(func(s string) any { return strings.ToUpper(s) })},
	"LENGTH": {1, onText(func(s string) any { return float64(len([]rune(s))) })},
	"AS_NUMBER": {1, func(args []any) any {
		if s, ok := args[0].(string); ok {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil {
				return undefined{}
			}
			return f
		}
		return onNumber(func(x float64) float64 { return x })(args)
	}},
	"CONCAT": {2, func(args []any) any {
		a, ok := args[0].(string)
		b, also := args[1].(string)
		if !ok || !also {
			return undefined{}
		}
		return a + b
	}},
	"INDEX_OF": {2, func(args []any) any {
		a, ok := args[0].(string)
		b, also := args[1].(string)
		if !ok || !also {
			return undefined{}
		}
		before, _, found := strings.Cut(a, b)
		if !found {
			return -1.0
		}
		return float64(len([]rune(before)))
	}},
	"SUBSTRING": {3, func(args []any) any {
		s, ok := args[0].(string)
		from, also := args[1].(float64)
		n, too := args[2].(float64)
		if !ok || !also || !too || from < 0 || n < 0 || from != math.Floor(from) || n != math.Floor(n) {
			return undefined{}
		}
		runes := []rune(s)
		begin := min(int(from), len(runes))
		return string(runes[begin:min(begin+int(min(n, 1e6)), len(runes))])
	}},
}

// kinds are the functions that tell the type of a value.
var kinds = map[string]func(any) bool{
	"IS_NULL":   func(v any) bool { return v == nil },
	"IS_BOOL":   func(v any) bool { _, ok := v.(bool); return ok },
	"IS_NUMBER": func(v any) bool { _, ok := v.(float64); return ok },
	"IS_STRING": func(v any) bool { _, ok := v.(string); return ok },
	"IS_ARRAY":  func(v any) bool { _, ok := v.([]any); return ok },
	"IS_OBJECT": func(v any) bool { _, ok := v.(map[string]any); return ok },
	"IS_PRIMITIVE": func(v any) bool {
		switch v.(type) {
		case nil, bool, float64, string:
			return true
		}
		return false
	},
}
