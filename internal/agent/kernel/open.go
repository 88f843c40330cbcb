//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tvilling/tvilling"
)

// Prefer says by what means processes are to be seen. The words are those of
// the twin.
type Prefer string

// The preferences.
const (
	Auto    Prefer = "auto"    // the best there is: eBPF, the proc connector, polling
	Netlink Prefer = "netlink" // the proc connector, else polling
	Polling Prefer = "polling"
)

// Options say what to observe, and how.
type Options struct {
	Processes, Connections bool
	// Prefer is the means for processes; empty is Auto. Connections are always
	// seen by the best there is.
	Prefer Prefer
	// Interval is how often /proc and sockets are looked at, where that is the
	// means; 0 is the sources' own.
	Interval time.Duration
	// Self is a process to leave out, the agent's; 0 leaves none out.
	Self int32
}

// udpInterval is how often connected UDP sockets are looked at when eBPF tells
// of TCP.
const udpInterval = 30 * time.Second

// Sources are what was opened: each is to be run, and closed.
type Sources struct {
	Sources []Source
	// Processes and Connections say by what they are seen; zero if they were not
	// asked for.
	Processes, Connections Choice
}

// Choice is the means that was chosen.
type Choice struct {
	// Source is its name.
	Source string
	// Misses is what it cannot see, as a sentence; empty if nothing.
	Misses string
	// Reasons say why the better ones are not in use, the best first.
	Reasons []Reason
}

// Open opens the best sources that this kernel and these rights allow. With eBPF
// one source tells of both processes and connections. Without /proc there is
// nothing to be seen, which is an error.
func Open(o Options) (s Sources, err error) {
	if _, err := os.Stat(procPath + "/self/stat"); err != nil {
		return Sources{}, &tvilling.Error{
			Code: tvilling.Unavailable, Op: "observe", Subject: procPath, Err: err,
			Message: "The file system of processes is not there. Mount it: mount -t proc proc /proc.",
		}
	}
	if !o.Processes && !o.Connections {
		return Sources{}, nil
	}
	byEBPF := EBPFOptions{Processes: o.Processes && o.Prefer != Netlink && o.Prefer != Polling, Connections: o.Connections, Self: o.Self}
	byEBPF, reason := s.openEBPF(byEBPF)
	if o.Processes && !byEBPF.Processes {
		if o.Prefer == Netlink || o.Prefer == Polling {
			s.Processes.Reasons = append(s.Processes.Reasons, asked(ebpfName, o.Prefer))
		} else {
			s.Processes.Reasons = append(s.Processes.Reasons, reason)
		}
		err = s.openProcesses(o)
	}
	switch {
	case !o.Connections:
	case byEBPF.Connections:
		s.openUDP(o)
	default:
		s.Connections.Reasons = append(s.Connections.Reasons, reason)
		s.openConnections(o)
	}
	if err != nil {
		return Sources{}, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes all sources.
func (s *Sources) Close() error {
	var errs []error
	for _, one := range s.Sources {
		errs = append(errs, one.Close())
	}
	s.Sources = nil
	return errors.Join(errs...)
}

const ebpfName = "ebpf"

func asked(better string, p Prefer) Reason {
	return Reason{better, "The configuration asks for " + string(p) + ".", "Set processSource to auto."}
}

// openEBPF opens what it can of o, and returns that. A kernel may have what is
// needed for one and not for the other.
func (s *Sources) openEBPF(o EBPFOptions) (EBPFOptions, Reason) {
	if !o.Processes && !o.Connections {
		return o, Reason{}
	}
	tries := []EBPFOptions{o}
	if o.Processes && o.Connections {
		one, other := o, o
		one.Connections, other.Processes = false, false
		tries = append(tries, one, other)
	}
	var first Reason
	for _, try := range tries {
		src, reason, err := OpenEBPF(try)
		if err != nil {
			reason = &Reason{ebpfName, "It cannot be used: " + err.Error() + ".", "Report this."}
		}
		if reason == nil {
			s.Sources = append(s.Sources, src)
			if try.Processes {
				s.Processes.Source = src.Name()
			}
			if try.Connections {
				s.Connections.Source = src.Name()
			}
			return try, first
		}
		if first == (Reason{}) {
			first = *reason
		}
	}
	return EBPFOptions{}, first
}

func (s *Sources) openProcesses(o Options) error {
	c := &s.Processes
	if o.Prefer == Polling {
		c.Reasons = append(c.Reasons, asked(connectorName, o.Prefer))
	} else {
		src, reason, err := OpenConnector(o.Self)
		if err != nil {
			reason = &Reason{connectorName, "It cannot be used: " + err.Error() + ".", "Report this."}
		}
		if reason == nil {
			s.Sources = append(s.Sources, src)
			c.Source, c.Misses = src.Name(), "The arguments and user of a program that ends within a millisecond can be missed."
			return nil
		}
		c.Reasons = append(c.Reasons, *reason)
	}
	src, err := OpenPolling(o.Interval, o.Self)
	if err != nil {
		return err
	}
	s.Sources = append(s.Sources, src)
	c.Source, c.Misses = src.Name(), fmt.Sprintf("Processes that start and end within %v can be missed, and how processes ended is not known.", orElse(o.Interval, pollInterval))
	return nil
}

// openConnections opens what there is without eBPF. That may be nothing, which
// is no error: processes can be seen all the same.
func (s *Sources) openConnections(o Options) {
	c := &s.Connections
	src, reason, err := OpenSockets(SocketOptions{Interval: o.Interval, Self: o.Self})
	if err != nil {
		c.Misses = "Connections are not seen."
		c.Reasons = append(c.Reasons, noSockets(err))
		return
	}
	if reason != nil {
		c.Reasons = append(c.Reasons, *reason)
	}
	s.Sources = append(s.Sources, src)
	c.Source, c.Misses = src.Name(), fmt.Sprintf("Connections that are made and closed within %v, those that were refused, and those of containers can be missed.", orElse(o.Interval, socketInterval))
}

// openUDP adds what eBPF does not tell of.
func (s *Sources) openUDP(o Options) {
	c := &s.Connections
	src, _, err := OpenSockets(SocketOptions{Interval: udpInterval, UDPOnly: true, Self: o.Self})
	if err != nil {
		c.Misses = "Connected UDP sockets are not seen."
		c.Reasons = append(c.Reasons, noSockets(err))
		return
	}
	s.Sources = append(s.Sources, src)
	c.Misses = fmt.Sprintf("UDP sockets that are connected for less than %v, and those of containers, can be missed.", udpInterval)
}

func noSockets(err error) Reason {
	return Reason{diagName, "The kernel does not show its sockets: " + err.Error() + ".", "Use a kernel with CONFIG_INET_DIAG, and let the agent read /proc/net."}
}

func orElse(d, other time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return other
}
