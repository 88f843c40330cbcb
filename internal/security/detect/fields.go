package detect

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/command"
	"github.com/tvilling/tvilling/internal/security/event"
)

// Fields that are derived from those of an item, or go by other names in
// Sigma's taxonomy. Their numbers follow those of package event.
const (
	initiated = int(event.Fields) + iota
	destinationIP
	destinationPort
	sourceIP
	sourcePort
	hosts
	hash
	commands
	script
	fetched
	destinationIsPrivate
	firstDetail // members of ExtraDetails, numbered as rules name them
)

// aliases are the names of Sigma's taxonomy for fields of events.
var aliases = map[string]int{
	"image": int(event.Executable), "user": int(event.UserName), "processid": int(event.ProcessID), "parentprocessid": int(event.ParentProcessID),
	"destinationip": destinationIP, "destinationport": destinationPort, "sourceip": sourceIP, "sourceport": sourcePort,
	"initiated": initiated, "hosts": hosts, "hash": hash,
	"commands": commands, "script": script, "fetched": fetched,
	"destinationisprivate": destinationIsPrivate,
}

// keywords are the fields that a keyword of a rule is looked for in: all that
// are sent.
func keywords() []int {
	ids := make([]int, 0, event.Fields-1)
	for f := event.NoField + 1; f < event.Fields; f++ {
		ids = append(ids, int(f))
	}
	return ids
}

// fieldNames are the names that a misspelt one is compared with.
func fieldNames() []string {
	list := []string{
		"Image", "User", "ProcessId", "ParentProcessId", "DestinationIp", "DestinationPort", "SourceIp", "SourcePort", "Initiated",
		"Hosts", "Hash", "Commands", "Script", "Fetched", "DestinationIsPrivate",
	}
	for f := event.NoField + 1; f < event.Fields; f++ {
		list = append(list, f.String())
	}
	return list
}

// detailPrefix begins the name of a member of ExtraDetails.
const detailPrefix = "ExtraDetails."

// names resolves field names of one set of rules.
type names struct{ details []string }

// resolve returns the number of a field; false if no event has it.
func (n *names) resolve(field string) (int, bool) {
	if name, ok := strings.CutPrefix(field, detailPrefix); ok && name != "" {
		i := slices.Index(n.details, name)
		if i < 0 {
			i = len(n.details)
			n.details = append(n.details, name)
		}
		return firstDetail + i, true
	}
	if id, ok := aliases[strings.ToLower(field)]; ok {
		return id, true
	}
	if f, ok := event.FieldOf(field); ok {
		return int(f), true
	}
	return 0, false
}

// record is an item as rules see it.
type record struct {
	item  event.Item
	names *names
	// line is the item's command line, once it was asked for.
	line   command.Line
	parsed bool
}

func (r *record) set(item event.Item) { r.item, r.parsed = item, false }

// commandLine reads the item's command line; false if it has none.
func (r *record) commandLine() bool {
	if r.parsed {
		return true
	}
	text, ok := r.item.Field(event.CommandLine)
	if !ok {
		return false
	}
	program, _ := r.item.Field(event.Executable)
	r.line.Parse(program.Text, text.Text)
	r.parsed = true
	return true
}

// Values appends the values of a field to dst; none if the item has none.
func (r *record) Values(id int, dst []string) []string {
	switch {
	case id < int(event.Fields):
		return r.plain(event.Field(id), dst)
	case id >= firstDetail:
		if v, ok := r.item.Details().Get(r.names.details[id-firstDetail]); ok {
			return append(dst, v)
		}
		return dst
	}
	switch id {
	case hosts:
		if r.commandLine() {
			return r.line.Hosts(dst)
		}
		return dst
	case hash:
		if v, ok := r.item.Details().Get("Hash"); ok {
			if _, digest, found := strings.Cut(v, ":"); found {
				v = digest
			}
			return append(dst, v)
		}
		return dst
	case commands, script, fetched:
		return r.behaviour(id, dst)
	}
	c, ok := r.item.(*event.ConnectionCreate)
	if !ok {
		return dst
	}
	out := c.Direction == "Out"
	switch id {
	case initiated:
		return append(dst, strconv.FormatBool(out))
	case destinationIsPrivate:
		return append(dst, strconv.FormatBool(!global(pick(out, c.RemoteAddress, c.LocalAddress))))
	case destinationIP:
		return present(dst, pick(out, c.RemoteAddress, c.LocalAddress))
	case destinationPort:
		return present(dst, pick(out, c.RemotePort, c.LocalPort))
	case sourceIP:
		return present(dst, pick(out, c.LocalAddress, c.RemoteAddress))
	default: // sourcePort
		return present(dst, pick(out, c.LocalPort, c.RemotePort))
	}
}

// behaviour appends what the command line does.
func (r *record) behaviour(id int, dst []string) []string {
	if !r.commandLine() {
		return dst
	}
	switch id {
	case commands:
		return append(dst, r.line.Commands...)
	case fetched:
		return append(dst, r.line.Fetched...)
	default:
		return present(dst, r.line.Script)
	}
}

func (r *record) plain(f event.Field, dst []string) []string {
	v, ok := r.item.Field(f)
	if !ok {
		return dst
	}
	if v.IsNumber && v.Text == "" {
		return append(dst, strconv.FormatInt(v.Number, 10))
	}
	return append(dst, v.Text)
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

func present(dst []string, v string) []string {
	if v == "" {
		return dst
	}
	return append(dst, v)
}
