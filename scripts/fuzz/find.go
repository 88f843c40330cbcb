package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Package is what the go command says about a package.
type Package struct {
	ImportPath   string
	Dir          string
	TestGoFiles  []string
	XTestGoFiles []string
}

// Target is one fuzz function.
type Target struct {
	Package string
	Name    string
}

// find returns the fuzz functions in the test files of packages, in their
// order: the functions that go test takes for fuzz targets, by name and by
// their one parameter of type *testing.F.
func find(packages []Package) ([]Target, error) {
	var targets []Target
	for _, p := range packages {
		for _, files := range [][]string{p.TestGoFiles, p.XTestGoFiles} {
			for _, file := range files {
				names, err := findFile(filepath.Join(p.Dir, file))
				if err != nil {
					return nil, err
				}
				for _, name := range names {
					targets = append(targets, Target{Package: p.ImportPath, Name: name})
				}
			}
		}
	}
	return targets, nil
}

func findFile(path string) ([]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && isTarget(fn) {
			names = append(names, fn.Name.Name)
		}
	}
	return names, nil
}

func isTarget(fn *ast.FuncDecl) bool {
	rest, ok := strings.CutPrefix(fn.Name.Name, "Fuzz")
	if !ok || fn.Recv != nil || fn.Type.Params.NumFields() != 1 {
		return false
	}
	// "Fuzzy" is no target: the go command wants no lower-case letter there.
	if first, _ := utf8.DecodeRuneInString(rest); unicode.IsLower(first) {
		return false
	}
	star, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	sel, ok := star.X.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "F"
}
