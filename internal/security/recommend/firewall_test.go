package recommend_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

func rule(chain, action string, priority int64, more ...string) event.Item {
	f := &event.FirewallConfiguration{ChainName: chain, Action: action, Priority: priority, HasPriority: priority > 0, Enabled: true}
	for _, m := range more {
		name, value, _ := strings.Cut(m, "=")
		switch name {
		case "source":
			f.SourceAddress = value
		case "port":
			f.DestinationPort = value
		case "protocol":
			f.Protocol = value
		case "disabled":
			f.Enabled = false
		case "Family", "Hook", "Conditions", "Target", "Comment":
			f.Extra = append(f.Extra, event.Detail{Name: name, Value: value})
		}
	}
	return f
}

func TestPermissiveFirewallPolicy(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules []event.Item
		want  string
	}{
		{
			"both allow",
			[]event.Item{rule("INPUT", "Allow", 1), rule("OUTPUT", "Allow", 1), rule("FORWARD", "Allow", 1)},
			`{"policies":[{"chain":"INPUT","action":"Allow","priority":1},{"chain":"OUTPUT","action":"Allow","priority":1}]}`,
		},
		{
			"input allows behind rules",
			[]event.Item{rule("INPUT", "Deny", 1, "port=23"), rule("INPUT", "Allow", 2), rule("OUTPUT", "Deny", 1)},
			`{"policies":[{"chain":"INPUT","action":"Allow","priority":2}]}`,
		},
		{
			"in any order",
			[]event.Item{rule("INPUT", "Allow", 3), rule("INPUT", "Deny", 1, "port=23"), rule("INPUT", "Deny", 2, "port=25")},
			`{"policies":[{"chain":"INPUT","action":"Allow","priority":3}]}`,
		},
		{
			"without priorities the last counts",
			[]event.Item{rule("input", "Deny", 0, "port=23"), rule("input", "Allow", 0)},
			`{"policies":[{"chain":"INPUT","action":"Allow"}]}`,
		},
		{
			"any address in other words",
			[]event.Item{rule("INPUT", "Allow", 1, "source=0.0.0.0/0", "protocol=all")},
			`{"policies":[{"chain":"INPUT","action":"Allow","priority":1}]}`,
		},
		{"input denies", []event.Item{rule("INPUT", "Allow", 1, "port=22"), rule("INPUT", "Deny", 2), rule("OUTPUT", "Deny", 1)}, ""},
		{"forwarding alone allows", []event.Item{rule("FORWARD", "Allow", 1)}, ""},
		{"the last rule allows one port", []event.Item{rule("INPUT", "Allow", 1, "port=22")}, ""},
		{"the last rule allows one network", []event.Item{rule("INPUT", "Allow", 1, "source=10.0.0.0/8")}, ""},
		{"everything is denied before the policy", []event.Item{rule("INPUT", "Allow", 1, "port=22"), rule("INPUT", "Deny", 2), rule("INPUT", "Allow", 3)}, ""},
		{"no chains", []event.Item{rule("", "Allow", 1)}, ""},
		{"something else", []event.Item{rule("INPUT", "Other", 1)}, ""},
		{
			"chains of nftables",
			[]event.Item{rule("inet filter input", "Deny", 1, "Family=inet", "port=23"), rule("inet filter input", "Allow", 2, "Family=inet", "Hook=input")},
			`{"policies":[{"chain":"inet filter input","family":"inet","action":"Allow","priority":2}]}`,
		},
		{
			"what another chain refuses is refused",
			[]event.Item{rule("inet a in", "Allow", 1, "Family=inet", "Hook=input"), rule("inet b in", "Deny", 1, "Family=inet", "Hook=input")},
			"",
		},
		{
			"a disabled chain refuses nothing",
			[]event.Item{rule("inet a in", "Allow", 1, "Family=inet", "Hook=input"), rule("inet b in", "Deny", 1, "Family=inet", "Hook=input", "disabled")},
			`{"policies":[{"chain":"inet a in","family":"inet","action":"Allow","priority":1}]}`,
		},
		{
			"IPv6 alone allows",
			[]event.Item{rule("INPUT", "Deny", 1, "Family=ip", "Hook=input"), rule("INPUT", "Allow", 1, "Family=ip6", "Hook=input")},
			`{"policies":[{"chain":"INPUT","family":"ip6","action":"Allow","priority":1}]}`,
		},
		{
			"other hooks do not count",
			[]event.Item{rule("INPUT", "Allow", 1, "Family=ip", "Hook=forward"), rule("OUTPUT", "Allow", 1, "Family=ip")},
			"",
		},
		{
			"a rule that refuses everything under a condition",
			[]event.Item{rule("i", "Deny", 1, "Family=ip", "Conditions=in interface wlan0"), rule("i", "Allow", 2, "Family=ip", "Hook=input")},
			`{"policies":[{"chain":"i","family":"ip","action":"Allow","priority":2}]}`,
		},
		{
			"a rule that refuses everything",
			[]event.Item{rule("i", "Deny", 1, "Family=ip", "Target=reject", "Comment=all"), rule("i", "Allow", 2, "Family=ip", "Hook=input")},
			"",
		},
		{
			"a chain that refuses everything",
			[]event.Item{
				rule("i", "Other", 1, "Family=ip", "Target=no"), rule("i", "Allow", 2, "Family=ip", "Hook=input"),
				rule("no", "Other", 1, "Family=ip", "Target=log"), rule("no", "Deny", 2, "Family=ip"),
			},
			"",
		},
		{
			"a chain that some comes back from",
			[]event.Item{
				rule("i", "Other", 1, "Family=ip", "Target=no"), rule("i", "Allow", 2, "Family=ip", "Hook=input"),
				rule("no", "Other", 1, "Family=ip", "Target=return", "port=22"), rule("no", "Deny", 2, "Family=ip"),
			},
			`{"policies":[{"chain":"i","family":"ip","action":"Allow","priority":2}]}`,
		},
		{
			"a chain that jumps to itself",
			[]event.Item{
				rule("i", "Other", 1, "Family=ip", "Target=no"), rule("i", "Allow", 2, "Family=ip", "Hook=input"), rule("no", "Other", 1, "Family=ip", "Target=no"),
			},
			`{"policies":[{"chain":"i","family":"ip","action":"Allow","priority":2}]}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.send(event.FirewallConfigurationKind, time.Now(), c.rules...)
			b.active(recommend.PermissiveFirewallPolicy, c.want != "")
			if c.want != "" {
				b.details(recommend.PermissiveFirewallPolicy, c.want)
			}
		})
	}
}

func TestFirewallIsMended(t *testing.T) {
	b, at := newBench(t), time.Now()
	b.send(event.FirewallConfigurationKind, at, rule("INPUT", "Allow", 1))
	b.same(func() {
		b.send(event.FirewallConfigurationKind, at.Add(time.Hour), rule("INPUT", "Allow", 1))
		// Without any rule there is no firewall: that mends nothing.
		b.send(event.FirewallConfigurationKind, at.Add(2*time.Hour))
	})
	b.active(recommend.PermissiveFirewallPolicy, true)
	b.send(event.FirewallConfigurationKind, at.Add(3*time.Hour), rule("INPUT", "Deny", 1))
	b.active(recommend.PermissiveFirewallPolicy, false)
}
