package doc_test

import (
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	s := mustMerge(t, doc.New(1), `{
		"b": true, "n": -12.50, "s": "plain", "e": "\u00e9\ud83d\ude00\n\/", "o": {"p": {"q": 1}, "empty": {}},
		"l": [true, 1.0, "x", "\"", [2], {"k": "v", "qu\"ote": [], "n": 3}, false], "none": [], "k\"q": 5
	}`, startStamp)
	s = mustMerge(t, s, `{"o":{"p":{"q":2}}}`, patchStamp)
	for _, tt := range []struct {
		path string // keys joined with a blank
		kind doc.Kind
		json string
	}{
		{"b", doc.Bool, `true`},
		{"n", doc.Number, `-12.50`},
		{"s", doc.String, `"plain"`},
		{"e", doc.String, `"\u00e9\ud83d\ude00\n\/"`},
		{"o", doc.Object, `{"p":{"q":2},"empty":{}}`},
		{"o p q", doc.Number, `2`},
		{"o empty", doc.Object, `{}`},
		{"l", doc.Array, `[true,1.0,"x","\"",[2],{"k":"v","qu\"ote":[],"n":3},false]`},
		{"none", doc.Array, `[]`},
		{`k"q`, doc.Number, `5`},
		{"$version", doc.Number, `3`},
		{"$metadata $lastUpdated", doc.String, `"2026-02-02T02:02:02.0200002Z"`},
		{"$metadata $lastUpdatedVersion", doc.Number, `3`},
		{"$metadata $actor", doc.String, `"policy:service"`},
		{"$metadata s $lastUpdated", doc.String, `"2026-01-01T01:01:01Z"`},
		{"$metadata s $lastUpdatedVersion", doc.Number, `2`},
		{"$metadata o p q $actor", doc.String, `"policy:service"`},
		{"$metadata o empty", doc.Object, `{"$lastUpdated":"2026-01-01T01:01:01Z","$lastUpdatedVersion":2,"$actor":"policy:iothubowner"}`},
		{"$metadata l", doc.Object, `{"$lastUpdated":"2026-01-01T01:01:01Z","$lastUpdatedVersion":2,"$actor":"policy:iothubowner"}`},
		{"$metadata l $lastUpdatedVersion", doc.Number, `2`},
		{"$metadata o p", doc.Object, `{"$lastUpdated":"2026-02-02T02:02:02.0200002Z","$lastUpdatedVersion":3,"$actor":"policy:service","q":{"$lastUpdated":"2026-02-02T02:02:02.0200002Z","$lastUpdatedVersion":3,"$actor":"policy:service"}}`},
	} {
		v, ok := s.Lookup(strings.Fields(tt.path)...)
		if !ok || v.Kind() != tt.kind {
			t.Errorf("%s: kind %v, %v; want %v", tt.path, v.Kind(), ok, tt.kind)
		}
		if got := string(v.AppendJSON([]byte("-"))); got != "-"+tt.json {
			t.Errorf("%s: got %s, want -%s", tt.path, got, tt.json)
		}
	}
	for _, path := range []string{
		"x", "B", "b x", "l 0", "o p q r", "o x", "$version x", "$etag", "$lastUpdated", "o $version", "o $metadata",
		"$metadata x", "$metadata b x", "$metadata $lastUpdated x", "$metadata $x", "$metadata l k $lastUpdated",
	} {
		if v, ok := s.Lookup(strings.Fields(path)...); ok {
			t.Errorf("%s: found %s", path, v.AppendJSON(nil))
		}
	}
	if v, ok := doc.New(1).Lookup("$metadata", "$lastUpdatedVersion"); ok {
		t.Errorf("never written, but $lastUpdatedVersion %v", v.Number())
	}
	if v, ok := doc.New(1).Lookup("$metadata", "$lastUpdated"); !ok || v.Text() != "0001-01-01T00:00:00Z" {
		t.Errorf("never written: $lastUpdated %q, %v", v.Text(), ok)
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	s := mustMerge(t, doc.New(1), `{"b":true,"f":false,"n":-12.50,"i":7,"e":"a\u00e9\ud83d\ude00\n\/","c":"\u007f","l":["\"",{"a\"":[1]}]}`, startStamp)
	get := func(path ...string) doc.Value {
		v, _ := s.Lookup(path...)
		return v
	}
	if !get("b").Bool() || get("f").Bool() || get("n").Bool() || get("x").Bool() {
		t.Error("Bool")
	}
	if get("n").Number() != -12.5 || get("i").Number() != 7 || get("e").Number() != 0 || get("l").Number() != 0 || get("$version").Number() != 2 {
		t.Error("Number")
	}
	if get("e").Text() != "aé😀\n/" || get("c").Text() != "\x7f" || get("n").Text() != "" || get("b").Text() != "" || get("l").Text() != "" {
		t.Error("Text")
	}
	var texts []string
	for e := range get("l").Elements() {
		texts = append(texts, e.Text())
		for k, m := range e.Members() {
			texts = append(texts, k, string(m.AppendJSON(nil)))
		}
	}
	if got := strings.Join(texts, " "); got != `"  a" [1]` {
		t.Errorf("elements: %s", got)
	}
	for range get("b").Elements() {
		t.Error("a bool has elements")
	}
	for range get("l").Members() {
		t.Error("an array has members")
	}
	var keys []string
	for k := range get().Members() {
		if k == "n" {
			break
		}
		keys = append(keys, k)
	}
	if got := strings.Join(keys, " "); got != "b f" {
		t.Errorf("members: %s", got)
	}
	var zero doc.Value
	if zero.Kind() != 0 || zero.Text() != "" || zero.Number() != 0 || len(zero.AppendJSON(nil)) != 0 {
		t.Error("the zero Value is not nothing")
	}
}
