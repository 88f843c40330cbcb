package recommend

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// policy is the last word of a chain.
type policy struct {
	Chain    string `json:"chain"`
	Family   string `json:"family,omitempty"`
	Action   string `json:"action"`
	Priority int64  `json:"priority,omitempty"`
}

type permissive struct {
	Policies []policy `json:"policies"`
}

// chainName names a chain: by its name in capitals as the original agents have
// it; by name and family ("ip", "ip6", "inet") where ExtraDetails have one.
type chainName struct{ name, family string }

type chains map[chainName][]*event.FirewallConfiguration

func nameOf(f *event.FirewallConfiguration) chainName {
	if family, ok := f.Extra.Get("Family"); ok {
		return chainName{f.ChainName, family}
	}
	return chainName{strings.ToUpper(f.ChainName), ""}
}

// firewall judges the policies of input and output. A snapshot without any rule
// says that there is no firewall: that mends no policy.
func (a *Assessor) firewall(tx *ledger.Tx, d *ledger.Device, m *event.Message, e *event.Event) error {
	mem := recall(d)
	if !fresh(&mem.firewall, e) {
		return nil
	}
	mem.keep(tx, d)
	all := make(chains)
	hooks := make(map[string][]chainName) // the chains of input and output
	there := false
	for _, it := range items(m, e) {
		f, ok := it.(*event.FirewallConfiguration)
		if !ok {
			continue
		}
		there = true
		if !f.Enabled {
			continue
		}
		name := nameOf(f)
		all[name] = append(all[name], f)
		hook, told := f.Extra.Get("Hook")
		if !told && name.family == "" {
			hook = f.ChainName
		}
		if hook = strings.ToUpper(hook); (hook == "INPUT" || hook == "OUTPUT") && !slices.Contains(hooks[hook], name) {
			hooks[hook] = append(hooks[hook], name)
		}
	}
	if !there {
		return nil
	}
	for _, rules := range all {
		slices.SortStableFunc(rules, func(a, b *event.FirewallConfiguration) int {
			if !a.HasPriority || !b.HasPriority {
				return 0
			}
			return cmp.Compare(a.Priority, b.Priority)
		})
	}
	list := slices.Concat(all.permissive(hooks["INPUT"]), all.permissive(hooks["OUTPUT"]))
	return a.either(tx, d.ID, PermissiveFirewallPolicy, len(list) > 0, advice{details: permissive{list}})
}

// permissive returns the policies that allow, of those chains of a hook that
// together let pass what no rule names: what one chain refuses is refused,
// whatever the others say. IPv4 and IPv6 are judged apart.
func (c chains) permissive(names []chainName) []policy {
	var list []policy
	for _, version := range []string{"ip", "ip6"} {
		var allow []policy
		for _, n := range names {
			if n.family != "" && n.family != "inet" && n.family != version {
				continue
			}
			f := c.last(n)
			if f == nil || !strings.EqualFold(f.Action, "Allow") {
				allow = nil
				break
			}
			allow = append(allow, policy{n.name, n.family, "Allow", f.Priority})
		}
		for _, p := range allow {
			if !slices.Contains(list, p) {
				list = append(list, p)
			}
		}
	}
	return list
}

// last returns the rule of a chain that decides on what no other names: its
// policy, which has the last priority; or a rule right before it that refuses
// everything, behind which the policy is never asked. It may refuse in a chain
// that it jumps to.
func (c chains) last(name chainName) *event.FirewallConfiguration {
	rules := c[name]
	n := len(rules)
	if n == 0 || !everything(rules[n-1]) || conditional(rules[n-1]) {
		return nil
	}
	if n > 1 {
		if f := c.refuses(rules[n-2], maxJumps); f != nil {
			return f
		}
	}
	return rules[n-1]
}

// maxJumps bounds how far jumps are followed, as the kernel does.
const maxJumps = 16

// refuses returns the rule that refuses all that comes to f: f, or the last one
// of the chain that it jumps to; nil if not everything is refused.
func (c chains) refuses(f *event.FirewallConfiguration, jumps int) *event.FirewallConfiguration {
	if !everything(f) || restricted(f) {
		return nil
	}
	if strings.EqualFold(f.Action, "Deny") {
		return f
	}
	target, ok := f.Extra.Get("Target")
	rules := c[chainName{target, nameOf(f).family}]
	if !ok || len(rules) == 0 || jumps == 0 || !strings.EqualFold(f.Action, "Other") {
		return nil
	}
	for _, r := range rules {
		if t, _ := r.Extra.Get("Target"); t == "return" {
			return nil // some of it comes back
		}
	}
	return c.refuses(rules[len(rules)-1], jumps-1)
}

// conditional reports whether ExtraDetails say what else restricts a rule.
func conditional(f *event.FirewallConfiguration) bool {
	_, ok := f.Extra.Get("Conditions")
	return ok
}

// restricted reports whether ExtraDetails may say what else restricts a rule:
// any but those that are known to restrict nothing.
func restricted(f *event.FirewallConfiguration) bool {
	return slices.ContainsFunc(f.Extra, func(d event.Detail) bool {
		return !slices.Contains([]string{"Family", "Hook", "Backend", "Target", "Goto", "Comment"}, d.Name)
	})
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
