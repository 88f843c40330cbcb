package kernel

import (
	"context"
	"net/netip"
	"time"
)

// Kind says what happened.
type Kind uint8

// The kinds of happening.
const (
	// Fork: a process was made; it runs its parent's program.
	Fork Kind = iota + 1
	// Exec: a process runs a program from now on.
	Exec
	// Exit: a process is gone, with all its threads.
	Exit
	// Connect: a connection that the device asked for is made.
	Connect
	// Refused: a connection that the device asked for was not made.
	Refused
	// Accept: a connection that somebody asked the device for is made.
	Accept
	// Listen: a port is open for connections; Unlisten: it no longer is.
	Listen
	Unlisten
)

// Happening is one thing that the kernel tells. What a source does not know is
// zero. A Happening and its bytes are valid during the call that gives it.
type Happening struct {
	Kind Kind
	// At is wall time.
	At time.Time
	// PID is the process (thread group); of Accept, Listen and Unlisten it may
	// be 0, since those happen in no process's name.
	PID, ParentPID int32
	// UID is the real user of Exec and Connect; HasUID says that it is known.
	UID    uint32
	HasUID bool
	// Name is the kernel's short name of the process (at most 15 bytes).
	Name []byte
	// Path is the file that Exec runs, as it was named, which need not be
	// absolute.
	Path []byte
	// Args are the arguments of Exec, each ended by a NUL. ArgsCut says that
	// there were more, ArgsMissing that the process was gone before they could
	// be read.
	Args        []byte
	ArgsCut     bool
	ArgsMissing bool
	// Status is how the process ended, in the form of wait(2): the exit code in
	// bits 8 to 15, the signal in bits 0 to 6; StatusUnknown if the source does
	// not know it.
	Status int32
	// Protocol is "tcp" or "udp"; Local and Remote are the ends of the socket.
	Protocol      string
	Local, Remote netip.AddrPort
}

// StatusUnknown is the Status of an Exit whose source does not know it. No
// process ends in that way.
const StatusUnknown int32 = -1

// Source is a stream of happenings.
type Source interface {
	// Name is the means: "ebpf", "proc connector", "polling", "sock_diag",
	// "/proc/net".
	Name() string
	// Run gives happenings to handle, from one goroutine, until ctx ends (nil)
	// or the source fails. lost is told how many happenings were lost, when
	// some were.
	Run(ctx context.Context, handle func(*Happening), lost func(n uint64, why string)) error
	// Close releases what Open took. It is called once, after Run if that was called.
	Close() error
}

// Reason says why a better source than the one in use is not to be had.
type Reason struct {
	// Source is the better one.
	Source string
	// Why is what is missing (a kernel option, a capability, a file system) and
	// Remedy what to do; both are sentences.
	Why, Remedy string
}
