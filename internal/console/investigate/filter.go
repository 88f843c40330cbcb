package investigate

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

// filter is which events a page shows.
type filter struct {
	scope
	Name, Type string
	Where      []string
	where      investigate.Where
}

// readFilter reads a filter out of an address.
func readFilter(c *web.Call, now time.Time) (filter, error) {
	var f filter
	var err error
	if f.scope, err = readScope(c, "all", now); err != nil {
		return f, err
	}
	f.Name, f.Type, f.Where = c.Query("name"), c.Query("type"), c.Queries()["where"]
	if len(f.Name) > 128 {
		return f, problem("name", "The name of an event has at most 128 bytes.")
	}
	switch event.Type(f.Type) {
	case "", event.Security, event.Operational, event.Diagnostics:
	default:
		return f, problem("type", `The type of an event is "Security", "Operational" or "Diagnostic".`)
	}
	f.where, err = investigate.ParseWhere(f.Where)
	return f, err
}

// query is the filter as the store is asked.
func (f filter) query() event.Query {
	q := event.Query{Device: tvilling.DeviceID(f.Device), Type: event.Type(f.Type), From: f.From, To: f.To, Descending: true}
	if f.Name != "" {
		q.Names = []string{f.Name}
	}
	return q
}

// values are the filter as parameters of an address.
func (f filter) values() url.Values {
	v := f.scope.values()
	set(v, "name", f.Name)
	set(v, "type", f.Type)
	if len(f.Where) > 0 {
		v["where"] = slices.Clone(f.Where)
	}
	return v
}

// with is the filter with one more condition.
func (f filter) with(condition string) url.Values {
	v := f.values()
	if !slices.Contains(f.Where, condition) {
		v["where"] = append(slices.Clone(f.Where), condition)
	}
	return v
}

// chip is a part of the filter, and the address of the page without it.
type chip struct{ Name, Operator, Value, Without string }

// Chips are the parts of the filter.
func (f filter) Chips() []chip {
	var list []chip
	without := func(name string) string {
		v := f.values()
		v.Del(name)
		if name == "range" {
			v.Del("from")
			v.Del("to")
		}
		return address("investigate", v)
	}
	if f.Device != "" {
		list = append(list, chip{"Device", "is", f.Device, without("device")})
	}
	if f.Name != "" {
		list = append(list, chip{"Event", "is", f.Name, without("name")})
	}
	if f.Type != "" {
		list = append(list, chip{"Type", "is", f.Type, without("type")})
	}
	switch {
	case f.Range == "exact" && f.To.IsZero():
		list = append(list, chip{"Time", "from", f.Local(f.From), without("range")})
	case f.Range == "exact" && f.From.IsZero():
		list = append(list, chip{"Time", "before", f.Local(f.To), without("range")})
	case f.Range == "exact":
		list = append(list, chip{"Time", "is", f.Local(f.From) + " to " + f.Local(f.To), without("range")})
	case f.Range != "all":
		list = append(list, chip{"Time", "is", f.Words(), without("range")})
	}
	for i := range f.where {
		v := f.values()
		v["where"] = slices.Delete(slices.Clone(f.Where), i, i+1)
		member, operator, value := f.where[i].Parts()
		list = append(list, chip{member, words(operator), value, address("investigate", v)})
	}
	return list
}

// operators are those of conditions, with their words.
var operators = []struct{ Name, Text string }{
	{"=", "is"},
	{"!=", "is not"},
	{"contains", "contains"},
	{"startswith", "starts with"},
	{"<", "is less than"},
	{"<=", "is at most"},
	{">", "is more than"},
	{">=", "is at least"},
}

func words(operator string) string {
	for _, o := range operators {
		if strings.EqualFold(o.Name, operator) {
			return o.Text
		}
	}
	return operator
}

// condition writes a condition so that it is read as it is meant; "" if it
// would be too long.
func condition(field, operator, value string) string {
	if value == "" || strings.TrimSpace(value) != value || value[0] == '"' {
		value = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
	}
	s := field + " " + operator + " " + value
	if _, err := investigate.ParsePredicate(s); err != nil {
		return ""
	}
	return s
}

// fieldNames are the members that conditions can name, in the order of the
// alphabet.
var fieldNames = func() (names []string) {
	for f := event.NoField + 1; f < event.Fields; f++ {
		names = append(names, f.String())
	}
	slices.Sort(names)
	return names
}()

// eventNames are the names of all kinds of events.
var eventNames = func() (names []string) {
	for k := event.Unknown + 1; k < event.Kinds; k++ {
		names = append(names, k.String())
	}
	slices.Sort(names)
	return names
}()

// position is a place among all events as addresses have it.
func position(p event.Position) string {
	return strconv.FormatUint(p.Sequence, 10) + "." + strconv.Itoa(p.Index)
}

func readPosition(name, s string) (event.Position, error) {
	var p event.Position
	if s == "" {
		return p, nil
	}
	sequence, index, _ := strings.Cut(s, ".")
	var err error
	if p.Sequence, err = strconv.ParseUint(sequence, 10, 64); err == nil {
		p.Index, err = strconv.Atoi(index)
	}
	if err != nil || p.Index < -1 {
		return p, problem(name, "This is not the place of an event.")
	}
	return p, nil
}
