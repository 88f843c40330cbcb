package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Mode is where events wait.
type Mode string

// The modes.
const (
	OnDisk   Mode = "disk"
	InMemory Mode = "memory"
)

// Mode returns where new events wait. If they are in memory although there is a
// folder for them, why says for people why and what to do.
func (s *Spool) Mode() (m Mode, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.usable():
		return OnDisk, ""
	case s.trouble.open == nil:
		return InMemory, ""
	default:
		return InMemory, s.trouble.why() + " (" + s.trouble.err.Error() + ")"
	}
}

// why says for people what the trouble is.
func (t *trouble) why() string {
	is := func(errs ...error) bool {
		for _, e := range errs {
			if errors.Is(t.err, e) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.ENOSPC, syscall.EDQUOT):
		return "The disk of the spool is full; events wait in memory. Free some space."
	case is(syscall.EROFS):
		return "The disk of the spool is read-only; events wait in memory. Mount it writable, or choose another folder."
	case is(fs.ErrPermission):
		return "The folder of the spool may not be written; events wait in memory. Give it to the user whom the agent runs as."
	case is(syscall.EIO):
		return "The disk of the spool fails; events wait in memory. Look at the kernel's log, and replace the disk if it is worn."
	default:
		return "The folder of the spool cannot be used; events wait in memory."
	}
}

// Report is what was found in the folder when it was opened.
type Report struct {
	// Events is how many waited, and Bytes their size.
	Events int
	Bytes  int64
	// Torn is how many bytes at the ends of files were of events that were not
	// wholly written, as a crash leaves them.
	Torn int64
	// Missing is how many events were in files that are not there any more; they
	// are counted as dropped, too.
	Missing uint64
	// Newer is how many files are of a newer version, and Foreign how many are
	// not the spool's. They were left as they are.
	Newer, Foreign int
	// Unread is how many files could not be read, or were too many.
	Unread int
	// StateLost says that there were events, and no record of which of them are
	// done: some may be sent again.
	StateLost bool
}

// Report returns what was found in the folder when it was opened; nothing if it
// could not be opened.
func (s *Spool) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.report
}

// Problem says for people what was wrong; "" if nothing was.
func (r Report) Problem() string {
	var parts []string
	say := func(yes bool, format string, args ...any) {
		if yes {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	say(r.Torn > 0, "%d bytes of events were not wholly written", r.Torn)
	say(r.Missing > 0, "%d events are missing", r.Missing)
	say(r.Newer > 0, "%d files are of a newer version of the agent, and were left", r.Newer)
	say(r.Foreign > 0, "%d files are not the spool's, and were left", r.Foreign)
	say(r.Unread > 0, "%d files could not be read, and were left", r.Unread)
	say(r.StateLost, "it is not known what was sent already; some events are sent again")
	if len(parts) == 0 {
		return ""
	}
	return "In the folder of the spool, " + strings.Join(parts, "; ") + "."
}
