package settings

import (
	"bytes"
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/health"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// TestHostileLetter: what a stranger sent is shown as text, or as hex, cut at a
// character, and lets nothing out.
func TestHostileLetter(t *testing.T) {
	long := strings.Repeat("é", 2000)
	p := &letters{}
	for _, raw := range []string{"<script>alert(1)</script>\u202e\x00", "\xff\xfe\x00", long} {
		p.Rows = append(p.Rows, show(&event.DeadLetter{
			From: tvilling.Device("pump-1"), Received: time.Now(), Size: len(raw), Reject: event.Reject{Index: -1, Path: "events[0].<b>", Reason: "not <i>JSON</i>", Raw: []byte(raw)},
		}))
	}
	if p.Rows[1].Text != "" || !strings.Contains(p.Rows[1].Hex, "ff fe 00") {
		t.Errorf("what is no text: %+v, want hex", p.Rows[1])
	}
	if l := p.Rows[2]; l.Text != strings.Repeat("é", shownBytes/2) || l.Cut != len(long)-shownBytes {
		t.Errorf("a long text has %d bytes and %d are cut", len(l.Text), l.Cut)
	}
	html, err := web.Render(pages, "letters", p)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script>", "<b>", "<i>", "\u202e\x00"} {
		if strings.Contains(string(html), bad) {
			t.Errorf("the page has %q as it was sent", bad)
		}
	}
}

// TestPosition: a place in the list goes there and back, and nothing else does.
func TestPosition(t *testing.T) {
	if p, err := position("12.-1"); err != nil || p != (event.Position{Sequence: 12, Index: -1}) {
		t.Errorf("position = %+v, %v", p, err)
	}
	for _, bad := range []string{"x", "1", "1.x", "-1.0"} {
		if _, err := position(bad); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("position %q: %v, want InvalidArgument", bad, err)
		}
	}
}

// TestRefusedRule: what is wrong stands with its line, a mark under its column.
func TestRefusedRule(t *testing.T) {
	r := &rule{Text: "title: T\nlogsource: x\n"}
	err := &tvilling.Error{Code: tvilling.InvalidArgument, Err: sigma.Problems{
		{Line: 2, Column: 12, Message: "a map is needed"}, {Line: 2, Message: "and more"}, {Path: "level", Message: "missing"}, {Line: 99, Message: "beyond"},
	}}
	if err := r.refuse(err); err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) != 4 || len(r.Lines) != 1 {
		t.Fatalf("%d problems in %d lines, want 4 in 1", len(r.Problems), len(r.Lines))
	}
	l := r.Lines[0]
	if l.Number != 2 || l.Text != "logsource: x" || l.Mark != strings.Repeat(" ", 11)+"^" || len(l.Messages) != 2 {
		t.Errorf("line = %+v", l)
	}
	if err := r.refuse(tvilling.Errorf(tvilling.Unavailable, "The disk is full.")); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("a fault of the hub: %v, want it returned", err)
	}
}

// TestFaultsLead: every kind of fault leads to a page that says more, or to none.
func TestFaultsLead(t *testing.T) {
	for about, want := range map[string]string{"disk": "/console/settings/storage", "sink:a/b": "/console/settings/sinks", "certificate": "/console/settings/certificates", "reader:x": ""} {
		if got := page(about); got != want {
			t.Errorf("page(%q) = %q, want %q", about, got, want)
		}
	}
}

// TestFiguresOfAHub: the page is made of a hub that is well, of one that is not,
// and of one that has not been looked at.
func TestFiguresOfAHub(t *testing.T) {
	for want, s := range map[string]*state{
		"being taken":         {},
		"The hub is well":     {Facts: health.Facts{Time: time.Now(), Readers: []health.Reader{{Name: "intake"}}}},
		"2 things to see to":  {Facts: health.Facts{Time: time.Now()}, Faults: []fault{{Fault: health.Fault{Gravity: health.Severe, Short: "<b>x"}}, {Fault: health.Fault{Gravity: health.Warning}}}},
		"intake of something": {Facts: health.Facts{Time: time.Now(), Readers: []health.Reader{{Name: "intake of something", Behind: 5}}}},
	} {
		html, err := web.Render(pages, "figures", s)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(html), want) || strings.Contains(string(html), "<b>x") {
			t.Errorf("page lacks %q or lets HTML out: %s", want, html)
		}
	}
}

// TestExport: a line of JSON for each dead letter, damaged ones left out.
func TestExport(t *testing.T) {
	a := &area{Options{Letters: func(context.Context, tvilling.DeviceID, event.Position) iter.Seq2[*event.DeadLetter, error] {
		return func(yield func(*event.DeadLetter, error) bool) {
			if !yield(nil, tvilling.Errorf(tvilling.Corrupt, "damaged")) {
				return
			}
			yield(&event.DeadLetter{From: tvilling.Device("d"), Sequence: 7, Reject: event.Reject{Raw: []byte{0xff}}}, nil)
		}
	}}}
	var b bytes.Buffer
	if err := a.export(t.Context(), "", func(piece []byte) error { b.Write(piece); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"sequence":7`) || !strings.Contains(got, `"rawBase64":"/w=="`) {
		t.Errorf("export = %s", got)
	}
}
