//go:build linux

package collect

import (
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling/internal/agent/kernel"
	"github.com/tvilling/tvilling/internal/security/event"
)

const (
	// What is known of a process that makes connections is believed for so
	// long, unless it runs another program before; and so is which process
	// listens at a port, unless one begins or ends to listen there.
	ownerFor    = 2 * time.Second
	listenerFor = 5 * time.Minute
	// nobodyFor is how long it is believed that no process listens: finding
	// that out is dear.
	nobodyFor = 30 * time.Second
	// Who listens is looked for listenerBurst times in a row, then once each
	// listenerGap: a look goes through the files of all processes, and whoever
	// opens many ports could ask for many.
	listenerBurst = 16
	listenerGap   = 2 * time.Second
	// Bounds of what is remembered.
	maxOwners    = 64
	maxListeners = 256
)

// ConnectionOptions are what Connections are made with. What is nil is read
// from /proc.
type ConnectionOptions struct {
	// Process returns what is known of a process.
	Process func(pid int32) (kernel.Proc, error)
	// Executable returns what a process runs that is gone, or may not be looked
	// at; "" if it is not known. Such as Processes.Executable.
	Executable func(pid int32) string
	// Listener returns a process that listens for TCP at an address, 0 if none
	// is known.
	Listener func(local netip.AddrPort) int32
}

// Connections makes ConnectionCreate of what the kernel tells (asc §3.5): one
// for each connection that is made, in or out, and for each that the device
// asked for and did not get, which has ExtraDetails "Established":"false".
// Connections of the device with itself over loopback addresses are left out,
// as the C# agent did. IPv4 addresses in IPv6 form are told as IPv4, and
// addresses without their zone.
//
// A process that was gone before it could be looked at has no CommandLine.
type Connections struct {
	o  ConnectionOptions
	to Sink
	// loopback says that connections over loopback are told, too.
	loopback  atomic.Bool
	owners    recent[int32, owner]
	listeners recent[netip.AddrPort, listener]
	looked    time.Time // when a look was paid for; see listenerGap
	line      []byte
}

// owner is what is known of a process, listener which one it is.
type owner struct {
	executable, commandLine, userID string
	cut                             bool
	until                           time.Time
}

type listener struct {
	pid   int32
	until time.Time
}

// NewConnections returns Connections that tell to a sink.
func NewConnections(o ConnectionOptions, to Sink) *Connections {
	if o.Process == nil {
		o.Process = kernel.Process
	}
	if o.Executable == nil {
		o.Executable = func(int32) string { return "" }
	}
	if o.Listener == nil {
		o.Listener = listenerOf
	}
	return &Connections{o: o, to: to, owners: newRecent[int32, owner](maxOwners), listeners: newRecent[netip.AddrPort, listener](maxListeners)}
}

// SetLoopback says whether connections over loopback are told, too.
func (c *Connections) SetLoopback(on bool) { c.loopback.Store(on) }

// Handle takes what the kernel tells. Fork and Exit are not looked at. It is to
// be called from one goroutine at a time.
func (c *Connections) Handle(h *kernel.Happening) {
	switch h.Kind {
	case kernel.Exec:
		c.owners.delete(h.PID)
	case kernel.Listen, kernel.Unlisten:
		port := h.Local.Port() // 0 of a program that left the choice to the kernel
		for at := range c.listeners.entries {
			if port == 0 || at.Port() == port {
				c.listeners.delete(at)
			}
		}
	case kernel.Connect, kernel.Refused, kernel.Accept:
		c.connection(h)
	case kernel.Fork, kernel.Exit:
	}
}

func (c *Connections) connection(h *kernel.Happening) {
	local, remote := plain(h.Local), plain(h.Remote)
	if !remote.Addr().IsValid() || local.Addr().IsLoopback() && remote.Addr().IsLoopback() && !c.loopback.Load() {
		return
	}
	it := &event.ConnectionCreate{
		Direction: "Out", Protocol: h.Protocol,
		RemoteAddress: remote.Addr().String(), RemotePort: strconv.Itoa(int(remote.Port())),
	}
	if local.Addr().IsValid() {
		it.LocalAddress, it.LocalPort = local.Addr().String(), strconv.Itoa(int(local.Port()))
	}
	pid := h.PID
	if h.Kind == kernel.Accept {
		it.Direction = "In"
		if pid == 0 {
			pid = c.listener(local)
		}
	}
	who := c.owner(pid, h)
	it.ProcessID, it.Executable, it.CommandLine, it.UserID = int64(pid), who.executable, who.commandLine, who.userID
	if h.HasUID {
		it.UserID = strconv.FormatUint(uint64(h.UID), 10)
	}
	if h.Kind == kernel.Refused {
		it.Extra = detail(it.Extra, "Established", "false")
	}
	if who.cut {
		it.Extra = detail(it.Extra, "Cut", "true")
	}
	c.to.Observe(h.At, it)
}

// plain returns an end of a connection as it is told.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// owner returns what is known of the process that a happening is about.
func (c *Connections) owner(pid int32, h *kernel.Happening) owner {
	if pid <= 0 {
		return owner{executable: text(h.Name)}
	}
	now := time.Now()
	if o, ok := c.owners.get(pid); ok && now.Before(o.until) {
		return o
	}
	o := owner{until: now.Add(ownerFor)}
	p, err := c.o.Process(pid)
	if err == nil {
		o.userID = strconv.FormatUint(uint64(p.UID), 10)
		o.executable = p.Exe
		if len(p.Args) > 0 {
			c.line, o.cut = appendCommandLine(c.line[:0], p.Args)
			o.commandLine, o.cut = string(c.line), o.cut || p.ArgsCut
		}
	}
	if o.executable == "" {
		o.executable = c.o.Executable(pid)
	}
	if o.executable == "" {
		o.executable = text(h.Name)
	}
	if o.executable == "" {
		o.executable = p.Comm
	}
	if err == nil {
		c.owners.put(pid, o) // else it may be another one's number soon
	}
	return o
}

// listener returns the process that listens where a connection came in, 0 if
// that is not known or dear to find out.
func (c *Connections) listener(local netip.AddrPort) int32 {
	now := time.Now()
	if l, ok := c.listeners.get(local); ok && now.Before(l.until) {
		return l.pid
	}
	full := now.Add(-listenerBurst * listenerGap)
	if c.looked.Before(full) {
		c.looked = full
	}
	if c.looked = c.looked.Add(listenerGap); c.looked.After(now) {
		c.looked = c.looked.Add(-listenerGap)
		return 0
	}
	l := listener{pid: c.o.Listener(local), until: now.Add(listenerFor)}
	if l.pid == 0 {
		l.until = now.Add(nobodyFor)
	}
	c.listeners.put(local, l)
	return l.pid
}
