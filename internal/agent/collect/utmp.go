package collect

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// utmpRecord is what a record of wtmp or btmp says (utmp(5)).
type utmpRecord struct {
	kind             int16
	pid              int32
	line, user, host string
	at               time.Time
	addr             netip.Addr // invalid when there is none
}

// Types of records (utmp(5)).
const (
	utmpLoginProcess = 6
	utmpUserProcess  = 7
)

// utmpLayout is where a record has its time and address; all else is the same
// everywhere. The small one is glibc's on x86 and 32-bit arm, where the time
// has 32 bits; the large one is glibc's on 64-bit arm, and musl's, which utmps
// writes to disk.
type utmpLayout struct {
	size, seconds, micros, addr int
	wide                        bool
}

var (
	utmpSmall = utmpLayout{size: 384, seconds: 340, micros: 344, addr: 348}
	utmpLarge = utmpLayout{size: 400, seconds: 344, micros: 352, addr: 360, wide: true}
)

// time returns the seconds and microseconds of a record.
func (l utmpLayout) time(b []byte) (sec, usec int64) {
	if l.wide {
		return int64(binary.LittleEndian.Uint64(b[l.seconds:])), int64(binary.LittleEndian.Uint64(b[l.micros:]))
	}
	return int64(binary.LittleEndian.Uint32(b[l.seconds:])), int64(binary.LittleEndian.Uint32(b[l.micros:]))
}

// fits reports whether a record has a time from this century where the layout
// has it. In the other layout's record that place has the session, which is
// small, or the microseconds.
func (l utmpLayout) fits(b []byte) bool {
	if len(b) < l.size {
		return false
	}
	sec, usec := l.time(b)
	return sec >= 946684800 && sec < 1<<33 && usec >= 0 && usec < 1e6
}

// utmpLayoutOf tells the layout by the first record of a file. A record without
// a time of this century (a clock that was not set) tells nothing; the layout is
// that of glibc here, then.
func utmpLayoutOf(first []byte) utmpLayout {
	switch {
	case utmpSmall.fits(first):
		return utmpSmall
	case utmpLarge.fits(first):
		return utmpLarge
	case runtime.GOARCH == "arm64":
		return utmpLarge
	}
	return utmpSmall
}

// parseUtmp reads one record; b has the layout's size at least.
func parseUtmp(l utmpLayout, b []byte) utmpRecord {
	sec, usec := l.time(b)
	r := utmpRecord{
		kind: int16(binary.LittleEndian.Uint16(b)), pid: int32(binary.LittleEndian.Uint32(b[4:])),
		line: cString(b[8:40]), user: cString(b[44:76]), host: cString(b[76:332]), at: time.Unix(sec, usec*1000),
	}
	a := b[l.addr : l.addr+16]
	if !bytes.Equal(a[4:], make([]byte, 12)) {
		r.addr = netip.AddrFrom16([16]byte(a)).Unmap()
	} else if !bytes.Equal(a[:4], make([]byte, 4)) {
		r.addr = netip.AddrFrom4([4]byte(a[:4]))
	}
	return r
}

// cString returns the text before the first NUL.
func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return clean(string(b))
}

// clean makes text of bytes that came from outside: valid UTF-8 without control
// characters.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// sighting makes a login of a record of wtmp, which tells of logins that
// succeeded, or of btmp, which tells of those that failed.
func (r utmpRecord) sighting(failed bool) (sighting, bool) {
	result := resultSuccess
	if failed {
		// Programs write btmp's records with either type.
		if r.kind != utmpLoginProcess && r.kind != utmpUserProcess {
			return sighting{}, false
		}
		result = resultFail
	} else if r.kind != utmpUserProcess || r.user == "" || r.terminalOnly() {
		return sighting{}, false
	}
	addr := r.addr
	if !addr.IsValid() {
		addr = remoteAddr(r.host)
	}
	s := sighting{at: r.at, source: sourceUtmp, wait: waitBetter, login: event.Login{
		UserName: r.user, Operation: "login", Executable: execLogin, Result: result, ProcessID: int64(r.pid),
	}}
	switch {
	case strings.HasPrefix(r.line, "ssh"): // sshd's line of btmp is "ssh:notty"
		s.login.Executable = execSSHD
	case strings.HasPrefix(r.line, "pts/") && addr.IsValid():
		// Nothing says whether it was sshd or a telnet server; the former is usual.
		s.login.Executable = execSSHD
	}
	if s.login.Executable == execSSHD {
		s.login.Operation = "ssh"
	}
	if addr.IsValid() {
		s.login.RemoteAddress = addr.String()
	} else if r.host != "" {
		s.login.Extra = event.Details{{Name: "RemoteHost", Value: r.host}}
	}
	if r.line != "" {
		s.login.Extra = append(s.login.Extra, event.Detail{Name: "Terminal", Value: r.line})
	}
	return s, true
}

// terminalOnly reports whether a record of wtmp is that of a terminal which
// somebody who is logged in has opened: xterm (host ":0"), screen
// (":pts/0:S.0"), tmux ("tmux(42).%0"), mosh ("… via mosh [42]") write those.
func (r utmpRecord) terminalOnly() bool {
	if !strings.HasPrefix(r.line, "pts/") || (r.addr.IsValid() && !strings.Contains(r.host, " via ")) {
		return false
	}
	return r.host == "" || r.host[0] == ':' || strings.ContainsAny(r.host, "( ")
}

// sameAttempt reports whether two records of btmp in a row are of one attempt: a
// process that was asked for a password waits before it asks again.
func (r utmpRecord) sameAttempt(before utmpRecord) bool {
	r.at, before.at = r.at.Truncate(time.Second), before.at.Truncate(time.Second)
	return r == before
}

// utmpReader takes the records of a file that grows.
type utmpReader struct {
	failed bool
	layout utmpLayout // of size 0 until it is known
	tell   func(sighting)
	// last is the record before. sshd writes one attempt of an unknown user to
	// btmp twice, in the same second.
	last utmpRecord
}

// take reads the whole records at the beginning of b and returns their length.
func (u *utmpReader) take(b []byte) int {
	if u.layout.size == 0 {
		// One of the large size is awaited: the first 384 bytes of such a one
		// tell nothing of a small one.
		if len(b) < utmpSmall.size || (len(b) < utmpLarge.size && !utmpSmall.fits(b)) {
			return 0
		}
		u.layout = utmpLayoutOf(b)
	}
	n := 0
	for ; len(b)-n >= u.layout.size; n += u.layout.size {
		r := parseUtmp(u.layout, b[n:])
		again := u.failed && r.pid != 0 && r.sameAttempt(u.last)
		u.last = r
		if again {
			continue
		}
		if s, ok := r.sighting(u.failed); ok {
			u.tell(s)
		}
	}
	return n
}

// begin looks at the beginning of a file, and returns the last border of
// records at or before off.
func (u *utmpReader) begin(head []byte, off int64) int64 {
	u.layout = utmpLayout{}
	if len(head) < utmpSmall.size {
		return 0
	}
	u.layout = utmpLayoutOf(head)
	return off - off%int64(u.layout.size)
}
