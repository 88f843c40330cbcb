package index

import (
	"math"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// source says where the values of a member that a query reads come from: a
// column, the name of the device, or one cell that is the same in every row.
type source struct {
	column *column
	fixed  cell
	// device stands for the device's id, activity for the last activity, which
	// the column tells of identities that are not connected.
	device, activity bool
	// joined says that it is the device's, not the module's whose row it is.
	joined bool
	// why says why the value, or its presence, is not in the index.
	why string
}

func always(c uint32) source { return source{fixed: code(c)} }

// absent is the source of a member of which nothing is in the index.
func absent(why string) source { return source{fixed: code(isUnknown), why: why} }

// resolve returns where the values of a path come from. It mirrors what
// [query.Twin] says of it. The caller holds mu.
func (t *table) resolve(segments []string) source {
	s := t.system(segments)
	if s.column != nil && s.column.gone.Load() {
		return absent("the memory budget of the index is spent")
	}
	return s
}

func (t *table) system(path []string) source {
	rest := path[1:]
	switch path[0] {
	case "tags":
		switch {
		case len(rest) == 0:
			return source{column: t.tags.column}
		case strings.HasPrefix(rest[0], "$"):
			return always(undefined)
		}
		return t.tags.source(rest)
	case "properties":
		return t.properties(rest)
	case "capabilities":
		switch {
		case t.modules || len(rest) > 1:
		case len(rest) == 0:
			return always(isObject)
		case rest[0] == "iotEdge":
			return source{column: t.edge}
		}
		return always(undefined)
	case "x509Thumbprint":
		switch {
		case len(rest) == 0:
			return always(isObject)
		case len(rest) == 1 && rest[0] == "primaryThumbprint":
			return source{column: t.primary}
		case len(rest) == 1 && rest[0] == "secondaryThumbprint":
			return source{column: t.secondary}
		}
		return always(undefined)
	}
	if len(rest) == 0 {
		if s, ok := t.member(path[0]); ok {
			return s
		}
	}
	if len(rest) > 0 && strings.HasPrefix(rest[0], "$") {
		return always(undefined)
	}
	for _, m := range t.owned.members {
		if strings.EqualFold(m.name, path[0]) {
			return m.source(rest)
		}
	}
	return t.owned.beyond()
}

// member returns the source of a member of the root that has none inside.
func (t *table) member(name string) (source, bool) {
	columns := map[string]*column{
		"moduleId": t.module, "status": t.status, "statusReason": t.statusReason, "statusUpdateTime": t.statusTime,
		"connectionState": t.connected, "authenticationType": t.auth, "modelId": t.model, "version": t.version,
		"deviceScope": t.scope, "parentScopes": t.parents,
	}
	if c := columns[name]; c != nil {
		return source{column: c}, true
	}
	switch name {
	case "deviceId":
		return source{device: true}, true
	case "lastActivityTime":
		return source{column: t.activity, activity: true}, true
	case "cloudToDeviceMessageCount":
		return source{fixed: cell(math.Float64bits(0))}, true
	case "etag", "deviceEtag":
		return source{fixed: code(isSome), why: "it is not indexed"}, true
	}
	return absent("it is not indexed"), name != "configurations" && slices.Contains(state.RootMembers(), name)
}

func (t *table) properties(path []string) source {
	if len(path) == 0 {
		return always(isObject)
	}
	var p *section
	switch path[0] {
	case "desired":
		p = &section{t.desired, t.desiredVersion, t.desiredTime}
	case "reported":
		p = &section{t.reported, t.reportedVersion, t.reportedTime}
	default:
		return always(undefined)
	}
	rest := path[1:]
	switch {
	case len(rest) == 0:
		return always(isObject)
	case rest[0] == "$version" && len(rest) == 1:
		return source{column: p.version}
	case rest[0] == "$version":
		return always(undefined)
	case rest[0] == "$metadata" && len(rest) == 2 && rest[1] == "$lastUpdated":
		return source{column: p.written}
	case rest[0] == "$metadata":
		return absent("it is not indexed")
	}
	return p.members.source(rest)
}

// section is a section with its stamp.
type section struct {
	members          *path
	version, written *column
}

// source follows a path from p on.
func (p *path) source(rest []string) source {
	for _, name := range rest {
		m := p.member(name)
		if m == nil {
			return p.beyond()
		}
		p = m
	}
	return source{column: p.column}
}

// beyond is the source of a member that has no column.
func (p *path) beyond() source {
	if p.closed {
		return absent("there are too many paths beside it for the index")
	}
	return always(undefined)
}

// row is a row as a condition sees it. It notes when what was asked for is not
// in the index.
type row struct {
	run     *run
	sources []source // by the number of the member
	block   *block
	at      int

	// given, if its number is that of a member, is that member's value.
	given struct {
		number int
		cell   cell
	}

	// unsure says that a value was asked for that is not known, absent that not
	// even its presence is, inside that the inside of an object or array was.
	unsure, absent, inside bool
}

// known reports whether all that was asked of the row since forget is known.
func (r *row) known() bool { return !r.unsure && !r.absent && !r.inside }

// forget forgets what was asked of the row.
func (r *row) forget() { r.unsure, r.absent, r.inside = false, false, false }

// Member returns the value of a member, or one of the same kind if the index
// does not know it.
func (r *row) Member(m *query.Member) query.Value {
	s := &r.sources[m.Number]
	switch {
	case m.Number == r.given.number:
		return r.value(s, r.given.cell)
	case s.device:
		return query.StringValue(string(r.run.deviceName(r.block, r.at)))
	case s.activity && (s.joined || r.block.cell(r.run.t.connected.number, r.at) != isDisconnected):
		id := r.run.x.id(r.run.t, r.block, r.at)
		if s.joined {
			id.Module = ""
		}
		if at, ok := r.run.heard(id); ok {
			return query.TimeValue(at)
		}
	}
	switch {
	case s.column == nil:
		return r.value(s, s.fixed)
	case s.joined:
		return r.value(s, r.run.deviceCell(r.block, r.at, s.column))
	}
	return r.value(s, r.block.cell(s.column.number, r.at))
}

func (r *row) value(s *source, v cell) query.Value {
	if !v.isCode() {
		if s.column != nil && s.column.ticks {
			return query.TimeValue(timeOf(v))
		}
		return query.NumberValue(math.Float64frombits(uint64(v)))
	}
	switch k := v.code(); {
	case k == undefined:
		return query.Value{}
	case k == isObject:
		return query.ObjectValue(inside{r})
	case k == isList:
		return query.ListValue(inside{r})
	case k == isUnknown:
		r.unsure, r.absent = true, true
		return query.Value{}
	case k == isSome || k&hashed != 0:
		r.unsure = true
		return query.StringValue("")
	case k < firstCode:
		return fixedValue(k)
	default:
		return s.column.value(k)
	}
}

// inside stands for what is in an object or array, and notes that it was asked.
type inside struct{ row *row }

// AppendJSON appends null.
func (i inside) AppendJSON(dst []byte) []byte {
	i.row.inside = true
	return append(dst, "null"...)
}

// Elements yields nothing.
func (i inside) Elements(func(query.Value) bool) { i.row.inside = true }
