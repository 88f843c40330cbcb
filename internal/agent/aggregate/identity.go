package aggregate

import "github.com/tvilling/tvilling/internal/security/event"

// established is the member of ExtraDetails that a connection has which was
// refused. It is part of the identity: a connection that was made and one that
// was not are not the same.
const established = "Established"

// identity is what events have in common that are counted as one (asc §3.7;
// with the executable, as the C# agent has it).
type identity struct {
	a, b, c, d, e, f, g string
	h                   int64
}

// identityOf returns the identity of an item; false for one that is not to be
// aggregated.
func identityOf(it event.Item) (identity, bool) {
	switch i := it.(type) {
	case *event.ProcessCreate:
		return identity{a: i.CommandLine, b: i.Executable, c: i.UserName, d: i.UserID}, true
	case *event.ProcessTerminate:
		return identity{a: i.Executable, h: i.ExitStatus}, true
	case *event.ConnectionCreate:
		id := identity{a: i.CommandLine, b: i.Executable, c: i.UserID, d: i.LocalAddress, e: i.RemoteAddress, f: i.Protocol}
		// The text has the direction, the destination's port, and whether the
		// connection was made.
		was, _ := i.Extra.Get(established)
		if i.Direction == "In" {
			id.g = "In " + i.LocalPort + " " + was
		} else {
			id.g = i.Direction + " " + i.RemotePort + " " + was
		}
		return id, true
	default:
		return identity{}, false
	}
}

// AnyPort is the port of a connection's source, in an aggregated item: the
// published schema requires a port that is text, and this is its word for all.
const AnyPort = "*"

// discarded returns a copy of an item without what is not the same in all
// events that it stands for (asc §3.7), and with room for more details.
func discarded(it event.Item) event.Item {
	switch i := it.(type) {
	case *event.ProcessCreate:
		c := *i
		c.ProcessID, c.ParentProcessID, c.Extra = 0, 0, own(i.Extra)
		return &c
	case *event.ProcessTerminate:
		c := *i
		c.ProcessID, c.Extra = 0, own(i.Extra)
		return &c
	case *event.ConnectionCreate:
		c := *i
		c.ProcessID, c.Extra = 0, own(i.Extra)
		if c.Direction == "In" {
			c.RemotePort = AnyPort
		} else {
			c.LocalPort = "" // is not required
		}
		return &c
	default:
		return it // identityOf lets no other pass
	}
}

// own returns a copy of details, which may be changed.
func own(d event.Details) event.Details {
	if len(d) == 0 {
		return nil
	}
	return append(make(event.Details, 0, len(d)), d...)
}

// details returns where an item keeps its ExtraDetails.
func details(it event.Item) *event.Details {
	switch i := it.(type) {
	case *event.ProcessCreate:
		return &i.Extra
	case *event.ProcessTerminate:
		return &i.Extra
	case *event.ConnectionCreate:
		return &i.Extra
	default:
		return new(event.Details) // identityOf lets no other pass
	}
}

// Bytes that an item takes on the wire beside its texts, and a detail beside
// its name and value; roughly, and rather more.
const (
	itemOverhead   = 360 // names of members, and the details that hits.item adds
	detailOverhead = 8
)

// sizeOf returns how large an aggregated item is, roughly, in memory and on
// the wire.
func sizeOf(it event.Item) int {
	n := itemOverhead
	switch i := it.(type) {
	case *event.ProcessCreate:
		n += len(i.Executable) + len(i.CommandLine) + len(i.UserID) + len(i.UserName)
	case *event.ProcessTerminate:
		n += len(i.Executable)
	case *event.ConnectionCreate:
		n += len(i.Executable) + len(i.CommandLine) + len(i.UserID) + len(i.LocalAddress) + len(i.RemoteAddress) + len(i.LocalPort) + len(i.RemotePort)
	}
	for _, d := range it.Details() {
		n += len(d.Name) + len(d.Value) + detailOverhead
	}
	return n
}
