package baseline_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/agent/baseline"
)

// check returns a file with one check that has the given test.
func check(test string) string {
	return "[[check]]\nid = \"X-1\"\ntitle = \"It holds\"\nseverity = \"Warning\"\ngroup = \"test\"\n[check.test]\n" + test + "\n"
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"a word that is not there", check(`sysctl = { name = "a", eq = "1", eqq = "2" }`), `f.toml:7: InvalidArgument: "eqq" is no word of the format`},
		{"broken TOML", "[[check]]\nid = \n", "f.toml:2:"},
		{"no test", check(``), `f.toml:1: InvalidArgument: check "X-1": test must be one of the kinds, or one of all, any and not; it has 0 of them`},
		{"two kinds", check("module = { names = [\"a\"] }\nprocess = { names = [\"a\"], running = true }"), "it has 2 of them"},
		{"the second check", check(`module = { names = ["a"] }`) + "\n" + strings.Replace(check(`module = { names = [] }`), "X-1", "X-2", 1), `f.toml:9: InvalidArgument: check "X-2": test.module: names needs at least one name`},
		{"the same id", check(`module = { names = ["a"] }`) + check(`module = { names = ["a"] }`), `two checks have the id "X-1"`},
		{"no comparison", check(`sysctl = { name = "a" }`), "test.sysctl: needs one of eq"},
		{"a bad expression", check(`lines = { paths = ["/a"], match = "(" }`), "test.lines: match: error parsing regexp"},
		{"a relative path", check(`file = { paths = ["etc/passwd"], exists = true }`), `"etc/passwd" must be an absolute path`},
		{"a path that goes up", check(`file = { paths = ["/etc/../x"], exists = true }`), "must be an absolute path"},
		{"a sysctl that goes up", check(`sysctl = { name = "a/../../x", eq = "1" }`), "must be like"},
		{"a bad mode", check(`file = { paths = ["/a"], mode = "0888" }`), "must be octal"},
		{"nothing to look at", check(`file = { paths = ["/a"] }`), "needs one of exists, owner"},
		{"an absent file's mode", check(`file = { paths = ["/a"], exists = false, mode = "0600" }`), "exists = false goes with paths only"},
		{"two expressions", check(`lines = { paths = ["/a"], match = "a", no_match = "b" }`), "needs one of match and no_match"},
		{"a long expression", check(`lines = { paths = ["/a"], match = "` + strings.Repeat("a", 2001) + `" }`), "longer than 2000 bytes"},
		{"a wrong separator", check(`setting = { paths = ["/a"], key = "k", eq = "1", separator = "," }`), `separator "," must be one of`},
		{"no key", check(`setting = { paths = ["/a"], eq = "1" }`), "key is missing"},
		{"two words", check(`sshd = { keyword = "Port 22", eq = "1" }`), "must be one word"},
		{"both", check(`package = { installed = ["a"], absent = ["b"] }`), "needs one of installed and absent"},
		{"a path for a name", check(`package.absent = ["a/b"]`), `"a/b" is not a name`},
		{"a wrong state", check(`service = { names = ["a"], state = "off" }`), `state "off" must be one of enabled`},
		{"no mount", check(`mount = { options = ["nodev"] }`), "needs point or fstypes"},
		{"a wrong missing", check(`mount = { point = "/", missing = "maybe" }`), `missing "maybe" must be pass, fail or skip`},
		{"not said whether", check(`process.names = ["a"]`), "running must be true or false"},
		{"a wrong sort", check(`interfaces.none = "wired"`), `none "wired" must be one of`},
		{"a far walk", check(`walk = { paths = ["/"], find = "setuid", limit = 200001 }`), "limit must be between 0 and 200000"},
		{"a bad pattern", check(`file = { paths = ["/a[*"], exists = true }`), "syntax error in pattern"},
		{"a wrong init", strings.Replace(check(`module.names = ["a"]`), "[check.test]", "applies.init = [\"upstart\"]\n[check.test]", 1), `init "upstart" must be one of`},
		{"a deep one", check("not" + strings.Repeat(".not", 20) + `.module.names = ["a"]`), "nested more than 8 deep"},
		{"in a list", check(`any = [ { module = { names = ["a"] } }, { all = [] } ]`), "test.any[1].all: needs at least one test"},
		{"a wrong rule", check(`accounts.rule = "x"`), `rule "x" is not known`},
		{"a wrong os", strings.Replace(check(`module.names = ["a"]`), "[check.test]", "applies.os = [\"Debian\"]\n[check.test]", 1), `applies: os "Debian" must be a name in lower case`},
		{"a wrong severity", strings.Replace(check(`module.names = ["a"]`), "Warning", "High", 1), `severity "High" must be`},
		{"too large", strings.Repeat("#\n", 1<<19) + "\n", "larger than 1 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := baseline.ParseTOML("f.toml", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
}

// TestDocumentedExamples reads the TOML blocks of docs/baseline.md.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/baseline.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```toml\n")[1:]
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of TOML, want 3", len(blocks))
	}
	for i, b := range blocks {
		b, _, _ = strings.Cut(b, "```")
		switch i {
		case 1: // a test
			b = strings.TrimSuffix(check(""), "[check.test]\n\n") + b
		case 2: // tests, one a line
			var all strings.Builder
			for l := range strings.SplitSeq(b, "\n") {
				if l != "" && l[0] != '#' {
					all.WriteString("[[check.test.all]]\n" + l + "\n")
				}
			}
			b = strings.TrimSuffix(check(""), "[check.test]\n\n") + all.String()
		}
		checks, err := baseline.ParseTOML("docs/baseline.md", []byte(b))
		if err != nil || len(checks) != 1 {
			t.Errorf("block %d: %d checks, %v", i, len(checks), err)
		}
	}
}
