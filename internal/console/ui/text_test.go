package ui_test

import (
	"html"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tvilling/tvilling/internal/console/ui"
)

func TestInert(t *testing.T) {
	ctl := func(code, title, char string) string {
		return `<span class="ctl" data-char="` + code + `" title="` + title + `"><span class="ctl-char">` + char + `</span></span>`
	}
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"plain", "pump-0417", "pump-0417"},
		{"blanks inside", "a  b", "a  b"},
		{"blanks at the edges", " a ", ctl("U+0020", "not visible", " ") + "a" + ctl("U+0020", "not visible", " ")},
		{"blanks alone", " ", ctl("U+0020", "not visible", " ")},
		{"markup", `<b a="c">&amp;'`, "&lt;b a=&#34;c&#34;&gt;&amp;amp;&#39;"},
		{"override", "a\u202eb", "a" + ctl("U+202E", "changes the direction of text", "\u202e") + "b"},
		{"line", "a\nb", "a" + ctl("U+000A", "end of a line", "\n") + "b"},
		{"return", "a\rb", "a" + ctl("U+000D", "control character", "&#13;") + "b"},
		{"tab", "a\tb", "a" + ctl("U+0009", "tab", "\t") + "b"},
		{"code zero", "a\x00b", "a" + ctl("U+0000", "control character", "\ufffd") + "b"},
		{"zero width", "a\u200bb", "a" + ctl("U+200B", "not visible", "\u200b") + "b"},
		{"not UTF-8", "a\xffb", `a<span class="ctl" title="not UTF-8">FF</span>b`},
		{"the replacement itself", "a\ufffdb", "a\ufffdb"},
		{"filler", "a\u3164b", "a" + ctl("U+3164", "not visible", "\u3164") + "b"},
		{"unassigned", "a\U000e0fffb", "a" + ctl("U+E0FFF", "not visible", "\U000e0fff") + "b"},
		{"accents", "e\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301" + ctl("U+0301", "one accent of many", "\u0301")},
		{"Arabic", "مضخة", "مضخة"},
		{"Thai", "ปั๊ม", "ปั๊ม"},
	} {
		if got, want := string(ui.Inert(c.text)), `<bdi class="inert">`+c.want+`</bdi>`; got != want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
		}
	}
}

func TestCutSaysHowMuchThereIs(t *testing.T) {
	for _, c := range []struct {
		room       int
		text, want string
	}{
		{4, "abcd", "abcd"},
		{3, "abcd", `abc… <span class="ctl">1 B more of 4 B</span>`},
		{1, "éé", `é… <span class="ctl">2 B more of 4 B</span>`},
		{2, strings.Repeat("x", 32<<10), `xx… <span class="ctl">32.0 KiB more of 32.0 KiB</span>`},
	} {
		if got, want := string(ui.Cut(c.room, c.text)), `<bdi class="inert">`+c.want+`</bdi>`; got != want {
			t.Errorf("cut %.10q to %d:\n got %s\nwant %s", c.text, c.room, got, want)
		}
	}
	if got := len(ui.Inert(strings.Repeat("\u202e", 1<<20))); got > 1<<20 {
		t.Errorf("a megabyte of strange characters becomes %d bytes of page", got)
	}
}

// ours are the tags that an inert text may have.
var ours = regexp.MustCompile(`<bdi class="inert">|</bdi>|</span>|<span class="ctl-char">|<span class="ctl"( data-char="U\+[0-9A-F]{4,6}")?( title="[a-zA-Z8 -]+")?>`)

// FuzzInert takes the tags out that are ours: what is left is the text, in its
// order, and nothing else.
func FuzzInert(f *testing.F) {
	for _, seed := range []string{"", " a ", `<script>alert(1)</script>`, `"'&`, "\u202e\x00\r\n\t", "caf\xe9", "e\u0301\u0301\u0301\u0301\u0301", "&#13;", "\U0001f468\u200d\U0001f469"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if utf8.RuneCountInString(text) > 4000 || !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			return // cut, or changed for good
		}
		out := string(ui.Inert(text))
		if strings.Count(out, "<span") != strings.Count(out, "</span>") {
			t.Fatalf("%q: spans are not closed: %s", text, out)
		}
		rest := ours.ReplaceAllString(out, "")
		if strings.ContainsAny(rest, `<>"'`) {
			t.Fatalf("%q: what is left of %s can be more than text", text, out)
		}
		if got := html.UnescapeString(rest); got != text {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestSegments(t *testing.T) {
	for id, want := range map[string]string{
		"pump": "/console/devices/pump", ".": "/console/devices/~.", "..": "/console/devices/~..",
		"~": "/console/devices/~~", "a/b": "/console/devices/a%2Fb", "a?b#c%": "/console/devices/a%3Fb%23c%25",
		"<\"": "/console/devices/%3C%22",
	} {
		got := ui.URL("devices", id)
		if got != want {
			t.Errorf("address of %q: %s, want %s", id, got, want)
		}
	}
	for _, id := range []string{"pump", ".", "..", "~", "~.", "~~a"} {
		segment := ui.Segment(id)
		if back := ui.Unsegment(segment); back != id {
			t.Errorf("%q comes back as %q", id, back)
		}
	}
}
