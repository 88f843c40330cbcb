package investigate

import (
	"cmp"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
)

// UserGroup is an account, as its groups were.
type UserGroup struct {
	GroupNames string `json:"groupNames"`
	UserName   string `json:"userName"`
	Span
	Devices Set `json:"devices"`
}

type users struct {
	groups[UserGroup]
}

func (*users) name() string { return event.LocalUsersKind.String() }

func (f *users) add(rec *event.Record, it event.Item) {
	u, ok := it.(*event.LocalUsers)
	if !ok {
		return
	}
	k := keyOf(u.GroupNames, u.UserName)
	g := f.find(k, 1, func(k key) *UserGroup { return &UserGroup{GroupNames: k[0], UserName: k[1]} })
	if g == nil {
		return
	}
	g.Span.add(rec.Event.Time)
	g.Devices.add(&f.memory, string(rec.From.Device), 1)
}

func (f *users) answer() (any, int64) {
	return f.sorted(func(a, b *UserGroup) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.UserName, b.UserName), cmp.Compare(a.GroupNames, b.GroupNames))
	}), f.shed
}

// PortGroup is a port that something listens on.
type PortGroup struct {
	Protocol  string `json:"protocol"`
	LocalPort string `json:"localPort"`
	Span
	Count           int64 `json:"count"`
	LocalAddresses  Set   `json:"localAddresses"`
	RemoteAddresses Set   `json:"remoteAddresses"`
	RemotePorts     Set   `json:"remotePorts"`
	Devices         Set   `json:"devices"`
}

// DefaultMaxPort is the highest of the ports that only the system may open.
const DefaultMaxPort = 1024

type ports struct {
	max int64
	groups[PortGroup]
}

func (*ports) name() string { return event.ListeningPortsKind.String() }

func (f *ports) add(rec *event.Record, it event.Item) {
	p, ok := it.(*event.ListeningPorts)
	if !ok || lowestPort(p.LocalPort) > cmp.Or(f.max, DefaultMaxPort) {
		return
	}
	// Agents do not agree on the letter case of protocols (asc §3.4).
	k := keyOf(strings.ToUpper(p.Protocol), p.LocalPort)
	g := f.find(k, 1, func(k key) *PortGroup { return &PortGroup{Protocol: k[0], LocalPort: k[1]} })
	if g == nil {
		return
	}
	g.Span.add(rec.Event.Time)
	g.Count++
	g.LocalAddresses.add(&f.memory, p.LocalAddress, 1)
	g.RemoteAddresses.add(&f.memory, p.RemoteAddress, 1)
	g.RemotePorts.add(&f.memory, p.RemotePort, 1)
	g.Devices.add(&f.memory, string(rec.From.Device), 1)
}

func (f *ports) answer() (any, int64) {
	return f.sorted(func(a, b *PortGroup) int {
		return cmp.Or(cmp.Compare(lowestPort(a.LocalPort), lowestPort(b.LocalPort)), cmp.Compare(a.LocalPort, b.LocalPort), cmp.Compare(a.Protocol, b.Protocol))
	}), f.shed
}

// lowestPort returns the lowest port of a number, a range, a list or "*"
// (asc §3.4); more than any port if it is none of them.
func lowestPort(s string) int64 {
	lowest := int64(math.MaxInt64)
	for part := range strings.SplitSeq(s, ",") {
		first, _, _ := strings.Cut(strings.TrimSpace(part), "-")
		if first == "*" {
			return 0
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(first), 10, 16); err == nil {
			lowest = min(lowest, int64(n))
		}
	}
	return lowest
}

// LoginGroup is a user who logged in, or tried to, from elsewhere.
type LoginGroup struct {
	UserName   string `json:"userName"`
	Result     string `json:"result"`
	Executable string `json:"executable"`
	Count      int64  `json:"count"`
	Span
	RemoteAddresses Set `json:"remoteAddresses"`
	Devices         Set `json:"devices"`
}

type logins struct {
	groups[LoginGroup]
}

func (*logins) name() string { return event.LoginKind.String() }

func (f *logins) add(rec *event.Record, it event.Item) {
	l, ok := it.(*event.Login)
	if !ok || l.RemoteAddress == "" || loopback(l.RemoteAddress) {
		return
	}
	if l.UserName == "(invalid user)" || l.UserName == "(unknown user)" {
		return // what PAM writes for names that the device does not know
	}
	hits := event.Hits(it)
	k := keyOf(cmp.Or(l.UserName, l.UserID), l.Result, l.Executable)
	g := f.find(k, hits, func(k key) *LoginGroup {
		return &LoginGroup{UserName: k[0], Result: k[1], Executable: k[2]}
	})
	if g == nil {
		return
	}
	g.Count += hits
	g.Span.add(rec.Event.Time)
	g.RemoteAddresses.add(&f.memory, l.RemoteAddress, hits)
	g.Devices.add(&f.memory, string(rec.From.Device), hits)
}

func (f *logins) answer() (any, int64) {
	return f.sorted(func(a, b *LoginGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.UserName, b.UserName), cmp.Compare(a.Result, b.Result), cmp.Compare(a.Executable, b.Executable))
	}), f.shed
}

func loopback(address string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return strings.EqualFold(address, "localhost")
	}
	return a.Unmap().IsLoopback()
}

// ProcessGroup is a program that ran.
type ProcessGroup struct {
	Executable string `json:"executable"`
	Count      int64  `json:"count"`
	Span
	Users        Set `json:"users"`
	CommandLines Set `json:"commandLines"`
	Devices      Set `json:"devices"`
}

type processes struct {
	names *accountNames
	groups[ProcessGroup]
}

func (*processes) name() string { return event.ProcessCreateKind.String() }

func (f *processes) add(rec *event.Record, it event.Item) {
	p, ok := it.(*event.ProcessCreate)
	if !ok {
		return
	}
	hits := event.Hits(it)
	g := f.find(keyOf(p.Executable), hits, func(k key) *ProcessGroup { return &ProcessGroup{Executable: k[0]} })
	if g == nil {
		return
	}
	g.Count += hits
	g.Span.add(rec.Event.Time)
	g.Users.add(&f.memory, f.names.of(rec.From.Device, p.UserID, p.UserName), hits)
	g.CommandLines.add(&f.memory, p.CommandLine, hits)
	g.Devices.add(&f.memory, string(rec.From.Device), hits)
}

func (f *processes) answer() (any, int64) {
	return f.sorted(func(a, b *ProcessGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Executable, b.Executable))
	}), f.shed
}

// BaselineGroup is a check of the baseline that did not pass.
type BaselineGroup struct {
	CceID       string `json:"cceId"`
	Description string `json:"description"`
	Result      string `json:"result"`
	Severity    string `json:"severity"`
	Count       int64  `json:"count"`
	Span
	Errors  Set `json:"errors"`
	Devices Set `json:"devices"`
}

type baseline struct {
	groups[BaselineGroup]
}

func (*baseline) name() string { return event.OSBaselineKind.String() }

func (f *baseline) add(rec *event.Record, it event.Item) {
	b, ok := it.(*event.OSBaseline)
	if !ok || strings.EqualFold(b.Result, "Pass") {
		return
	}
	k := keyOf(b.CceID, b.Description, b.Result)
	g := f.find(k, 1, func(k key) *BaselineGroup {
		return &BaselineGroup{CceID: k[0], Description: k[1], Result: k[2], Severity: strings.Clone(clip(b.Severity))}
	})
	if g == nil {
		return
	}
	g.Count++
	g.Span.add(rec.Event.Time)
	g.Errors.add(&f.memory, b.Error, 1)
	g.Devices.add(&f.memory, string(rec.From.Device), 1)
}

func (f *baseline) answer() (any, int64) {
	return f.sorted(func(a, b *BaselineGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.CceID, b.CceID), cmp.Compare(a.Description, b.Description), cmp.Compare(a.Result, b.Result))
	}), f.shed
}
