package devices

import (
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/hub/query"
)

// field is something that filters are about, by its path in a query.
type field struct {
	// Name is what the form sends, Label what people read.
	Name, Label, path string
	number            bool
	// words are what values are called.
	words map[string]string
	// Values are those that there are, for the form to offer.
	Values []string
}

// fields are those with names of their own. Tags and other members of twins
// have their paths.
var fields = []field{
	{Name: "id", Label: "Device", path: "deviceId"},
	{Name: "state", Label: "State", path: "modules.security.state", words: map[string]string{"atRisk": "at risk"}, Values: []string{"unhealthy", "atRisk", "healthy", "unknown"}},
	{Name: "posture", Label: "Posture", path: "modules.security.score", number: true},
	{Name: "high", Label: "Open high alerts", path: "modules.security.alerts.high", number: true},
	{Name: "medium", Label: "Open medium alerts", path: "modules.security.alerts.medium", number: true},
	{Name: "low", Label: "Open low alerts", path: "modules.security.alerts.low", number: true},
	{Name: "sync", Label: "Agent configuration", path: "modules.security.configuration", words: map[string]string{"inSync": "in sync", "differs": "out of sync", "notReported": "not reported"}, Values: []string{"inSync", "differs", "notReported"}},
	{Name: "agent", Label: "Agent version", path: "modules.security.agent.version"},
	{Name: "connection", Label: "Connection", path: "connectionState", words: map[string]string{"Connected": "on", "Disconnected": "off"}, Values: []string{"Connected", "Disconnected"}},
	{Name: "agentconnection", Label: "Agent connection", path: "modules.connectionState", words: map[string]string{"Connected": "on", "Disconnected": "off"}, Values: []string{"Connected", "Disconnected"}},
	{Name: "status", Label: "Status", path: "status", Values: []string{"enabled", "disabled"}},
	{Name: "activity", Label: "Last activity", path: "lastActivityTime"},
	{Name: "agentactivity", Label: "Agent's last activity", path: "modules.lastActivityTime"},
	{Name: "heard", Label: "Points lost, agent not heard", path: "modules.security.parts.agent", number: true},
}

// chip is a term of the condition in words, or, if no chip can show it, as it
// is written.
type chip struct {
	Label, Verb string
	Values      []string
	Raw         string
	// Index is the place of the term among those of the condition.
	Index int
}

// Words is the chip for who hears it.
func (c chip) Words() string {
	if c.Raw != "" {
		return c.Raw
	}
	return strings.TrimSpace(c.Label + " " + c.Verb + " " + strings.Join(c.Values, " or "))
}

// chips are the terms of a condition.
func (c condition) chips() []chip {
	list := make([]chip, 0, len(c.terms))
	for i, term := range c.terms {
		v, ok := asChip(term)
		if !ok {
			v = chip{Raw: written([]query.Expr{term})}
		}
		v.Index = i
		list = append(list, v)
	}
	return list
}

var verbs = map[query.Op]string{
	query.Equal: "is", query.NotEqual: "is set, but not", query.Less: "below", query.LessEqual: "at most",
	query.Greater: "above", query.GreaterEqual: "at least",
}

// asChip says what a term means, if it is a simple one.
func asChip(e query.Expr) (chip, bool) {
	switch e := e.(type) {
	case *query.Binary:
		verb, ok := verbs[e.Op]
		value, constant := e.Right.(*query.Constant)
		if !ok || !constant {
			return chip{}, false
		}
		return pathChip(e.Left, verb, value)
	case *query.In:
		verb := "is"
		if e.Negated {
			verb = "is set, but not"
		}
		return pathChip(e.X, verb, e.Items.Items...)
	case *query.Like:
		if e.Negated {
			return chip{}, false
		}
		return pathChip(e.X, "is like", &query.Constant{Kind: query.String, Text: e.Pattern})
	case *query.Not:
		call, ok := e.X.(*query.Call)
		if !ok || call.Name != "IS_DEFINED" || len(call.Args) != 1 {
			return chip{}, false
		}
		return pathChip(call.Args[0], "is not set")
	case *query.Call:
		return callChip(e)
	}
	return chip{}, false
}

func callChip(e *query.Call) (chip, bool) {
	verb := map[string]string{
		"IS_DEFINED": "is set", "STARTSWITH": "begins with", "STARTS_WITH": "begins with",
		"ENDSWITH": "ends with", "ENDS_WITH": "ends with", "CONTAINS": "contains",
	}[e.Name]
	switch {
	case verb == "" || len(e.Args) == 0:
		return chip{}, false
	case e.Name == "IS_DEFINED":
		return pathChip(e.Args[0], verb)
	case len(e.Args) != 2:
		return chip{}, false
	}
	value, ok := e.Args[1].(*query.Constant)
	if !ok {
		return chip{}, false
	}
	return pathChip(e.Args[0], verb, value)
}

// pathChip is a chip about a member of a twin.
func pathChip(e query.Expr, verb string, values ...*query.Constant) (chip, bool) {
	path, ok := e.(*query.Path)
	if !ok {
		return chip{}, false
	}
	f, ok := fieldOf(path.Segments)
	if !ok {
		return chip{}, false
	}
	c := chip{Label: f.Label, Verb: verb}
	seen := make(map[string]bool)
	for _, v := range values {
		s := constantText(v)
		if word, ok := f.words[s]; ok {
			s = word
		}
		// '3' and 3 read alike, and mean alike to who reads.
		if !seen[s] {
			seen[s] = true
			c.Values = append(c.Values, s)
		}
	}
	return c, true
}

func constantText(c *query.Constant) string {
	switch c.Kind {
	case query.Bool:
		return strconv.FormatBool(c.Bool)
	case query.Number:
		return strconv.FormatFloat(c.Number, 'g', -1, 64)
	case query.String:
		if c.Text == "" {
			return "the empty text"
		}
		return c.Text
	default:
		return "null"
	}
}

// fieldOf finds what a path is about.
func fieldOf(segments []string) (field, bool) {
	if len(segments) > 1 && strings.EqualFold(segments[0], "devices") {
		segments = segments[1:]
	}
	path := strings.Join(segments, ".")
	for _, f := range fields {
		if strings.EqualFold(path, f.path) {
			return f, true
		}
	}
	module := ""
	if strings.EqualFold(segments[0], "modules") && len(segments) > 1 {
		module, segments = "of the module ", segments[1:]
	}
	switch {
	case len(segments) > 1 && strings.EqualFold(segments[0], "tags"):
		label := "Tag "
		if module != "" {
			label = "Tag of the module "
		}
		return field{Label: label + strings.Join(segments[1:], ".")}, true
	case len(segments) > 2 && strings.EqualFold(segments[0], "properties"):
		return field{Label: strings.ToUpper(segments[1][:1]) + segments[1][1:] + " " + module + strings.Join(segments[2:], ".")}, true
	}
	return field{}, false
}
