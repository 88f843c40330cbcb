package sigma_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

const whole = `title: Whole rule
id: 929A690E-bef0-4204-a928-ef5e620d6fcc
name: whole
related:
  - {id: 08fbc97d-0a2f-491c-ae21-8ffcfd3174e9, type: derived}
taxonomy: sigma
status: test
description: |
  What it finds.
license: MIT
author: A, B
references: ['https://example.com/a', 'https://example.com/b']
date: 2026-01-02
modified: 2026/03/04
logsource:
  category: process_creation
  product: linux
  service: auditd
  definition: needs auditd
detection:
  first: {a: x}
  second:
    - b: y
    - keyword
  condition:
    - first
    - second and not first
fields: [CommandLine]
falsepositives: [Administrators, 2]
level: Critical
tags: [attack.t1496, attack.impact]
scope: [server]
custom: {anything: [goes]}
tvilling:
  type: IoT_X
`

func parse(t *testing.T, text string) (*sigma.Rule, error) {
	t.Helper()
	nodes, err := rulefile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sigma.Parse(nodes[0])
}

func TestRule(t *testing.T) {
	r, err := parse(t, whole)
	if err != nil {
		t.Fatal(err)
	}
	want := &sigma.Rule{
		ID: "929A690E-bef0-4204-a928-ef5e620d6fcc", Name: "whole", Title: "Whole rule", Status: "test", Description: "What it finds.\n", License: "MIT",
		Author: "A, B", Date: "2026-01-02", Modified: "2026-03-04",
		References: []string{"https://example.com/a", "https://example.com/b"}, Tags: []string{"attack.t1496", "attack.impact"},
		Fields: []string{"CommandLine"}, FalsePositives: []string{"Administrators", "2"},
		LogSource: sigma.LogSource{Category: "process_creation", Product: "linux", Service: "auditd"}, Level: "critical", Line: 1,
	}
	if diff := cmp.Diff(want, r, cmpopts.IgnoreFields(sigma.Rule{}, "Detection", "Custom")); diff != "" {
		t.Errorf("rule differs (-want +got):\n%s", diff)
	}
	if got := r.Custom.Get("type"); got == nil || got.Text != "IoT_X" || got.Line != 35 {
		t.Errorf("tvilling.type = %+v", got)
	}
	if diff := cmp.Diff([]string{"first", "second"}, r.Detection.Selections()); diff != "" {
		t.Errorf("selections differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"first", "second and not first"}, r.Detection.Conditions()); diff != "" {
		t.Errorf("conditions differ (-want +got):\n%s", diff)
	}
}

func TestRuleRefused(t *testing.T) {
	const rest = "logsource: {category: c}\ndetection: {s: {a: x}, condition: s}\n"
	for _, c := range []struct {
		name, text string
		code       tvilling.Code
		line       int
		path, want string
	}{
		{"no title", rest, tvilling.InvalidArgument, 1, "title", "has no title"},
		{"empty title", "title: ''\n" + rest, tvilling.InvalidArgument, 1, "title", "is empty"},
		{"title is a list", "title: [x]\n" + rest, tvilling.InvalidArgument, 1, "title", "is a text, not a list"},
		{"id", "title: t\nid: 42\n" + rest, tvilling.InvalidArgument, 2, "id", "is not a UUID"},
		{"level", "title: t\nlevel: severe\n" + rest, tvilling.InvalidArgument, 2, "level", "it is one of informational, low"},
		{"status", "title: t\nstatus: new\n" + rest, tvilling.InvalidArgument, 2, "status", "it is one of stable"},
		{"date", "title: t\ndate: 3 May\n" + rest, tvilling.InvalidArgument, 2, "date", "YYYY-MM-DD"},
		{"month", "title: t\nmodified: 2026-13-01\n" + rest, tvilling.InvalidArgument, 2, "modified", "YYYY-MM-DD"},
		{"taxonomy", "title: t\ntaxonomy: ecs\n" + rest, tvilling.Unsupported, 2, "taxonomy", "is not known"},
		{"tags", "title: t\ntags: {a: b}\n" + rest, tvilling.InvalidArgument, 2, "tags", "is a list of texts, not a map"},
		{"nested tags", "title: t\ntags: [[b]]\n" + rest, tvilling.InvalidArgument, 2, "tags", "this element is a list"},
		{"related", "title: t\nrelated: [{id: x, type: derived}]\n" + rest, tvilling.InvalidArgument, 2, "related", "UUID"},
		{"related type", "title: t\nrelated: [{id: 08fbc97d-0a2f-491c-ae21-8ffcfd3174e9, type: friend}]\n" + rest, tvilling.InvalidArgument, 2, "type", "one of derived"},
		{"related text", "title: t\nrelated: x\n" + rest, tvilling.InvalidArgument, 2, "related", "a list of maps"},
		{"no logsource", "title: t\ndetection: {s: {a: x}, condition: s}\n", tvilling.InvalidArgument, 1, "logsource", "has no logsource"},
		{"empty logsource", "title: t\nlogsource: {definition: x}\ndetection: {s: {a: x}, condition: s}\n", tvilling.InvalidArgument, 2, "logsource", "none of category"},
		{"logsource text", "title: t\nlogsource: x\ndetection: {s: {a: x}, condition: s}\n", tvilling.InvalidArgument, 2, "logsource", "not a text"},
		{"no detection", "title: t\nlogsource: {category: c}\n", tvilling.InvalidArgument, 1, "detection", "has no detection"},
		{"detection list", "title: t\nlogsource: {category: c}\ndetection: [x]\n", tvilling.InvalidArgument, 3, "detection", "not a list"},
		{"custom text", "title: t\n" + rest + "tvilling: x\n", tvilling.InvalidArgument, 4, "tvilling", "is a map"},
		{"correlation", "title: t\ncorrelation: {type: event_count}\n", tvilling.Unsupported, 2, "correlation", "Correlation rules are not supported"},
		{"filter", "title: t\nlogsource: {category: c}\nfilter: {rules: [x]}\n", tvilling.Unsupported, 3, "filter", "write the exception into the rule"},
		{"collection", "action: global\ntitle: t\n", tvilling.Unsupported, 1, "action", "write each rule whole"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			p, ok := errors.AsType[sigma.Problems](err)
			if !ok {
				t.Fatalf("error = %v", err)
			}
			if got := p[0]; tvilling.CodeOf(err) != c.code || got.Code != c.code || got.Line != c.line || got.Path != c.path || !strings.Contains(got.Message, c.want) {
				t.Errorf("problem = %+v\nwant %s in line %d, %s: … %s …", got, c.code, c.line, c.path, c.want)
			}
		})
	}
}

// TestAllProblems: a rule is read to its end, so that its author need not come
// back for each.
func TestAllProblems(t *testing.T) {
	_, err := parse(t, "title: t\nid: x\nlevel: y\nlogsource: {category: c}\ndetection:\n  s:\n    a|frob: 1\n    b|lt: z\n    c|re: '('\n  condition: s\n")
	p, _ := errors.AsType[sigma.Problems](err)
	var lines []int
	for _, one := range p {
		lines = append(lines, one.Line)
	}
	if diff := cmp.Diff([]int{2, 3, 7, 8, 9}, lines); diff != "" {
		t.Errorf("lines differ (-want +got):\n%s\n%v", diff, err)
	}
	if m := tvilling.MessageOf(err); !strings.HasPrefix(m, "line 2, id: ") || !strings.HasSuffix(m, "(and 4 more)") {
		t.Errorf("message = %s", m)
	}
	_, err = parse(t, "title: t\nlogsource: {category: c}\ndetection:\n  s:\n    - "+strings.Repeat("{a|frob: x}\n    - ", 50)+"{b: y}\n  condition: s\n")
	if p, _ := errors.AsType[sigma.Problems](err); len(p) != sigma.MaxProblems {
		t.Errorf("%d problems of 50, want %d", len(p), sigma.MaxProblems)
	}
}
