package arch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/arch"
)

// listed is what go list says about a package.
type listed struct {
	ImportPath, Dir           string
	GoFiles, CgoFiles         []string
	TestGoFiles, XTestGoFiles []string
	Imports                   []string
	TestImports, XTestImports []string
}

func (l listed) path() string {
	if l.ImportPath == arch.Module {
		return "."
	}
	return strings.TrimPrefix(l.ImportPath, arch.Module+"/")
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json", "-tags=browser", arch.Module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := dec.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	if len(all) < 2 {
		t.Fatalf("go list found %d packages: this test looks at nothing", len(all))
	}
	return all
}

func TestImports(t *testing.T) {
	var all []arch.Package
	for _, l := range packages(t) {
		all = append(all, arch.Package{
			Path:        l.path(),
			Imports:     l.Imports,
			TestImports: append(l.TestImports, l.XTestImports...),
		})
	}
	violations, idle := arch.Table().Check(all)
	for _, v := range violations {
		t.Error(v)
	}
	for _, row := range idle {
		t.Errorf("nothing uses this row of the table, remove it: %s", row)
	}
}

// TestPackageComments demands of every package one comment, in one file, that
// begins as godoc wants it.
func TestPackageComments(t *testing.T) {
	for _, l := range packages(t) {
		var in []string
		for _, name := range l.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(l.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Error(err)
				continue
			}
			if file.Doc == nil || strings.TrimSpace(file.Doc.Text()) == "" {
				continue
			}
			in = append(in, name)
			want := "Package " + file.Name.Name + " "
			if file.Name.Name == "main" {
				want = "Command " + filepath.Base(l.Dir) + " "
			}
			if text := file.Doc.Text(); !strings.HasPrefix(text, want) {
				first, _, _ := strings.Cut(text, "\n")
				t.Errorf("%s/%s: the package comment begins %q, want %q", l.path(), name, first, want)
			}
		}
		switch {
		case len(l.GoFiles) == 0: // tests only
		case len(in) == 0:
			t.Errorf("%s has no package comment: say in doc.go what it is and what it is not", l.path())
		case len(in) > 1:
			t.Errorf("%s has %d package comments, in %s", l.path(), len(in), strings.Join(in, ", "))
		}
	}
}

// The sizes that a file and a function stay within, tests aside for
// functions: tables are long by nature.
const (
	maxFileLines     = 600
	maxFunctionLines = 80
)

// tooLong are the files and functions that may be longer, with their limit
// and the reason. A row that is not needed any more fails, too.
var tooLong = map[string]struct {
	lines int
	why   string
}{
	"internal/app/app.go New": {120, "wires a whole hub in one straight line, on purpose"},
}

func TestSizes(t *testing.T) {
	seen := map[string]bool{}
	check := func(what string, lines, limit int) {
		if row, ok := tooLong[what]; ok {
			if lines > limit {
				seen[what] = true
			}
			limit = row.lines
		}
		if lines > limit {
			t.Errorf("%s has %d lines, more than %d: split it by what it is about", what, lines, limit)
		}
	}
	for _, l := range packages(t) {
		for _, name := range l.GoFiles {
			measure(t, l, name, check, true)
		}
		for _, name := range append(l.TestGoFiles, l.XTestGoFiles...) {
			measure(t, l, name, check, false)
		}
	}
	for what, row := range tooLong {
		if !seen[what] {
			t.Errorf("%s is short enough now (%s): remove its row", what, row.why)
		}
	}
}

func measure(t *testing.T, l listed, name string, check func(what string, lines, limit int), functions bool) {
	t.Helper()
	path := filepath.Join(l.Dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	what := l.path() + "/" + name
	check(what, bytes.Count(text, []byte("\n")), maxFileLines)
	if !functions {
		return
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return
	}
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			lines := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1
			check(what+" "+fn.Name.Name, lines, maxFunctionLines)
		}
	}
}
