package main

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/iotest"
)

// hostile are texts that a terminal would obey.
var hostile = []string{
	"\x1b[2J", "\x1b]0;title\a", "\u009b31m", "\u0085", "\r", "\b\b\b", "\x7f", "\x00", "\u202eevil", "\u2066x\u2069", "a\u2028b\u2029c", "\x9b31m", "\xff",
}

// harmless reports the first thing in s that a terminal might obey, or that is
// no UTF-8; "" if there is none.
func harmless(s string) string {
	for i, r := range s {
		if r != '\n' && steers(r) || r == '\uFFFD' && !strings.HasPrefix(s[i:], "\uFFFD") {
			return s[max(0, i-20):min(len(s), i+20)]
		}
	}
	return ""
}

func TestCleaning(t *testing.T) {
	for _, s := range hostile {
		if harmless(s) == "" {
			t.Errorf("%q counts as harmless: this test looks at nothing", s)
		}
		for name, got := range map[string]string{"clean": clean("a" + s + "b"), "oneLine": oneLine("a" + s + "b")} {
			if bad := harmless(got); bad != "" || !strings.HasPrefix(got, "a") || !strings.HasSuffix(got, "b") {
				t.Errorf("%s(%q) = %q", name, s, got)
			}
		}
	}
	const text = "plain, é, 漢字, עברית, 👩‍🚀"
	if got := oneLine(text); got != text {
		t.Errorf("oneLine(%q) = %q", text, got)
	}
	if got, want := oneLine("a\nb\tc"), "a b c"; got != want {
		t.Errorf("got %q, want %q: a value may not begin a line of its own", got, want)
	}
	if got, want := clean("a\nb\tc"), "a\nb\tc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestJSONIsHarmless: what is printed for programs steers no terminal either,
// and has the value that it had.
func TestJSONIsHarmless(t *testing.T) {
	for _, s := range append(hostile, "plain <b>&", "漢字") {
		want := strings.ToValidUTF8(s, "\uFFFD")
		raw := json.RawMessage(`{"text" : "` + strings.NewReplacer("\x1b", `\u001b`, "\a", `\u0007`, "\r", `\r`, "\b", `\b`, "\x00", `\u0000`).Replace(s) + `"}`)
		for name, v := range map[string]any{"value": map[string]string{"text": s}, "raw": raw} {
			var b strings.Builder
			if err := writeJSON(&b, v); err != nil {
				t.Errorf("%s of %q: %v", name, s, err)
				continue
			}
			var got struct{ Text string }
			if err := json.Unmarshal([]byte(b.String()), &got); err != nil || got.Text != want {
				t.Errorf("%s of %q: got %q, %v", name, s, got.Text, err)
			}
			if bad := harmless(b.String()); bad != "" || strings.Count(b.String(), "\n") != 1 {
				t.Errorf("%s of %q: wrote %q", name, s, b.String())
			}
		}
	}
	var b strings.Builder
	if err := writeJSON(&b, json.RawMessage(`{"a":`)); err == nil {
		t.Error("half a value is written as if it were one")
	}
}

// TestCleanWriter: an export that a person looks at is harmless, however it is
// cut into pieces.
func TestCleanWriter(t *testing.T) {
	text := "TimeGenerated,é漢👩‍🚀\r\n" + strings.Join(hostile, ",") + "\r\nlast\r\n"
	want := ""
	for _, whole := range []bool{true, false} {
		var b strings.Builder
		w := &cleanWriter{w: &b}
		var pieces []string
		if whole {
			pieces = []string{text}
		} else {
			r := iotest.OneByteReader(strings.NewReader(text))
			for p := make([]byte, 1); ; {
				if n, err := r.Read(p); err != nil || n == 0 {
					break
				}
				pieces = append(pieces, string(p))
			}
		}
		for _, p := range pieces {
			if n, err := w.Write([]byte(p)); err != nil || n != len(p) {
				t.Fatalf("Write = %d, %v", n, err)
			}
		}
		got := b.String()
		if bad := harmless(got); bad != "" {
			t.Errorf("wrote %q", bad)
		}
		if !strings.HasPrefix(got, "TimeGenerated,é漢👩‍🚀\n") || !strings.HasSuffix(got, "\nlast\n") {
			t.Errorf("wrote %q", got)
		}
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("byte by byte wrote\n%q, want\n%q", got, want)
		}
	}
}
