//go:build linux

package collect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
)

// fwField is something of a packet that rules ask for.
type fwField uint8

// The fields; those up to fwProtocol have a member of their own in an item.
const (
	fwOther fwField = iota
	fwSource
	fwDestination
	fwSourcePort
	fwDestinationPort
	fwProtocol
	fwInInterface
	fwOutInterface
	fwInIndex
	fwOutIndex
	fwState
	fwICMPType
	fwICMPCode
	fwTCPFlags
	fwFamily
)

var fwFieldNames = [...]string{
	"", "source address", "destination address", "source port", "destination port", "protocol", "in interface", "out interface",
	"in interface", "out interface", "state", "icmp type", "icmp code", "tcp flags", "family",
}

// fwRule is a rule of a firewall as both backends have it.
type fwRule struct {
	fields [fwProtocol + 1]string
	// conditions are what else restricts the rule, as text.
	conditions []string
	// more tells of lists that are cut.
	more    []string
	comment string
	// family is "IPv4" or "IPv6" if the rule is for that alone in a chain of both.
	family string
	// action is "Allow", "Deny" or "Other"; target what an Other does: the name
	// of a chain, or of a statement.
	action, target string
	goesTo         bool
}

// restrict adds that field is text, or is not text. What an item has no member
// for becomes a condition, so that no rule ever looks wider than it is.
func (r *fwRule) restrict(f fwField, text string, not bool) {
	if !not && f >= fwSource && f <= fwProtocol {
		if r.fields[f] == "" || r.fields[f] == text {
			r.fields[f] = text
			return
		}
	}
	name := fwFieldNames[f]
	if not {
		name += " not"
	}
	r.condition(strings.TrimSpace(name + " " + text))
}

func (r *fwRule) condition(text string) { r.conditions = append(r.conditions, text) }

// clone returns a copy that shares nothing that either changes.
func (r *fwRule) clone() *fwRule {
	c := *r
	c.conditions = append([]string(nil), r.conditions...)
	c.more = append([]string(nil), r.more...)
	return &c
}

// fwChain is a chain of rules; a base chain is one that packets come to from
// the kernel, and has a policy.
type fwChain struct {
	name, family, backend string
	// hook is "input", "output", "forward", "ingress" or "egress" of a base
	// chain, else empty. A base chain of a dormant table is not enabled.
	hook    string
	policy  string
	device  string
	off     bool
	in, out bool // reached by packets to, or from, the device itself
	rules   []*fwRule
	// more is how many rules are not in rules, which are before the last one.
	more int
}

func (c *fwChain) direction() string {
	switch {
	case c.in && !c.out:
		return "In"
	case c.out && !c.in:
		return "Out"
	default:
		return ""
	}
}

// Bounds of what a snapshot tells.
const (
	maxFirewallItems = 2000
	maxSetTold       = 256
	maxConditions    = 512 // bytes of a Conditions
)

// fwItems returns the items of chains: of each its rules in their order, and
// its policy. At most [maxFirewallItems] are of rules; of a base chain that is
// cut the last rule is kept in any case, since it may decide on all that no
// other names.
func fwItems(chains []*fwChain) []event.Item {
	var items []event.Item
	left, dropped := maxFirewallItems, 0
	for _, c := range chains {
		rules := c.rules
		if n, keep := len(rules), max(left, least(c)); n > keep {
			dropped += n - keep
			rules = slices.Clone(rules[:keep])
			if keep > 0 {
				rules[keep-1] = c.rules[n-1]
			}
		}
		left = max(0, left-len(rules))
		dropped += c.more
		priority := int64(0)
		for _, r := range rules {
			priority++
			items = append(items, c.item(r, priority))
		}
		if c.hook == "" {
			continue
		}
		p := &event.FirewallConfiguration{
			Priority: priority + 1, HasPriority: true, Direction: c.direction(), ChainName: c.name, Enabled: !c.off, Action: c.policy,
			Extra: event.Details{{Name: "Family", Value: c.family}, {Name: "Hook", Value: c.hook}, {Name: "Backend", Value: c.backend}},
		}
		if c.device != "" {
			p.Extra = append(p.Extra, event.Detail{Name: "Device", Value: c.device})
		}
		items = append(items, p)
	}
	if dropped > 0 {
		items = append(items, &event.FirewallConfiguration{
			Enabled: true, Action: "Other", Extra: event.Details{{Name: "More", Value: fmt.Sprintf("%d more rules are not told", dropped)}},
		})
	}
	return items
}

// least is how many rules of a chain are told in any case.
func least(c *fwChain) int {
	if c.hook != "" {
		return 1
	}
	return 0
}

func (c *fwChain) item(r *fwRule, priority int64) *event.FirewallConfiguration {
	it := &event.FirewallConfiguration{
		Priority: priority, HasPriority: true, Direction: c.direction(), ChainName: c.name, Enabled: !c.off, Action: r.action,
		SourceAddress: r.fields[fwSource], SourcePort: r.fields[fwSourcePort],
		DestinationAddress: r.fields[fwDestination], DestinationPort: r.fields[fwDestinationPort],
		Protocol: r.fields[fwProtocol], Extra: event.Details{{Name: "Family", Value: c.family}},
	}
	add := func(name, value string) {
		if value != "" {
			it.Extra = append(it.Extra, event.Detail{Name: name, Value: strings.ToValidUTF8(value, "\uFFFD")})
		}
	}
	conditions := r.conditions
	if r.family != "" && r.fields[fwSource] == "" && r.fields[fwDestination] == "" {
		conditions = append([]string{r.family}, conditions...)
	}
	text := strings.Join(conditions, "; ")
	if len(text) > maxConditions {
		text = text[:maxConditions] + "…"
	}
	add("Conditions", text)
	add("Target", r.target)
	if r.goesTo {
		add("Goto", "true")
	}
	add("Comment", r.comment)
	add("More", strings.Join(r.more, "; "))
	return it
}
