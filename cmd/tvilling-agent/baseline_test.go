//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBaselineCustom: a file of checks can be tried, and is told what is wrong
// with it.
func TestBaselineCustom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		out, errs  string
		code       int
	}{
		{
			"a check that fails", "[[check]]\nid = \"ACME-1\"\ntitle = \"The door is locked\"\nseverity = \"Critical\"\ngroup = \"door\"\nremedy = \"Lock it\"\n" +
				"test.lines = { paths = [\"/proc/version\"], match = \"^locked$\" }\n",
			"FAIL  ACME-1  The door is locked (Critical)", "1 of 1 checks do not pass", 1,
		},
		{"a mistake", "[[check]]\nid = \"ACME-1\"\nnonsense = 1\n", "", "nonsense", 1},
		{
			"an id of the agent's own", "[[check]]\nid = \"TV-1\"\ntitle = \"x\"\nseverity = \"Critical\"\ngroup = \"x\"\ntest.lines = { paths = [\"/x\"], match = \"x\" }\n",
			"", "ids that begin with TV- are the agent's own", 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "checks.toml")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errs strings.Builder
			code := run(t.Context(), stdio{strings.NewReader(""), &out, &errs}, []string{"baseline", "--custom", file})
			if code != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.errs) {
				t.Errorf("exit code %d; want %d\n%s%s", code, c.code, &out, &errs)
			}
		})
	}
}
