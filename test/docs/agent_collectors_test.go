package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/security/event"
)

const agentCollectors = "../../docs/agent-collectors.md"

// TestAgentEvents looks for every event that an agent makes in the document on
// collectors.
func TestAgentEvents(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(agentCollectors)
	if err != nil {
		t.Fatal(err)
	}
	for k := event.Unknown + 1; k < event.Kinds; k++ {
		heading := "\n### " + k.String() + "\n"
		if has := strings.Contains(string(text), heading); has == (k == event.HubAuthenticationKind) {
			t.Errorf("%s: a section: %v", k, has)
		}
	}
}

// TestAgentDetails looks for the names of all ExtraDetails that the collectors
// make in the document on them. They are read from the source: wherever a
// detail is made with a name that is written there.
func TestAgentDetails(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(agentCollectors)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../internal/agent/collect/*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if name := detailName(n); name != "" {
				names[name] = filepath.Base(path)
			}
			return true
		})
	}
	if len(names) < 15 {
		t.Fatalf("%d names of details: this test looks at too little: %v", len(names), names)
	}
	for name, file := range names {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%s does not have %s of %s", agentCollectors, name, file)
		}
	}
}

// detailName returns the name of the detail that an expression makes: a call of
// detail or add with it, or a literal of two members, of which the first is Name.
func detailName(n ast.Node) string {
	switch n := n.(type) {
	case *ast.CallExpr:
		f, ok := n.Fun.(*ast.Ident)
		switch {
		case !ok:
		case f.Name == "detail" && len(n.Args) == 3:
			return word(n.Args[1])
		case f.Name == "add" && len(n.Args) == 2:
			return word(n.Args[0])
		}
	case *ast.CompositeLit:
		if len(n.Elts) != 2 {
			return ""
		}
		first, ok := n.Elts[0].(*ast.KeyValueExpr)
		second, also := n.Elts[1].(*ast.KeyValueExpr)
		if ok && also && isNamed(first.Key, "Name") && isNamed(second.Key, "Value") {
			return word(first.Value)
		}
	}
	return ""
}

func isNamed(e ast.Expr, name string) bool {
	i, ok := e.(*ast.Ident)
	return ok && i.Name == name
}

// word returns the text of a literal, "" of anything else.
func word(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(l.Value)
	if err != nil {
		return ""
	}
	return s
}
