package investigate

import (
	"cmp"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Activity is in how many parts of equal length a [ConnectionGroup] tells when
// there were connections.
const Activity = 48

// ConnectionGroup is one service at one address that devices speak with, or
// whose connections they take.
type ConnectionGroup struct {
	RemoteAddress string `json:"remoteAddress"`
	// Port is the remote one, but of connections that came in the local one:
	// the other end of a connection has any port.
	Port      string `json:"port"`
	Direction string `json:"direction"`
	Protocol  string `json:"protocol"`
	Count     int64  `json:"count"`
	Span
	Programs Set `json:"programs"`
	Users    Set `json:"users"`
	Devices  Set `json:"devices"`
	// Activity counts them by when they were, in [Activity] parts of the time
	// that was asked for; none if that has no beginning.
	Activity []int64 `json:"activity,omitempty"`
}

type connections struct {
	from, to time.Time
	groups[ConnectionGroup]
}

func (*connections) name() string { return event.ConnectionCreateKind.String() }

func (f *connections) add(rec *event.Record, it event.Item) {
	c, ok := it.(*event.ConnectionCreate)
	if !ok {
		return
	}
	port := c.RemotePort
	if strings.EqualFold(c.Direction, "In") {
		port = c.LocalPort
	}
	hits := event.Hits(it)
	// Agents do not agree on the letter case of protocols (asc §3.4).
	k := keyOf(c.RemoteAddress, port, c.Direction+" "+strings.ToUpper(c.Protocol))
	g := f.find(k, hits, func(k key) *ConnectionGroup {
		direction, protocol, _ := strings.Cut(k[2], " ")
		return &ConnectionGroup{RemoteAddress: k[0], Port: k[1], Direction: direction, Protocol: protocol}
	})
	if g == nil {
		return
	}
	g.Count += hits
	g.Span.add(rec.Event.Time)
	g.Programs.add(&f.memory, cmp.Or(c.Executable, c.CommandLine), hits)
	g.Users.add(&f.memory, c.UserID, hits)
	g.Devices.add(&f.memory, string(rec.From.Device), hits)
	f.active(g, rec.Event.Time, hits)
}

func (f *connections) active(g *ConnectionGroup, at time.Time, hits int64) {
	whole := f.to.Sub(f.from)
	if f.from.IsZero() || f.to.IsZero() || whole <= 0 || at.Before(f.from) || !at.Before(f.to) {
		return
	}
	if g.Activity == nil {
		if !f.take(8 * Activity) {
			return
		}
		g.Activity = make([]int64, Activity)
	}
	g.Activity[int(float64(at.Sub(f.from))/float64(whole)*Activity)] += hits
}

func (f *connections) answer() (any, int64) {
	return f.sorted(func(a, b *ConnectionGroup) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.RemoteAddress, b.RemoteAddress), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Protocol, b.Protocol))
	}), f.shed
}
