package doc_test

import (
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

var configurationStamp = doc.Stamp{Time: patchStamp.Time, Actor: doc.ConfigurationActor("fw@5", "637570574076206429")}

// TestConfigurationInMetadata: the values that a configuration has set say so,
// whichever way $metadata is read, and nothing else does (wire §2.2).
func TestConfigurationInMetadata(t *testing.T) {
	t.Parallel()
	s := mustMerge(t, doc.New(1), `{"a":{"hand":1},"o":{}}`, startStamp)
	s = mustMerge(t, s, `{"a":{"set":[2]},"o":{"p":true}}`, configurationStamp)
	const (
		start = `"$lastUpdated":"2026-01-01T01:01:01Z","$lastUpdatedVersion":2`
		then  = `"$lastUpdated":"2026-02-02T02:02:02.0200002Z","$lastUpdatedVersion":3`
		by    = `,"$lastUpdatedBy":"fw@5","$lastUpdatedByDigest":"637570574076206429"`
	)
	want := `{"a":{"hand":1,"set":[2]},"o":{"p":true},"$metadata":{` + then + `,"a":{` + then + `,"hand":{` + start + `},"set":{` + then + by + `}},"o":{` + then + `,"p":{` + then + by + `}}}}`
	if got := string(s.AppendJSON(nil, doc.Form{Metadata: true, UpdatedVersion: true})); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(s.AppendJSON(nil, doc.Form{Metadata: true})); strings.Contains(got, "By") {
		t.Errorf("without versions: %s", got)
	}
	for path, want := range map[string]string{
		"$metadata a set $lastUpdatedBy":       `"fw@5"`,
		"$metadata a set $lastUpdatedByDigest": `"637570574076206429"`,
		"$metadata a hand $lastUpdatedBy":      "",
		"$metadata a $lastUpdatedBy":           "",
		"$metadata $lastUpdatedBy":             "",
	} {
		if v, ok := s.Lookup(strings.Fields(path)...); ok != (want != "") || ok && string(v.AppendJSON(nil)) != want {
			t.Errorf("%s: %s, %v, want %s", path, v.AppendJSON(nil), ok, want)
		}
	}
	v, _ := s.Lookup("$metadata", "o")
	actor := `,"$actor":"configuration:fw@5@637570574076206429"`
	if got, want := string(v.AppendJSON(nil)), `{`+then+actor+`,"p":{`+then+actor+by+`}}`; got != want {
		t.Errorf("a level of $metadata is %s, want %s", got, want)
	}
}

func TestConfigurationOf(t *testing.T) {
	t.Parallel()
	for actor, want := range map[string]string{
		"configuration:fw@1": "fw 1", "configuration:a@b@2": "a@b 2", "configuration:a@": "a ",
		"configuration:@1": "", "configuration:fw": "", "policy:service": "", "": "", "configuration:": "",
	} {
		got := ""
		if id, digest, ok := doc.ConfigurationOf(actor); ok {
			got = id + " " + digest
		}
		if got != want {
			t.Errorf("%q is of %q, want %q", actor, got, want)
		}
	}
}

func TestWalk(t *testing.T) {
	t.Parallel()
	s := mustMerge(t, doc.New(1), `{"a":{"b":{"c":1},"e":{}},"l":[{"x":1}]}`, startStamp)
	if s.Configured() {
		t.Error("nobody has configured it")
	}
	s = mustMerge(t, s, `{"a":{"d":"x"}}`, configurationStamp)
	if !s.Configured() {
		t.Error("it was configured")
	}
	var got []string
	visit := func(n *doc.Node) bool {
		line := strings.Repeat(" ", len(n.Path)-1) + string(n.Path[len(n.Path)-1])
		if n.Leaf() {
			line += " = " + string(n.Value.AppendJSON(nil))
		}
		got = append(got, line+" "+string(n.Actor()[:6])+" "+n.Time().Format("1/2"))
		return string(n.Path[0]) != "l"
	}
	if err := s.Walk(visit); err != nil {
		t.Fatal(err)
	}
	want := "a config 2/2\n b policy 1/1\n  c = 1 policy 1/1\n e = {} policy 1/1\n d = \"x\" config 2/2\nl = [{\"x\":1}] policy 1/1"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if err := s[:len(s)-1].Walk(func(*doc.Node) bool { return true }); tvilling.CodeOf(err) != tvilling.Corrupt {
		t.Errorf("a damaged section: %v", err)
	}
}

// TestOwnedKeys: an owned member may hold ids as keys, which have dots and
// dollars; nobody else's properties may.
func TestOwnedKeys(t *testing.T) {
	t.Parallel()
	for key, fine := range map[string]bool{"a.b$c": true, ".": true, "$a": false, "a b": false, `a\u0001`: false} {
		body := []byte(`{"x":{"` + key + `":1}}`)
		p, err := doc.Parse(body, doc.Owned)
		if fine != (err == nil) {
			t.Errorf("%s: %v", key, err)
		}
		if _, err := doc.Parse(body, doc.Desired); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("%s as a desired property: %v", key, err)
		}
		if err != nil {
			continue
		}
		s, err := doc.New(0).Replace(p, doc.Owned, startStamp)
		if err != nil {
			t.Fatal(err)
		}
		if v, ok := s.Lookup("x", key); !ok || v.Number() != 1 || s.Validate() != nil {
			t.Errorf("%s is not found in %s, %v", key, s.AppendJSON(nil, doc.Form{}), s.Validate())
		}
	}
}
