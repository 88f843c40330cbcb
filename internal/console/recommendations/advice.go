package recommendations

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

// facts are the details of all types; each type has some of the members.
type facts struct {
	Endpoints []struct{ Address, Port, Protocol string }
	Count     int64
	Policies  []struct{ Chain, Family, Action string }
	// Of the baseline.
	Critical, Important, Warning, Informational, NotMade int64
	Checks                                               []struct{ ID, Severity, Result, Title, Found string }
	Differences                                          []struct{ Property, Desired, Reported, Effective, Why string }
	More                                                 any
	Problems                                             []struct{ Property, Message, SaidBy string }
	SharedWith                                           []string
	MessagesSent, MessagesUnder4KB, Percent              int64
	WaitedSince                                          string
}

// named is how many things a headline names.
const named = 3

// headline says what to do about one finding: an imperative with its object.
func headline(r *ledger.Recommendation, title string) string {
	var f facts
	if len(r.Details) == 0 || json.Unmarshal(r.Details, &f) != nil {
		return title
	}
	switch r.Type {
	case recommend.OpenPorts:
		var list []string
		for _, e := range f.Endpoints {
			list = append(list, net.JoinHostPort(e.Address, e.Port))
		}
		return "Close " + ui.Plural(max(f.Count, int64(len(list))), "open port") + ": " + some(list, int(f.Count))
	case recommend.PermissiveFirewallPolicy:
		var list []string
		for _, p := range f.Policies {
			list = append(list, p.Chain)
		}
		return "Deny by default in " + some(list, len(list))
	case recommend.Baseline:
		return "Mend " + ui.Plural(f.Count, "failed check") + baselineParts(&f)
	case recommend.InstallAgent:
		return "Install the security agent"
	case recommend.SharedCredentials:
		return "Give it a key of its own; it shares one with " + some(f.SharedWith, len(f.SharedWith))
	case recommend.AgentSendsUnutilized:
		return fmt.Sprintf("Fill messages: %d %% of %s had less than 4 KiB", f.Percent, ui.Plural(f.MessagesSent, "message"))
	case recommend.ConfigurationMismatch:
		var list []string
		for _, d := range f.Differences {
			list = append(list, d.Property)
		}
		return "Bring " + ui.Plural(int64(len(list)), "setting") + " in line: " + some(list, len(list))
	case recommend.ConfigurationConflict, recommend.ConfigurationNotOptimal:
		var list []string
		for _, p := range f.Problems {
			list = append(list, p.Property)
		}
		return "Change " + ui.Plural(int64(len(list)), "setting") + ": " + some(list, len(list))
	default:
		return title
	}
}

func baselineParts(f *facts) string {
	var parts []string
	for _, p := range []struct {
		n    int64
		word string
	}{{f.Critical, "critical"}, {f.Important, "important"}, {f.Warning, "warning"}, {f.NotMade, "not made"}} {
		if p.n > 0 {
			parts = append(parts, ui.Count(p.n)+" "+p.word)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// some names a few of a list, and how many others there are.
func some(list []string, all int) string {
	shown := list[:min(len(list), named)]
	out := strings.Join(shown, ", ")
	if rest := max(all, len(list)) - len(shown); rest > 0 {
		out += fmt.Sprintf(" and %s more", ui.Count(int64(rest)))
	}
	return out
}

// fact is one member of the details in words, or a list of such as a table.
type fact struct {
	Name, Value string
	Columns     []string
	Rows        [][]string
}

// words are the names of members as people say them.
var words = map[string]string{
	"endpoints": "Endpoints", "count": "How many", "policies": "Policies", "checks": "Checks", "critical": "Critical", "important": "Important",
	"warning": "Warnings", "informational": "Informational", "notMade": "Not made", "differences": "Differences", "problems": "Problems",
	"sharedWith": "Shared with", "more": "And more", "messagesSent": "Messages sent", "messagesUnder4KB": "Below 4 KiB", "percent": "Percent",
	"hours": "Within hours", "waitedSince": "Registered, and silent, since", "saidBy": "said by", "id": "check",
}

func word(name string) string {
	if w, ok := words[name]; ok {
		return w
	}
	return name
}

// factsOf are the details of a finding, in their order, whatever the type.
func factsOf(raw json.RawMessage) []fact {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	members, err := object(raw)
	if err != nil {
		return []fact{{Name: "Details", Value: string(raw)}}
	}
	var list []fact
	for _, m := range members {
		f := fact{Name: word(m.name)}
		var items []json.RawMessage
		if json.Unmarshal(m.value, &items) != nil {
			f.Value = scalar(m.value)
			list = append(list, f)
			continue
		}
		f.table(items)
		list = append(list, f)
	}
	return list
}

// table makes a table of a list of objects; a list of anything else is a value.
func (f *fact) table(items []json.RawMessage) {
	var columns []string
	var rows []map[string]string
	for _, item := range items {
		members, err := object(item)
		if err != nil {
			if f.Value != "" {
				f.Value += ", "
			}
			f.Value += scalar(item)
			continue
		}
		row := make(map[string]string)
		for _, m := range members {
			if _, ok := row[m.name]; !ok && !slices.Contains(columns, m.name) {
				columns = append(columns, m.name)
			}
			row[m.name] = scalar(m.value)
		}
		rows = append(rows, row)
	}
	for _, c := range columns {
		f.Columns = append(f.Columns, word(c))
	}
	for _, row := range rows {
		var cells []string
		for _, c := range columns {
			cells = append(cells, row[c])
		}
		f.Rows = append(f.Rows, cells)
	}
}

type member struct {
	name  string
	value json.RawMessage
}

// object reads the members of a JSON object in their order.
func object(raw json.RawMessage) ([]member, error) {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("not an object")
	}
	var list []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		name, _ := t.(string) // names of members are texts
		list = append(list, member{name, v})
	}
	return list, nil
}

// scalar is a value as people read it: texts without quotes.
func scalar(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	switch string(raw) {
	case "true":
		return "yes"
	case "false":
		return "no"
	default:
		return string(raw)
	}
}
