//go:build linux

package collect

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestUtmpRecord(t *testing.T) {
	t.Parallel()
	at := time.Unix(1700000000, 5000)
	v6 := netip.MustParseAddr("2001:db8::7").As16()
	for _, layout := range []utmpLayout{utmpSmall, utmpLarge} {
		for _, c := range []struct {
			name       string
			kind       int16
			failed     bool
			line       string
			user, host string
			addr       []byte
			told       bool
			remote     string
			exec, op   string
		}{
			{"sshd's failure", utmpLoginProcess, true, "ssh:notty", "bob", "a.example", []byte{192, 0, 2, 7}, true, "192.0.2.7", execSSHD, "ssh"},
			{"sshd's failure from an address as text", utmpLoginProcess, true, "ssh:notty", "bob", "192.0.2.7", nil, true, "192.0.2.7", execSSHD, "ssh"},
			{"login's failure", utmpUserProcess, true, "tty1", "root", "", nil, true, "", execLogin, "login"},
			{"a session by ssh", utmpUserProcess, false, "pts/0", "pi", "2001:db8::7", v6[:], true, "2001:db8::7", execSSHD, "ssh"},
			{"a session at the console", utmpUserProcess, false, "tty1", "pi", "", nil, true, "", execLogin, "login"},
			{"a desktop", utmpUserProcess, false, "tty2", "pi", ":0", nil, true, "", execLogin, "login"},
			{"xterm", utmpUserProcess, false, "pts/1", "pi", ":0", nil, false, "", "", ""},
			{"screen", utmpUserProcess, false, "pts/1", "pi", ":pts/0:S.0", nil, false, "", "", ""},
			{"tmux", utmpUserProcess, false, "pts/1", "pi", "tmux(42).%0", nil, false, "", "", ""},
			{"mosh", utmpUserProcess, false, "pts/1", "pi", "192.0.2.7 via mosh [42]", []byte{192, 0, 2, 7}, false, "", "", ""},
			{"waiting for a login", utmpLoginProcess, false, "tty1", "LOGIN", "", nil, false, "", "", ""},
			{"the end of a session", 8, false, "pts/0", "", "", nil, false, "", "", ""},
			{"a start", 2, false, "~", "reboot", "6.1", nil, false, "", "", ""},
		} {
			b := utmpBytes(layout, c.kind, 42, c.line, c.user, c.host, c.addr, at)
			if got := utmpLayoutOf(append(b, make([]byte, 400)...)); got != layout {
				t.Errorf("%s: taken for the layout of %d bytes", c.name, got.size)
			}
			s, ok := parseUtmp(layout, b).sighting(c.failed)
			if ok != c.told {
				t.Errorf("%s: told is %v", c.name, ok)
				continue
			}
			if !ok {
				continue
			}
			l := s.login
			if l.UserName != c.user || l.RemoteAddress != c.remote || l.Executable != c.exec || l.Operation != c.op || l.ProcessID != 42 || !s.at.Equal(at) || (l.Result == "Fail") != c.failed {
				t.Errorf("%s: %+v", c.name, s)
			}
		}
	}
}

// A file that is read in pieces of any size gives the same records.
func TestUtmpReaderInPieces(t *testing.T) {
	t.Parallel()
	for _, layout := range []utmpLayout{utmpSmall, utmpLarge} {
		var file []byte
		for i := range 5 {
			file = append(file, utmpBytes(layout, utmpUserProcess, int32(i), "tty1", "pi", "", nil, time.Unix(1700000000, 0))...)
		}
		for _, piece := range []int{1, 100, 384, 399, 400, 1000} {
			var pids []int64
			u := &utmpReader{tell: func(s sighting) { pids = append(pids, s.login.ProcessID) }}
			off := 0
			for end := piece; off < len(file); end += piece {
				off += u.take(file[off:min(end, len(file))])
			}
			if len(pids) != 5 || pids[4] != 4 {
				t.Errorf("layout of %d in pieces of %d: %v", layout.size, piece, pids)
			}
		}
	}
}

// sshd writes an attempt of an unknown user to btmp twice.
func TestUtmpReaderTwice(t *testing.T) {
	t.Parallel()
	record := func(pid int32, user string, at time.Time) []byte {
		return utmpBytes(utmpSmall, utmpLoginProcess, pid, "ssh:notty", user, "192.0.2.1", []byte{192, 0, 2, 1}, at)
	}
	at := time.Unix(1700000000, 0)
	file := slices.Concat(record(1, "pi", at), record(1, "pi", at), record(1, "pi", at.Add(3*time.Second)), record(2, "pi", at.Add(3*time.Second)), record(2, "root", at.Add(3*time.Second)))
	for failed, want := range map[bool]int{true: 4, false: 0} {
		n := 0
		u := &utmpReader{failed: failed, tell: func(sighting) { n++ }}
		if u.take(file); n != want {
			t.Errorf("failed %v: %d attempts are told, want %d", failed, n, want)
		}
	}
}

func FuzzUtmp(f *testing.F) {
	at := time.Unix(1700000000, 0)
	f.Add(append(utmpBytes(utmpSmall, 7, 1, "pts/0", "pi", "192.0.2.1", []byte{192, 0, 2, 1}, at), 1, 2, 3))
	f.Add(utmpBytes(utmpLarge, 6, 1, "ssh:notty", "pi\xff\x01", "", nil, at))
	f.Fuzz(func(t *testing.T, b []byte) {
		now := time.Unix(1<<34, 0)
		u := &utmpReader{failed: true, tell: func(s sighting) { checkSighting(t, s, now) }}
		u.begin(b[:min(len(b), tailHead)], 0)
		if n := u.take(b); n < 0 || n > len(b) {
			t.Errorf("took %d of %d", n, len(b))
		}
	})
}
