package mqtt

import (
	"cmp"
	"crypto/tls"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// Options are what a [Server] needs.
type Options struct {
	// TLS, if set, is put over every accepted connection. Without it the
	// listener's connections are taken as they are, which may be *tls.Conn.
	TLS *tls.Config

	Auth     Authenticator
	Sessions Sessions
	Twins    Twins
	Messages Messages
	Log      *slog.Logger
	Limits   Limits
}

// Limits bound what one client or all of them can take from the hub. A zero
// field means its default.
type Limits struct {
	// Handshake is the time from accepting a connection to the end of its
	// CONNECT: 30 s.
	Handshake time.Duration
	// Write is how long a client may leave what is sent to it unread: 30 s.
	Write time.Duration
	// Connections that may be open at once, and of those Greeting, which have
	// not completed their CONNECT: 1,000,000 and 16,384. Further ones wait in
	// the listener's queue.
	Connections, Greeting int
	// Handshakes is how many TLS handshakes may compute at once, so that a
	// fleet that reconnects leaves the processor to those connected: half the
	// processors, rounded up.
	Handshakes int
	// Outbox is how many bytes may wait to be sent to one client: 1 MiB. A
	// client that lets it grow beyond is disconnected.
	Outbox int
	// InFlight is how many bytes of requests of one client may be unanswered:
	// 256 KiB. Beyond it the client is not read until answers are out.
	InFlight int
}

// Bounds that the protocol of an IoT Hub gives (wire §1).
const (
	// maxPayload is the largest message, 256 KiB.
	maxPayload = 262_144
	// maxPacket leaves room for the longest topic and a packet identifier.
	maxPacket = maxPayload + 2 + 65_535 + 2
	// maxConnect bounds the packet of a client that is not known yet to one
	// buffer. It leaves 12 KiB and more for a will.
	maxConnect = bufferSize - packet.MaxHeader
	// maxFilters bounds a SUBSCRIBE. There are five filters to subscribe to.
	maxFilters = 32
	// keepAliveCap is the longest silence of a client, whatever it asked for.
	keepAliveCap = 1767 * time.Second
	// slotWeight is what a request counts for besides its payload, and
	// documentWeight what a twin that is to be sent does.
	slotWeight     = 256
	documentWeight = 32 << 10
)

func (l *Limits) setDefaults() {
	l.Handshake = cmp.Or(l.Handshake, 30*time.Second)
	l.Write = cmp.Or(l.Write, 30*time.Second)
	l.Connections = cmp.Or(l.Connections, 1_000_000)
	l.Greeting = cmp.Or(l.Greeting, 16_384)
	l.Handshakes = cmp.Or(l.Handshakes, (runtime.GOMAXPROCS(0)+1)/2)
	l.Outbox = cmp.Or(l.Outbox, 1<<20)
	l.InFlight = cmp.Or(l.InFlight, 256<<10)
}

func (o *Options) check() error {
	if o.Auth == nil || o.Sessions == nil || o.Twins == nil || o.Messages == nil || o.Log == nil {
		return errors.New("mqtt: Auth, Sessions, Twins, Messages and Log are required")
	}
	return nil
}
