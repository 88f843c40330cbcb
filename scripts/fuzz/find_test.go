package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a_test.go", `package a
import "testing"
func FuzzInside(f *testing.F) {}
func TestNot(t *testing.T) {}
func Fuzzy(f *testing.F) {}
func FuzzHelper(t *testing.T) {}
func FuzzTwo(f *testing.F, n int) {}
type s struct{}
func (s) FuzzMethod(f *testing.F) {}
`)
	write("b_test.go", `package a_test
import "testing"
func FuzzOutside(f *testing.F) {}
func Fuzz(f *testing.F) {}
`)
	got, err := find([]Package{{ImportPath: "x/a", Dir: dir, TestGoFiles: []string{"a_test.go"}, XTestGoFiles: []string{"b_test.go"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []Target{{"x/a", "FuzzInside"}, {"x/a", "FuzzOutside"}, {"x/a", "Fuzz"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("find (-want +got):\n%s", diff)
	}
}

func TestFindNamesTheFileThatDoesNotParse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a_test.go"), []byte("package a\nfunc {"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := find([]Package{{Dir: dir, TestGoFiles: []string{"a_test.go"}}})
	if err == nil {
		t.Fatal("find took a file that does not parse")
	}
}
