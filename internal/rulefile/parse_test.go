package rulefile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

func scalar(kind sigma.NodeKind, text string, quoted bool, line, column int) *sigma.Node {
	return &sigma.Node{Kind: kind, Text: text, Quoted: quoted, Line: line, Column: column}
}

func TestParse(t *testing.T) {
	text := "# a comment\n" +
		"title: A rule\n" +
		"list:\n" +
		"  - 'single ''quoted'''\n" +
		"  - \"double \\u0041\"\n" +
		"  - 12\n" +
		"  - true\n" +
		"  - ~\n" +
		"flow: {a: [1.5, b]}\n" +
		"block: |\n" +
		"  one\n" +
		"  two\n" +
		"empty:\n" +
		"22: yes\n"
	nodes, err := rulefile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	list := &sigma.Node{Kind: sigma.ListNode, Line: 4, Column: 3, List: []*sigma.Node{
		scalar(sigma.StringNode, "single 'quoted'", true, 4, 5),
		scalar(sigma.StringNode, "double A", true, 5, 5),
		scalar(sigma.NumberNode, "12", false, 6, 5),
		scalar(sigma.BoolNode, "true", false, 7, 5),
		scalar(sigma.NullNode, "", false, 8, 5),
	}}
	flow := &sigma.Node{Kind: sigma.MapNode, Line: 9, Column: 8, Map: []sigma.Pair{{
		Key: "a", Line: 9, Column: 8,
		Value: &sigma.Node{Kind: sigma.ListNode, Line: 9, Column: 11, List: []*sigma.Node{
			scalar(sigma.NumberNode, "1.5", false, 9, 12), scalar(sigma.StringNode, "b", false, 9, 17),
		}},
	}}}
	want := []*sigma.Node{{Kind: sigma.MapNode, Line: 2, Column: 1, Map: []sigma.Pair{
		{Key: "title", Line: 2, Column: 1, Value: scalar(sigma.StringNode, "A rule", false, 2, 8)},
		{Key: "list", Line: 3, Column: 1, Value: list},
		{Key: "flow", Line: 9, Column: 1, Value: flow},
		{Key: "block", Line: 10, Column: 1, Value: scalar(sigma.StringNode, "one\ntwo\n", true, 10, 8)},
		{Key: "empty", Line: 13, Column: 1, Value: scalar(sigma.NullNode, "", false, 13, 7)},
		{Key: "22", Line: 14, Column: 1, Value: scalar(sigma.StringNode, "yes", false, 14, 5)},
	}}}
	if diff := cmp.Diff(want, nodes); diff != "" {
		t.Errorf("nodes differ (-want +got):\n%s", diff)
	}
}

func TestDocuments(t *testing.T) {
	nodes, err := rulefile.Parse([]byte("---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range nodes {
		got = append(got, fmt.Sprintf("%s at %d", n.Map[0].Key, n.Line))
	}
	if diff := cmp.Diff([]string{"a at 2", "b at 7"}, got); diff != "" {
		t.Errorf("documents differ (-want +got):\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	long := strings.Repeat("k", rulefile.MaxKeyBytes+1)
	for _, c := range []struct {
		name, text string
		code       tvilling.Code
		path, want string
	}{
		{"empty", "", tvilling.InvalidArgument, "line 1, column 1", "The file holds nothing"},
		{"only comments", "# x\n", tvilling.InvalidArgument, "line 1, column 1", "The file holds nothing"},
		{"duplicate key", "a: 1\nb: 2\na: 3\n", tvilling.InvalidArgument, "line 3, column 1", "already defined"},
		{"duplicate key in flow", "x: {a: 1, a: 2}\n", tvilling.InvalidArgument, "line 1, column 11", "already defined"},
		{"duplicate key in quotes", "a: 1\n'a': 2\n", tvilling.InvalidArgument, "line 2, column 1", "already defined"},
		{"anchor", "a: &x 1\n", tvilling.Unsupported, "line 1, column 4", "Anchors"},
		{"alias", "b: 1\na: *x\n", tvilling.Unsupported, "line 2, column 4", "quotation marks if it begins with *"},
		{"tag", "a: !!str 1\n", tvilling.Unsupported, "line 1, column 4", "Tags"},
		{"own tag", "a: !exec {b: c}\n", tvilling.Unsupported, "line 1, column 4", "Tags"},
		{"merge", "a:\n  <<: {b: 1}\n", tvilling.Unsupported, "line 2, column 3", "Merge keys"},
		{"directive", "%YAML 1.2\n---\na: 1\n", tvilling.Unsupported, "line 1, column 1", "Directives"},
		{"complex key", "? a\n: b\n", tvilling.Unsupported, "line 1, column 1", "Complex keys"},
		{"infinity", "a: .inf\n", tvilling.InvalidArgument, "line 1, column 4", "without a decimal form"},
		{"not a number", "a: .nan\n", tvilling.InvalidArgument, "line 1, column 4", "without a decimal form"},
		{"tab", "a:\n\tb: 1\n", tvilling.InvalidArgument, "line 2, column 1", "not YAML"},
		{"unclosed quote", "a: 'x\n", tvilling.InvalidArgument, "line 1, column 4", "not YAML"},
		{"unclosed bracket", "a: [x\n", tvilling.InvalidArgument, "line 1, column 4", "not YAML"},
		{"escape character", "a: \x1b[31m\n", tvilling.InvalidArgument, "line 1, column 4", "control character U+001B"},
		{"no UTF-8", "a: b\nc: \xff\n", tvilling.InvalidArgument, "line 2, column 4", "not UTF-8"},
		{"carriage return", "a: b\rc: d\n", tvilling.InvalidArgument, "line 1, column 5", "control character U+000D"},
		{"large", strings.Repeat("#", rulefile.MaxBytes+1), tvilling.TooLarge, "line 1, column 1", "at most 262144"},
		{"deep brackets", "a: " + strings.Repeat("[", 1000), tvilling.TooLarge, "line 1, column 19", "more than 16 deep"},
		{"deep dashes", strings.Repeat("- ", 1000), tvilling.TooLarge, "line 1, column 33", "more than 16 deep"},
		{"deep maps", deepMaps(100), tvilling.TooLarge, "line 17, column 17", "more than 16 deep"},
		{"many tokens", strings.Repeat("- x\n", 15_000), tvilling.TooLarge, "line 10001, column 1", "more than 20000 keys"},
		{"many documents", strings.Repeat("---\na: 1\n", 100), tvilling.TooLarge, "line 131, column 1", "more than 64 documents"},
		{"text on the line of a mark", "--- a: 1\n", tvilling.InvalidArgument, "line 1, column 5", "document's mark"},
		{"long key", long + ": 1\n", tvilling.TooLarge, "line 1, column 1", "A key has 129 bytes"},
		{"blank lines", "a: |\n  b\n" + strings.Repeat("\n", 100_000) + "c: d\n", tvilling.TooLarge, "line 53, column 1", "more than 50 blank lines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := rulefile.Parse([]byte(c.text))
			e, ok := errors.AsType[*tvilling.Error](err)
			if !ok {
				t.Fatalf("error = %v", err)
			}
			if e.Code != c.code || e.Path != c.path || !strings.Contains(e.Message, c.want) {
				t.Errorf("error = %s at %s: %s\nwant %s at %s: … %s …", e.Code, e.Path, e.Message, c.code, c.path, c.want)
			}
			if p, ok := errors.AsType[sigma.Problems](err); !ok || len(p) != 1 || p[0].Line < 1 {
				t.Errorf("problems = %+v", p)
			}
		})
	}
}

func deepMaps(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
	}
	return b.String()
}

// hostile are large texts, up to the largest size, made of one piece again and
// again, the kind that makes a parser slow.
func hostile(yield func(name, text string) bool) {
	pieces := []string{
		"a: b\n", "- x\n", "# c\n", "'", "\"", "[", "{", "]", "}", ",", " x\n", "- ", "a: ", "\\", "'x' ", "x ", "a: 'x\n\n", "? ",
		"a: |\n  x\n", "a:\n  |\n", "x\n\n\n\n\n\n", "&a ", "*a ", "!t ", "%d\n", "---\n", "...\n", "<<: ", "|", ">", "\t", ": ", ":\n", "\"\\u0041\" ", "{a: ", "[a, ", "a: #\n", "\n ", "\r\n",
	}
	for _, before := range []string{"", "k: >\n  ", "k: '", "k: ["} {
		size := rulefile.MaxBytes - 8
		if before != "" {
			size /= 4
		}
		for _, piece := range pieces {
			if !yield(fmt.Sprintf("%q after %q", piece, before), before+strings.Repeat(piece, size/len(piece))) {
				return
			}
		}
	}
}

// TestHostile has no bound of its own: a text that takes time that grows with
// the square of its length lets the test run into its time limit.
func TestHostile(t *testing.T) {
	for name, text := range hostile {
		if _, err := rulefile.Parse([]byte(text)); err != nil && tvilling.CodeOf(err) == tvilling.Internal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../security/sigma/testdata/language/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("found %d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range strings.Split("\n"+string(text), "\n=== ")[1:] {
			_, body, _ := strings.Cut(c, "\n")
			f.Add([]byte("title: t\nlogsource: {category: c}\ndetection:\n  " + strings.ReplaceAll(body, "\n", "\n  ")))
			f.Add([]byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		nodes, err := rulefile.Parse(text)
		if (err == nil) == (len(nodes) == 0) {
			t.Fatalf("%d nodes, error %v", len(nodes), err)
		}
		if err != nil {
			if tvilling.CodeOf(err) == tvilling.Internal {
				t.Fatal(err)
			}
			return
		}
		for _, n := range nodes {
			check(t, n)
			r, err := sigma.Parse(n)
			if err != nil {
				continue
			}
			set, err := sigma.Compile([]*sigma.Rule{r}, sigma.Options{
				Resolve:  func(name string) (int, bool) { return len(name) % 3, true },
				Keywords: []int{0},
			})
			if err != nil {
				continue
			}
			var sc sigma.Scratch
			set.Match(values{string(text), "sh -c 'echo x'", "10.0.0.1"}, &sc, func(*sigma.Rule, []sigma.Match) {})
		}
	})
}

type values []string

func (v values) Values(id int, dst []string) []string { return append(dst, v[id]) }

func check(t *testing.T, n *sigma.Node) {
	if n == nil || n.Line < 1 || n.Column < 1 {
		t.Fatalf("node %+v has no place", n)
	}
	for _, c := range n.List {
		check(t, c)
	}
	for _, m := range n.Map {
		check(t, m.Value)
	}
}
