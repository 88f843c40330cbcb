package recommend

import (
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// policy is the last word of a chain.
type policy struct {
	Chain    string `json:"chain"`
	Action   string `json:"action"`
	Priority int64  `json:"priority,omitempty"`
}

type permissive struct {
	Policies []policy `json:"policies"`
}

// firewall judges the policies of the input and the output chain. A snapshot
// without any rule says that there is no firewall: that mends no policy.
func (a *Assessor) firewall(tx *ledger.Tx, d *ledger.Device, m *event.Message, e *event.Event) error {
	mem := recall(d)
	if !fresh(&mem.firewall, e) {
		return nil
	}
	mem.keep(tx, d)
	chains := make(map[string][]*event.FirewallConfiguration)
	there := false
	for _, it := range items(m, e) {
		f, ok := it.(*event.FirewallConfiguration)
		if !ok {
			continue
		}
		there = true
		if name := strings.ToUpper(f.ChainName); name == "INPUT" || name == "OUTPUT" {
			chains[name] = append(chains[name], f)
		}
	}
	if !there {
		return nil
	}
	var list []policy
	for _, name := range []string{"INPUT", "OUTPUT"} {
		if f := last(chains[name]); f != nil && strings.EqualFold(f.Action, "Allow") {
			list = append(list, policy{name, "Allow", f.Priority})
		}
	}
	return a.either(tx, d.ID, PermissiveFirewallPolicy, len(list) > 0, advice{details: permissive{list}})
}

// last returns the rule of a chain that decides on what no other names: its
// policy, which has the last priority; or a rule right before it that refuses
// everything, behind which the policy is never asked.
func last(rules []*event.FirewallConfiguration) *event.FirewallConfiguration {
	rules = slices.DeleteFunc(slices.Clone(rules), func(f *event.FirewallConfiguration) bool { return !f.Enabled })
	slices.SortStableFunc(rules, func(a, b *event.FirewallConfiguration) int {
		if !a.HasPriority || !b.HasPriority {
			return 0
		}
		return int(min(1, max(-1, a.Priority-b.Priority)))
	})
	n := len(rules)
	if n == 0 || !everything(rules[n-1]) {
		return nil
	}
	if n > 1 && strings.EqualFold(rules[n-2].Action, "Deny") && everything(rules[n-2]) && len(rules[n-2].Extra) == 0 {
		return rules[n-2]
	}
	return rules[n-1]
}

// everything reports whether a rule names no address and no port.
func everything(f *event.FirewallConfiguration) bool {
	return anyAddress(f.SourceAddress) && anyAddress(f.DestinationAddress) && anyPort(f.SourcePort) && anyPort(f.DestinationPort) &&
		(f.Protocol == "" || f.Protocol == "*" || f.Protocol == "0" || strings.EqualFold(f.Protocol, "all") || strings.EqualFold(f.Protocol, "any"))
}

func anyAddress(s string) bool {
	switch strings.ToLower(s) {
	case "", "*", "any", "all", "0.0.0.0", "0.0.0.0/0", "0.0.0.0/0.0.0.0", "::", "::/0":
		return true
	default:
		return false
	}
}

func anyPort(s string) bool {
	switch strings.ToLower(s) {
	case "", "*", "any", "all", "0-65535", "1-65535":
		return true
	default:
		return false
	}
}
