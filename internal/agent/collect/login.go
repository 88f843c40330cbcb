//go:build linux

package collect

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// LoginOptions say where logins are looked for.
type LoginOptions struct {
	// Root is the folder that has the device's var and run: "/".
	Root string
	// NoAudit says not to hear the kernel's audit system.
	NoAudit bool
}

const (
	// readGap is the least time between two looks at the logs: a flood is read
	// in large pieces.
	readGap = 100 * time.Millisecond
	// maxJournals bounds the folders of journals.
	maxJournals = 16
)

// Logins watches for attempts to log in (asc §3.5 Login, §4.2): successes and
// failures, at the device and over the network. It reads along with what the
// device writes: the systemd journal, the authentication log of a syslog daemon,
// the records of btmp and wtmp, the kernel's audit system where that is on. What
// several of them tell of one attempt is one event.
//
// The text of a log is trusted as far as the log is: a local user may write to
// most syslog daemons in the name of sshd. The journal knows who wrote; there only
// root's entries count, and su's.
//
// Operation is "ssh:" and the method, "login", "su", or as the audit system has
// it ("PAM:authentication"). RemoteHost in ExtraDetails is a remote host of which
// only the name is known, Terminal the terminal.
type Logins struct {
	opt LoginOptions

	mu       sync.Mutex // holds what follows
	merge    *merger
	tails    map[string]*tail
	journals map[string]*journalFollower
	saved    *checkpoint
	running  bool
	begun    time.Time
	audit    bool
	trouble  map[string]error // what is there and cannot be read, by path
	buf      []byte
	notify   *notifier
	to       Sink
}

// NewLogins returns a watcher of logins.
func NewLogins(o LoginOptions) *Logins {
	return &Logins{opt: o, saved: &checkpoint{}, tails: map[string]*tail{}, journals: map[string]*journalFollower{}, trouble: map[string]error{}}
}

// Kinds returns [event.LoginKind].
func (l *Logins) Kinds() []event.Kind { return []event.Kind{event.LoginKind} }

// Restore takes what Checkpoint returned before a restart: Run tells of what was
// logged since. It is called before Run. With an error Run begins with what
// happens then.
func (l *Logins) Restore(b []byte) error {
	c, err := parseCheckpoint(b)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saved = c
	return err
}

// Checkpoint returns how far the logs were read, in at most 4 KiB. All that is
// before was told when Run has returned; while it runs, the newest may wait for up
// to three seconds.
func (l *Logins) Checkpoint() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running {
		l.saved = l.positions()
	}
	return l.saved.bytes()
}

func (l *Logins) positions() *checkpoint {
	c := &checkpoint{Files: map[string]filePosition{}, Journals: map[string]journalPosition{}}
	for path, t := range l.tails {
		c.Files[path] = t.position()
	}
	for folder, j := range l.journals {
		c.Journals[folder] = j.position
	}
	return c
}

// Run tells of logins until ctx ends.
func (l *Logins) Run(ctx context.Context, to Sink) error {
	n, err := newNotifier()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	heard := make(chan sighting, 64)
	failed := make(chan error, 1)
	wg.Go(func() { failed <- n.run(ctx) })
	again := l.begin(n, to)
	defer l.end()
	if f := l.joinAudit(); f != nil {
		wg.Go(func() {
			err := hearAudit(ctx, f, func(s sighting) {
				select {
				case heard <- s:
				case <-ctx.Done():
				}
			}, func() { to.Lost(event.LoginKind, 1, "audit socket full") })
			l.leftAudit(err)
		})
	}
	return l.loop(ctx, n, again, heard, failed)
}

// loop is what Run does. With again, names have to be looked at when something
// changes.
func (l *Logins) loop(ctx context.Context, n *notifier, again bool, heard <-chan sighting, failed <-chan error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var read time.Time // when the logs were read last
	changed := (<-chan struct{})(nil)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if ctx.Err() == nil && err != nil {
				return err
			}
		case s := <-heard:
			l.add(s)
		case <-changed:
			again = n.moved.Swap(false) || again
			read = time.Time{}
		case <-timer.C:
		}
		now := time.Now()
		next := l.step(ctx, now, &read, &again)
		if quiet := read.Add(readGap); now.Before(quiet) {
			changed = nil
			if next.IsZero() || quiet.Before(next) {
				next = quiet
			}
		} else {
			changed = n.changed
		}
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(next.Sub(now))
		}
	}
}

// step reads the logs if read is zero, and tells of what is ripe. It returns when
// something else will be.
func (l *Logins) step(ctx context.Context, now time.Time, read *time.Time, again *bool) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if read.IsZero() {
		*read = now
		if *again {
			*again = l.discover(false)
		}
		l.drain(ctx)
	}
	return l.merge.ripe(now)
}

func (l *Logins) begin(n *notifier, to Sink) (again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notify, l.to = n, to
	l.merge = newMerger(func(s sighting) {
		item := s.login
		to.Observe(s.at, &item)
	})
	l.buf = make([]byte, tailBuffer)
	l.running, l.begun = true, time.Now()
	return l.discover(true)
}

func (l *Logins) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.merge.flush()
	l.saved = l.positions()
	l.running, l.audit = false, false
	for path, t := range l.tails {
		t.close()
		delete(l.tails, path)
	}
	for folder, j := range l.journals {
		j.close()
		delete(l.journals, folder)
	}
	l.notify, l.buf, l.merge = nil, nil, nil
}

func (l *Logins) add(s sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tell(s)
}

func (l *Logins) tell(s sighting) { l.merge.add(s, time.Now()) }

// joinAudit returns nil where the audit system is not heard; Sight says so.
func (l *Logins) joinAudit() *os.File {
	if l.opt.NoAudit {
		return nil
	}
	f, err := openAudit()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.audit = err == nil
	return f
}

// leftAudit notes that no more is heard of the audit system; the logs are read on.
func (l *Logins) leftAudit(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.audit = false
	if err != nil {
		l.trouble["audit"] = err
	}
}

func (l *Logins) drain(ctx context.Context) {
	for path, t := range l.tails {
		if err := t.drain(ctx, l.buf); err != nil {
			l.trouble[path] = err
			l.to.Lost(event.LoginKind, 1, "log unreadable")
			t.close()
			delete(l.tails, path)
		}
		if t.behind {
			t.behind = false
			l.to.Lost(event.LoginKind, 1, "log too far ahead")
		}
	}
	for _, j := range l.journals {
		if err := j.drain(); err != nil {
			l.trouble[j.path()] = err
			l.to.Lost(event.LoginKind, 1, "journal damaged")
			// journald begins another file when it notices; until then there is nothing to read.
			j.file = nil
		}
	}
}

func (l *Logins) in(elem ...string) string {
	return filepath.Join(append([]string{l.opt.Root}, elem...)...)
}
