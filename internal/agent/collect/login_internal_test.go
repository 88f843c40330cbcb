//go:build linux

package collect

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// seen keeps what a watcher of logins tells.
type seen struct {
	mu     sync.Mutex
	logins []*event.Login
	at     []time.Time
	lost   map[string]uint64
	news   chan struct{}
}

func newSeen() *seen { return &seen{lost: map[string]uint64{}, news: make(chan struct{}, 1)} }

func (s *seen) Observe(at time.Time, it event.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins, s.at = append(s.logins, it.(*event.Login)), append(s.at, at)
	s.tell()
}

func (s *seen) Lost(_ event.Kind, n uint64, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost[why] += n
	s.tell()
}

func (s *seen) tell() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// await returns the logins when there are n.
func (s *seen) await(t *testing.T, n int) []*event.Login {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		got := append([]*event.Login(nil), s.logins...)
		s.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-s.news:
		case <-deadline:
			t.Fatalf("%d logins were told, %d expected: %+v", len(got), n, got)
		}
	}
}

// watch runs a watcher of logins below root until the test or stop ends it.
func watch(t *testing.T, l *Logins) (to *seen, stop func()) {
	t.Helper()
	to = newSeen()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx, to) }()
	for begun := false; !begun; { // what is written before it begins is not told
		l.mu.Lock()
		begun = l.running
		l.mu.Unlock()
		select {
		case err := <-done:
			t.Fatalf("Run returned: %v", err)
		default:
		}
	}
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned: %v", err)
		}
	})
	t.Cleanup(stop)
	return to, stop
}

func logRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "var/log"), 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}

func appendTo(t *testing.T, path string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func logText(line string) []byte {
	return []byte(time.Now().Format(time.RFC3339Nano) + " host " + line + "\n")
}

// utmpBytes makes a record of a layout.
func utmpBytes(l utmpLayout, kind int16, pid int32, line, user, host string, addr []byte, at time.Time) []byte {
	b := make([]byte, l.size)
	binary.LittleEndian.PutUint16(b, uint16(kind))
	binary.LittleEndian.PutUint32(b[4:], uint32(pid))
	copy(b[8:40], line)
	copy(b[44:76], user)
	copy(b[76:332], host)
	if l.wide {
		binary.LittleEndian.PutUint64(b[l.seconds:], uint64(at.Unix()))
		binary.LittleEndian.PutUint64(b[l.micros:], uint64(at.Nanosecond()/1000))
	} else {
		binary.LittleEndian.PutUint32(b[l.seconds:], uint32(at.Unix()))
		binary.LittleEndian.PutUint32(b[l.micros:], uint32(at.Nanosecond()/1000))
	}
	copy(b[l.addr:l.addr+16], addr)
	return b
}

func users(logins []*event.Login) []string {
	var u []string
	for _, l := range logins {
		u = append(u, l.UserName)
	}
	return u
}

func TestLoginsOfLogAndRecordsAreOne(t *testing.T) {
	t.Parallel()
	root := logRoot(t)
	btmp, auth := filepath.Join(root, "var/log/btmp"), filepath.Join(root, "var/log/auth.log")
	appendTo(t, btmp, utmpBytes(utmpSmall, 6, 1, "ssh:notty", "before", "", nil, time.Now()))
	appendTo(t, auth, logText("sshd[1]: Failed password for before from 192.0.2.1 port 1 ssh2"))
	to, _ := watch(t, NewLogins(LoginOptions{Root: root, NoAudit: true}))

	appendTo(t, btmp, utmpBytes(utmpSmall, 6, 42, "ssh:notty", "bob", "192.0.2.7", []byte{192, 0, 2, 7}, time.Now()))
	appendTo(t, auth, logText("sshd[42]: Failed password for invalid user bob from 192.0.2.7 port 4022 ssh2"))
	appendTo(t, auth, logText("sshd[42]: Failed password for invalid user bob from 192.0.2.7 port 4022 ssh2"))
	appendTo(t, btmp, utmpBytes(utmpSmall, 6, 42, "ssh:notty", "bob", "192.0.2.7", []byte{192, 0, 2, 7}, time.Now()))
	// One that only btmp has, whose telling says that all before was told.
	appendTo(t, btmp, utmpBytes(utmpSmall, 6, 43, "tty1", "carol", "", nil, time.Now()))

	got := to.await(t, 3)
	if len(got) != 3 || got[0].UserName != "bob" || got[1].UserName != "bob" || got[2].UserName != "carol" {
		t.Fatalf("told of %v, expected bob, bob, carol", users(got))
	}
	want := event.Login{UserName: "bob", Operation: "ssh:password", Executable: execSSHD, RemoteAddress: "192.0.2.7", RemotePort: "4022", Result: "Fail", ProcessID: 42}
	if g := *got[0]; g.UserName != want.UserName || g.Operation != want.Operation || g.Executable != want.Executable || g.RemoteAddress != want.RemoteAddress ||
		g.RemotePort != want.RemotePort || g.Result != want.Result || g.ProcessID != want.ProcessID {
		t.Errorf("got %+v\nwant %+v", g, want)
	}
	if g := got[2]; g.Executable != execLogin || g.RemoteAddress != "" || g.Result != "Fail" {
		t.Errorf("a failure at the console: %+v", g)
	}
}
