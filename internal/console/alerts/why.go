package alerts

import (
	"bytes"
	"encoding/json"
	"html/template"
	"regexp"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// condition is one thing that a rule asks for and found: words, then the value
// with the part that decided underlined.
type condition struct {
	Field string
	// Verb stands between field and value, Then after it.
	Verb, Then string
	// Value is what was found, Hit the part of it that decided.
	Before, Hit, After string
	// Pattern is what the rule asks for, where that is no plain text.
	Pattern string
}

// conditionsOf puts what matched into words.
func conditionsOf(matched []ledger.Match) []condition {
	list := make([]condition, 0, len(matched))
	for _, m := range matched {
		list = append(list, conditionOf(m))
	}
	return list
}

// conditionOf reads a pattern as rules show it: modifiers, a colon, the value;
// or the value alone; or, of a detection with a memory, plain words.
func conditionOf(m ledger.Match) condition {
	c := condition{Field: m.Field, Verb: "is", Hit: m.Value}
	if m.Field == "" {
		c.Field = "Any field"
	}
	modifiers, text, ok := strings.Cut(m.Pattern, ": ")
	if !ok || strings.ContainsAny(modifiers, " ") {
		modifiers, text = "", m.Pattern
	}
	name := modifiers
	if i := strings.LastIndexByte(modifiers, '|'); i >= 0 {
		name = modifiers[i+1:]
	}
	switch {
	case m.Pattern == "" || text == m.Value && modifiers == "":
	case strings.HasPrefix(text, "%") && strings.HasSuffix(text, "%") && len(text) > 2:
		c.Then = "which is in the list " + strings.Trim(text, "%")
	case strings.Contains("|"+modifiers+"|", "|re|"):
		c.Verb, c.Pattern = "matches the rule’s pattern:", text
		c.mark(text)
	case name == "contains" || name == "startswith" || name == "endswith":
		c.Verb = map[string]string{"contains": "contains", "startswith": "begins with", "endswith": "ends with"}[name]
		c.mark("(?i)" + wildcards(text))
	case name == "cidr":
		c.Then = "which is in " + text
	case name == "gt" || name == "gte" || name == "lt" || name == "lte":
		c.Then = "and the rule asks for " + map[string]string{"gt": "more than", "gte": "at least", "lt": "less than", "lte": "at most"}[name] + " " + text
	case strings.ContainsAny(text, "*?") && modifiers == "":
		c.Verb, c.Pattern = "matches the rule’s pattern:", text
		c.mark("(?i)" + wildcards(strings.Trim(text, "*")))
	case modifiers == "":
		c.Then = text
	default:
		c.Verb, c.Pattern = "meets", m.Pattern
	}
	return c
}

// mark underlines the first part of the value that an expression finds; all of
// it where it finds none: rules look at values before they are cut, and know
// some forms that are not of this language.
func (c *condition) mark(expression string) {
	const longest = 4096
	if len(expression) > longest {
		return
	}
	re, err := regexp.Compile(expression)
	if err != nil {
		return
	}
	at := re.FindStringIndex(c.Hit)
	if at == nil || at[0] == at[1] {
		return
	}
	c.Before, c.Hit, c.After = c.Hit[:at[0]], c.Hit[at[0]:at[1]], c.Hit[at[1]:]
}

// wildcards is a text with * and ? as an expression.
func wildcards(s string) string {
	s = regexp.QuoteMeta(s)
	return strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(s)
}

// observation is a piece of evidence as the page shows it.
type observation struct {
	alert.Observation
	Conditions []condition
	Raw        template.HTML
	// Around is where all that the device told at that time is.
	Around string
	Label  string
	// Place is where it stands among what is kept.
	Place int
}

// Early is how far the device's clock was ahead.
func (o observation) Early() time.Duration { return -o.Delay }

// rawOf is an item as indented JSON, the values that matched underlined.
func rawOf(item json.RawMessage, matched []ledger.Match) template.HTML {
	if len(item) == 0 {
		return ""
	}
	var b bytes.Buffer
	if json.Indent(&b, item, "", "  ") != nil {
		return ui.Inert(string(item))
	}
	marks := make(map[string]bool)
	for _, m := range matched {
		if v, err := json.Marshal(m.Value); err == nil {
			marks[string(v)] = true
		}
	}
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		text := strings.TrimSuffix(line, "\n")
		end := ""
		if len(text) != len(line) {
			end = "\n"
		}
		value := strings.TrimSuffix(text, ",")
		// A value stands after the first colon that follows the member's name.
		if i := strings.Index(value, `": `); i >= 0 && marks[value[i+3:]] {
			out.WriteString(string(plain(value[:i+2])) + " <mark>" + string(ui.Inert(value[i+3:])) + "</mark>" + template.HTMLEscapeString(text[len(value):]) + end)
			continue
		}
		out.WriteString(string(plain(text)) + end)
	}
	return template.HTML(out.String()) //nolint:gosec // made of what is escaped
}

// plain is a line of JSON: its indent as blanks, the rest inert.
func plain(line string) template.HTML {
	rest := strings.TrimLeft(line, " ")
	return template.HTML(line[:len(line)-len(rest)]) + ui.Inert(rest) //nolint:gosec // blanks
}
