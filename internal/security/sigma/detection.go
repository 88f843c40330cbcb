package sigma

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
)

// Detection is what a rule looks for: named selections and conditions over
// them. It is read by [Parse] and made ready by [Compile].
type Detection struct {
	selections []selection
	conditions []condition
	values     int // written out so far
	items      int
}

// selection holds if one of its groups holds, or one of its keywords.
type selection struct {
	name   string
	line   int
	groups []group
}

// group holds if all its items hold.
type group []item

// item compares one field, or keywords if field is empty.
type item struct {
	field string
	modifiers
	values       []value
	line, column int
	path         string
}

// value is one value of an item; which members count depends on the item's kind.
type value struct {
	// shown is the value as explanations show it.
	shown string
	null  bool
	alts  []pattern
	regex *regexp.Regexp
	need  [][]string // lists of texts: a match of regex contains one of each
	net   netip.Prefix
	num   float64
	want  bool
	ref   string
	line  int
}

// Selections returns the names of the selections in the order of the file.
func (d *Detection) Selections() []string {
	names := make([]string, len(d.selections))
	for i := range d.selections {
		names[i] = d.selections[i].name
	}
	return names
}

// Conditions returns the conditions as they were written; one of them has to hold.
func (d *Detection) Conditions() []string {
	all := make([]string, len(d.conditions))
	for i := range d.conditions {
		all[i] = d.conditions[i].text
	}
	return all
}

func parseDetection(n *Node, p *problems) *Detection {
	d := &Detection{}
	var cond *Node
	for i := range n.Map {
		m := &n.Map[i]
		key := &Node{Line: m.Line, Column: m.Column}
		path := "detection." + m.Key
		switch {
		case m.Key == "condition":
			cond = m.Value
		case m.Key == "timeframe":
			p.unsupported(key, path, "timeframe is not supported: what needs a window of time is a stateful detection, which is built in.")
		case !identifier(m.Key):
			p.at(key, path, "%s is not a name for a selection: letters, digits, _ and -, beginning with a letter or _.", show(m.Key))
		case reserved(m.Key):
			p.at(key, path, "%s is a word of the condition and no name for a selection.", show(m.Key))
		case len(d.selections) == MaxSelections:
			p.tooLarge(key, path, "The rule has more than %d selections.", MaxSelections)
			return d
		case slices.ContainsFunc(d.selections, func(s selection) bool { return s.name == m.Key }):
			p.at(key, path, "The selection %s is there twice.", show(m.Key))
		default:
			d.selection(m, path, p)
		}
	}
	if len(d.selections) == 0 {
		p.at(n, "detection", "detection has no selection.")
	}
	if cond == nil {
		p.at(n, "detection.condition", "detection has no condition.")
		return d
	}
	if len(p.list) == 0 {
		d.condition(cond, p)
	}
	return d
}

func (d *Detection) selection(m *Pair, path string, p *problems) {
	s := selection{name: m.Key, line: m.Line}
	switch v := m.Value; v.Kind {
	case MapNode:
		s.groups = append(s.groups, d.group(v, path, p))
	case ListNode:
		if len(v.List) == 0 {
			p.at(v, path, "The selection is an empty list.")
		}
		words := item{line: m.Line, column: m.Column, path: path}
		for i, e := range v.List {
			at := path + "[" + strconv.Itoa(i) + "]"
			switch {
			case e.Kind == MapNode:
				s.groups = append(s.groups, d.group(e, at, p))
			case e.Scalar():
				d.value(&words, e, at, p)
			default:
				p.at(e, at, "A selection is a map, a list of maps or a list of keywords; this element is %s.", e.Kind)
			}
		}
		if len(words.values) > 0 {
			s.groups = append(s.groups, group{words})
		}
	case StringNode, NumberNode:
		words := item{line: m.Line, column: m.Column, path: path}
		d.value(&words, v, path, p)
		s.groups = append(s.groups, group{words})
	default:
		p.at(&Node{Line: m.Line, Column: m.Column}, path, "A selection is a map, a list of maps or a list of keywords, not %s.", v.Kind)
	}
	d.selections = append(d.selections, s)
}

func (d *Detection) group(n *Node, path string, p *problems) group {
	if len(n.Map) == 0 {
		p.at(n, path, "The selection is an empty map.")
	}
	var g group
	for i := range n.Map {
		m := &n.Map[i]
		key := &Node{Line: m.Line, Column: m.Column}
		if d.items++; d.items > MaxItems {
			if d.items == MaxItems+1 {
				p.tooLarge(key, path, "The rule compares more than %d fields.", MaxItems)
			}
			return g
		}
		parts := strings.Split(m.Key, "|")
		it := item{field: parts[0], line: m.Line, column: m.Column, path: path + "." + m.Key}
		mods, wrong, unsupported := parseModifiers(parts[1:])
		it.modifiers = mods
		switch {
		case unsupported:
			p.unsupported(key, it.path, "%s", wrong)
			continue
		case wrong != "":
			p.at(key, it.path, "%s", wrong)
			continue
		case it.field == "" && it.kind != textItem && it.kind != regexItem:
			p.at(key, it.path, "Keywords are texts or regular expressions; %s needs a field.", it.kindName())
			continue
		}
		d.fieldValues(&it, m.Value, p)
		g = append(g, it)
	}
	return g
}

// fieldValues reads the value or the list of values of an item.
func (d *Detection) fieldValues(it *item, n *Node, p *problems) {
	switch {
	case n.Kind == MapNode:
		p.at(n, it.path, "A field is compared with a value or a list of values, not with a map.")
	case n.Scalar():
		if it.all {
			p.at(n, it.path, "all is for lists of values; here is one value.")
			return
		}
		d.value(it, n, it.path, p)
	case len(n.List) == 0:
		p.at(n, it.path, "The list of values is empty.")
	case len(n.List) == 1 && it.all:
		p.at(n, it.path, "all is for lists of more than one value.")
	default:
		for i, e := range n.List {
			at := it.path + "[" + strconv.Itoa(i) + "]"
			switch {
			case !e.Scalar():
				p.at(e, at, "A list of values holds texts and numbers, not %s.", e.Kind)
				return
			case e.Kind == NullNode:
				p.at(e, at, "null cannot be part of a list of values; give it a selection of its own and say 1 of selection*.")
				return
			case it.kind == existsItem:
				p.at(e, at, "exists is true or false, not a list.")
				return
			}
			d.value(it, e, at, p)
		}
	}
}

var decimal = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?$`)

// value reads one value.
func (d *Detection) value(it *item, n *Node, path string, p *problems) {
	if len(n.Text) > MaxValueBytes {
		p.tooLarge(n, path, "A value has %d bytes; at most %d are taken.", len(n.Text), MaxValueBytes)
		return
	}
	v := value{shown: it.shown(n.Text), line: n.Line}
	ok := false
	switch {
	case n.Kind == NullNode:
		v.null, v.shown = true, "null"
		if ok = it.kind == textItem && len(it.transforms) == 0 && it.field != ""; !ok {
			p.at(n, path, "null says that a field is absent; it takes no modifiers and is no keyword.")
		}
	case n.Kind == NumberNode && !decimal.MatchString(n.Text):
		p.at(n, path, "%s is not a plain decimal number; put it in quotation marks if this text is meant.", show(n.Text))
	default:
		ok = it.read(&v, n, path, p)
	}
	if !ok {
		return
	}
	d.values += max(1, len(v.alts))
	if d.values > MaxValues {
		if d.values-max(1, len(v.alts)) <= MaxValues {
			p.tooLarge(n, path, "The rule has more than %d values, those that modifiers make of one counted.", MaxValues)
		}
		return
	}
	it.values = append(it.values, v)
}

// shown returns a value with the modifiers that change what it means.
func (m *modifiers) shown(text string) string {
	var names []string
	for _, n := range m.names {
		if n != "all" && n != "neq" {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return text
	}
	return strings.Join(names, "|") + ": " + text
}

// read reads a value by the item's kind and reports whether it could be read.
func (it *item) read(v *value, n *Node, path string, p *problems) bool {
	switch it.kind {
	case regexItem:
		return it.readRegex(v, n, path, p)
	case cidrItem:
		return readNet(v, n, path, p)
	case compareItem:
		num, err := strconv.ParseFloat(n.Text, 64)
		if err != nil || math.IsInf(num, 0) || !decimal.MatchString(n.Text) {
			p.at(n, path, "%s compares numbers; %s is not a decimal number.", it.op, show(n.Text))
			return false
		}
		v.num = num
		return true
	case existsItem:
		if n.Kind != BoolNode {
			p.at(n, path, "exists is true or false, not %s.", n.Kind)
			return false
		}
		v.want = n.Text == "true"
		return true
	case refItem:
		if v.ref = n.Text; n.Kind != StringNode || n.Text == "" {
			p.at(n, path, "fieldref names another field; this is %s.", n.Kind)
			return false
		}
		return true
	default:
		return it.readText(v, n, path, p)
	}
}

func (it *item) readText(v *value, n *Node, path string, p *problems) bool {
	text := parsePattern(n.Text)
	if it.field == "" && len(text) == 0 {
		p.at(n, path, "An empty keyword is in every record; leave it out.")
		return false
	}
	alts, wrong := it.transform(text)
	if wrong != "" {
		p.at(n, path, "%s", wrong)
		return false
	}
	for i, a := range alts {
		if a.wildcards() > MaxWildcards {
			p.tooLarge(n, path, "A value has more than %d wildcards.", MaxWildcards)
			return false
		}
		if it.field == "" {
			alts[i] = a.open(true, true)
		}
	}
	v.alts = alts
	return true
}

func (it *item) readRegex(v *value, n *Node, path string, p *problems) bool {
	flags := syntax.Perl
	for _, f := range it.flags {
		switch f {
		case 'i':
			flags |= syntax.FoldCase
		case 'm':
			flags &^= syntax.OneLine
		case 's':
			flags |= syntax.DotNL
		}
	}
	if wrong := checkRegex(n.Text, flags); wrong != "" {
		p.at(n, path, "%s", wrong)
		return false
	}
	prefix := ""
	if it.flags != "" {
		prefix = "(?" + it.flags + ")"
	}
	re, err := regexp.Compile(prefix + n.Text)
	if err != nil {
		p.at(n, path, "%s", explainRegex(n.Text, err))
		return false
	}
	v.regex = re
	if tree, err := syntax.Parse(n.Text, flags); err == nil {
		v.need = required(tree.Simplify())
	}
	return true
}

func readNet(v *value, n *Node, path string, p *problems) bool {
	net, err := netip.ParsePrefix(n.Text)
	if err != nil {
		addr, err := netip.ParseAddr(n.Text)
		if err != nil || addr.Zone() != "" {
			p.at(n, path, "%s is not a network as 10.0.0.0/8 or 2001:db8::/32.", show(n.Text))
			return false
		}
		net = netip.PrefixFrom(addr, addr.BitLen())
	}
	if net != net.Masked() {
		p.at(n, path, "%s has bits set beyond its length; the network is %s.", show(n.Text), net.Masked())
		return false
	}
	v.net = net
	return true
}

// condition reads one condition or a list of them.
func (d *Detection) condition(n *Node, p *problems) {
	list := []*Node{n}
	if n.Kind == ListNode {
		list = n.List
	}
	if len(list) == 0 || len(list) > MaxConditions {
		p.at(n, "detection.condition", "condition is a text or a list of 1 to %d texts.", MaxConditions)
		return
	}
	for i, c := range list {
		path := "detection.condition"
		if n.Kind == ListNode {
			path += "[" + strconv.Itoa(i) + "]"
		}
		if c.Kind != StringNode {
			p.at(c, path, "A condition is a text, not %s.", c.Kind)
			continue
		}
		tree, err := parseCondition(c.Text, d.Selections())
		if err != nil {
			code, message := tvilling.InvalidArgument, err.Error()
			if e, ok := errors.AsType[*conditionError](err); ok {
				code, message = e.code, e.message
			}
			p.add(code, c.Line, c.Column, path, "%s", message)
			continue
		}
		d.conditions = append(d.conditions, condition{text: c.Text, tree: tree})
	}
}

// suggest ends a message about an unknown name with names that are near it.
func suggest(name string, names []string) string {
	if near := nearest(name, names, 4); len(near) > 0 {
		return fmt.Sprintf("did you mean %s?", strings.Join(near, ", "))
	}
	return fmt.Sprintf("known are %s.", strings.Join(names[:min(len(names), 40)], ", "))
}
