package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build builds a small program as the arguments say, and returns its path.
func build(t *testing.T, name string, env []string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-o", path}, args...), "./testdata/hello")...)
	cmd.Env = append(cmd.Environ(), append([]string{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"}, env...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func TestCheck(t *testing.T) {
	t.Parallel()
	stripped := build(t, "hello-amd64", nil, "-ldflags=-s -w")
	dynamic := build(t, "hello-amd64", nil, "-ldflags=-s -w", "-buildmode=pie")
	whole := build(t, "hello-amd64", nil)
	wrong := build(t, "hello-armv7", nil, "-ldflags=-s -w")
	for _, tt := range []struct {
		name  string
		paths []string
		limit int64
		says  string // of the refusal
	}{
		{"as it should be", []string{stripped}, 12_000_000, ""},
		{"a program for ld.so", []string{dynamic}, 12_000_000, "is not static"},
		{"with symbols", []string{whole}, 12_000_000, "is not stripped"},
		{"for another machine", []string{wrong}, 12_000_000, "is for EM_X86_64"},
		{"large", []string{stripped}, 100_000, "more than 100000"},
		{"not there", []string{stripped + "x"}, 12_000_000, "is not there"},
		{"a source file", []string{"main.go"}, 12_000_000, "is not an executable"},
		{"one of two", []string{whole, stripped}, 12_000_000, "is not stripped"},
		{"none", nil, 12_000_000, "name the programs"},
	} {
		var out strings.Builder
		err := run(&out, tt.limit, tt.paths)
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
		if tt.says == "" && !strings.Contains(out.String(), "static, stripped") {
			t.Errorf("%s: says %q", tt.name, out.String())
		}
	}
}
