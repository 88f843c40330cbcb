package durable_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/durable"
)

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"one", "another", ""} {
		if err := durable.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("the file has %q, %v; want %q", got, err, text)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left := names(t, dir); len(left) != 1 {
		t.Errorf("it left %v", left)
	}
}

// What a killed writer left does not matter, and a link in its place leads nowhere.
func TestWriteFileOverLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, other := filepath.Join(dir, "f"), filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, filepath.Join(dir, ".f.new")); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(other); err != nil || string(got) != "mine" {
		t.Errorf("it wrote through a link: %q, %v", got, err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "text" {
		t.Errorf("the file has %q, %v", got, err)
	}
}

// A failure names the file, leaves what was there and nothing beside it.
func TestWriteFileFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.MkdirAll(filepath.Join(path, "not empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(path, []byte("text"), 0o600); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("err = %v", err)
	}
	if left := names(t, dir); len(left) != 1 {
		t.Errorf("it left %v", left)
	}
	if err := durable.WriteFile(filepath.Join(dir, "none", "f"), nil, 0o600); err == nil {
		t.Error("it wrote into a folder that is not there")
	}
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
