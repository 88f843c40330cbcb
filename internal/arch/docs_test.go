package arch_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the module's directory as this test sees it.
const root = "../.."

// texts returns the project's Markdown files by their path from the root.
func texts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "bench/*.md", "test/*/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			found[name] = string(text)
		}
	}
	if len(found) < 5 {
		t.Fatalf("found %d Markdown files: this test looks at nothing", len(found))
	}
	return found
}

var (
	link    = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)
	command = regexp.MustCompile("(?m)(?:^|`)make ([a-z][a-z-]*)")
	file    = regexp.MustCompile("`((?:internal|cmd|docs|scripts|test|tools|packaging|changelog|bench)/[A-Za-z0-9_./-]*[A-Za-z0-9_])`")
)

// TestDocsPointAtWhatIsThere looks for every file, directory and make target
// that the Markdown files name.
func TestDocsPointAtWhatIsThere(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	exists := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}
	for name, text := range texts(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], ":") {
				continue // an address elsewhere
			}
			if !exists(filepath.Join(root, filepath.Dir(name), m[1])) {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s names `make %s`: the Makefile has no such target", name, m[1])
			}
		}
		for _, m := range file.FindAllStringSubmatch(text, -1) {
			if !exists(filepath.Join(root, m[1])) {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
	}
}

var cell = regexp.MustCompile("`([a-z]+\\.test\\.mjs)`((?: [A-Za-z0-9.-]+)*)")

// TestCompatibilityHasATestBehindEveryCell opens the tests that the matrix
// names and looks for the words that follow the name of the file.
func TestCompatibilityHasATestBehindEveryCell(t *testing.T) {
	text := texts(t)["docs/compatibility.md"]
	var cells int
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		fields := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		last := fields[len(fields)-1]
		answered := false
		for _, f := range fields[:len(fields)-1] {
			answered = answered || strings.TrimSpace(f) == "yes"
		}
		found := cell.FindAllStringSubmatch(last, -1)
		if answered && len(found) == 0 {
			t.Errorf("no test behind the row %q", strings.TrimSpace(fields[0]))
		}
		for _, m := range found {
			cells++
			test, err := os.ReadFile(filepath.Join(root, "test/interop", m[1]))
			if err != nil {
				t.Error(err)
				continue
			}
			for word := range strings.FieldsSeq(m[2]) {
				if !strings.Contains(strings.ToLower(string(test)), strings.ToLower(word)) {
					t.Errorf("row %q: %s has no test about %q", strings.TrimSpace(fields[0]), m[1], word)
				}
			}
		}
	}
	if cells < 20 {
		t.Errorf("found %d tests behind the matrix: this test looks at nothing", cells)
	}
}

// TestLockFileNamesNoHosts keeps the lock file installable from any registry.
func TestLockFileNamesNoHosts(t *testing.T) {
	lock, err := os.ReadFile(filepath.Join(root, "test/interop/package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), `"resolved"`) {
		t.Error("package-lock.json names the registry it was made with; make it with npm install --omit-lockfile-registry-resolved")
	}
}
