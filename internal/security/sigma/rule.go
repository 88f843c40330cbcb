package sigma

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Rule is a rule that could be read.
type Rule struct {
	ID, Name, Title, Status, Description, License, Author string
	// Date and Modified are written YYYY-MM-DD, or empty.
	Date, Modified                           string
	References, Tags, Fields, FalsePositives []string
	LogSource                                LogSource
	// Level is informational, low, medium, high or critical; empty if the rule has none.
	Level string
	// Detection is what the rule looks for.
	Detection *Detection
	// Custom is the rule's member "tvilling", nil if it has none.
	Custom *Node
	// Line is where the rule begins in its file.
	Line int
}

// LogSource says what records a rule is about.
type LogSource struct {
	Category, Product, Service string
}

// The values that the specification lists.
var (
	levels   = []string{"informational", "low", "medium", "high", "critical"}
	statuses = []string{"stable", "test", "experimental", "deprecated", "unsupported"}
	kinds    = []string{"derived", "obsolete", "merged", "renamed", "similar"}
)

var (
	uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	date = regexp.MustCompile(`^\d{4}([-/])(0[1-9]|1[012])[-/](0[1-9]|[12]\d|3[01])$`)
)

// others are members of other kinds of Sigma document.
var others = map[string]string{
	"correlation": "Correlation rules are not supported: what needs several events is a stateful detection, which is built in.",
	"filter":      "Sigma filters are not supported: write the exception into the rule (selection and not filter).",
	"action":      "Rule collections (action: global, repeat, reset) are not supported: write each rule whole.",
}

// Parse reads a rule from the root of its document. An error is a
// *[tvilling.Error] whose cause is the [Problems].
func Parse(n *Node) (*Rule, error) {
	r, p := &Rule{Line: n.Line}, &problems{}
	if n.Kind != MapNode {
		p.at(n, "", "A rule is a map with title, logsource and detection, not %s.", n.Kind)
		return nil, p.err("parse rule", "")
	}
	for _, m := range n.Map {
		if why, other := others[m.Key]; other {
			p.unsupported(&Node{Line: m.Line, Column: m.Column}, m.Key, "%s", why)
		}
	}
	if len(p.list) > 0 {
		return nil, p.err("parse rule", "")
	}
	r.about(n, p)
	r.lists(n, p)
	r.logSource(n, p)
	switch d := n.Get("detection"); {
	case d == nil:
		p.at(n, "detection", "The rule has no detection; it needs named selections and a condition.")
	case d.Kind != MapNode:
		p.at(d, "detection", "detection is a map of selections and a condition, not %s.", d.Kind)
	default:
		r.Detection = parseDetection(d, p)
	}
	if r.Custom = n.Get("tvilling"); r.Custom != nil && r.Custom.Kind != MapNode {
		p.at(r.Custom, "tvilling", "tvilling is a map, not %s.", r.Custom.Kind)
	}
	if err := p.err("parse rule", r.Title); err != nil {
		return nil, err
	}
	return r, nil
}

// about reads the members that are one text.
func (r *Rule) about(n *Node, p *problems) {
	r.Title = text(n, "title", 256, p)
	if r.Title == "" && n.Get("title") == nil {
		p.at(n, "title", "The rule has no title.")
	}
	r.ID = text(n, "id", 64, p)
	if r.ID != "" && !uuid.MatchString(r.ID) {
		p.at(n.Get("id"), "id", "%s is not a UUID (8-4-4-4-12 hexadecimal digits).", show(r.ID))
	}
	r.Name = text(n, "name", 256, p)
	r.Description = text(n, "description", 65535, p)
	r.License = text(n, "license", 256, p)
	r.Author = text(n, "author", 1024, p)
	r.Date, r.Modified = day(n, "date", p), day(n, "modified", p)
	r.Status = oneOf(n, "status", statuses, p)
	r.Level = oneOf(n, "level", levels, p)
	if t := text(n, "taxonomy", 256, p); t != "" && t != "sigma" && t != "tvilling" {
		p.unsupported(n.Get("taxonomy"), "taxonomy", "The taxonomy %s is not known; field names are those of the taxonomy sigma.", show(t))
	}
}

func (r *Rule) lists(n *Node, p *problems) {
	r.References = texts(n, "references", p)
	r.Tags = texts(n, "tags", p)
	r.Fields = texts(n, "fields", p)
	r.FalsePositives = texts(n, "falsepositives", p)
	texts(n, "scope", p)
	related := n.Get("related")
	if related == nil {
		return
	}
	if related.Kind != ListNode {
		p.at(related, "related", "related is a list of maps with id and type, not %s.", related.Kind)
		return
	}
	for _, one := range related.List {
		if one.Kind != MapNode {
			p.at(one, "related", "related is a list of maps with id and type; this is %s.", one.Kind)
			return
		}
		if id := text(one, "id", 64, p); !uuid.MatchString(id) {
			p.at(one, "related", "A related rule needs an id that is a UUID.")
		}
		oneOf(one, "type", kinds, p)
	}
}

func (r *Rule) logSource(n *Node, p *problems) {
	l := n.Get("logsource")
	if l == nil {
		p.at(n, "logsource", "The rule has no logsource; it says with category, product or service which events are meant.")
		return
	}
	if l.Kind != MapNode {
		p.at(l, "logsource", "logsource is a map with category, product or service, not %s.", l.Kind)
		return
	}
	r.LogSource = LogSource{
		Category: text(l, "category", 256, p),
		Product:  text(l, "product", 256, p),
		Service:  text(l, "service", 256, p),
	}
	text(l, "definition", 65535, p)
	if r.LogSource == (LogSource{}) && len(p.list) == 0 {
		p.at(l, "logsource", "logsource has none of category, product and service.")
	}
}

// text reads an optional member that is a scalar.
func text(n *Node, key string, limit int, p *problems) string {
	v := n.Get(key)
	switch {
	case v == nil || v.Kind == NullNode:
		return ""
	case !v.Scalar():
		p.at(v, key, "%s is a text, not %s.", key, v.Kind)
	case utf8.RuneCountInString(v.Text) > limit:
		p.tooLarge(v, key, "%s has %d characters; at most %d are taken.", key, utf8.RuneCountInString(v.Text), limit)
	case v.Text == "" && key == "title":
		p.at(v, key, "The title is empty.")
	default:
		return v.Text
	}
	return ""
}

// texts reads an optional member that is a list of scalars, or one.
func texts(n *Node, key string, p *problems) []string {
	const most = 256
	v := n.Get(key)
	if v == nil || v.Kind == NullNode {
		return nil
	}
	list := v.List
	if v.Scalar() {
		list = []*Node{v}
	} else if v.Kind != ListNode {
		p.at(v, key, "%s is a list of texts, not %s.", key, v.Kind)
		return nil
	}
	if len(list) > most {
		p.tooLarge(v, key, "%s has %d elements; at most %d are taken.", key, len(list), most)
		return nil
	}
	var out []string
	for _, e := range list {
		if !e.Scalar() {
			p.at(e, key, "%s is a list of texts; this element is %s.", key, e.Kind)
			return nil
		}
		out = append(out, e.Text)
	}
	return out
}

func day(n *Node, key string, p *problems) string {
	s := text(n, key, 64, p)
	if s == "" {
		return ""
	}
	if !date.MatchString(s) {
		p.at(n.Get(key), key, "%s is not a date as YYYY-MM-DD.", show(s))
		return ""
	}
	return strings.ReplaceAll(s, "/", "-")
}

func oneOf(n *Node, key string, values []string, p *problems) string {
	s := strings.ToLower(text(n, key, 64, p))
	if s == "" {
		return ""
	}
	if slices.Contains(values, s) {
		return s
	}
	p.at(n.Get(key), key, "%s is %s; it is one of %s.", key, show(s), strings.Join(values, ", "))
	return ""
}
