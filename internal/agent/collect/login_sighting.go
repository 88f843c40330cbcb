package collect

import (
	"net/netip"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Results of logins (asc §3.5).
const (
	resultSuccess = "Success"
	resultFail    = "Fail"
)

// Programs as they are named where the source does not tell their path.
const (
	execSSHD     = "/usr/sbin/sshd"
	execDropbear = "/usr/sbin/dropbear"
	execLogin    = "/bin/login"
	execSU       = "/bin/su"
	execLogind   = "/usr/lib/systemd/systemd-logind"
)

// unknownUser is the name of one that is not told, in the words of sshd.
const unknownUser = "(unknown user)"

// loginSource is one that tells of an attempt once at most. Records of a source
// that tell of the same attempt in other words are another source here.
type loginSource uint8

const (
	sourceUtmp loginSource = iota
	sourceAuditAuth
	sourceAuditLogin
	sourceLog
	sourceJournal
	loginSources // how many there are
)

// loginSort is how good a line of a log is.
type loginSort uint8

const (
	sortPlain   loginSort = iota // says all, once for each attempt
	sortVisit                    // somebody came whose attempts may be told, too
	sortPAM                      // what pam_unix says before the program does
	sortSession                  // a session that follows a login
	loginSorts                   // how many there are
)

// How long a sighting waits for a better one of the same attempt.
const (
	// waitBetter is enough for another file to be written: utmp has no ports.
	waitBetter = 500 * time.Millisecond
	// waitSession is enough for what a login program says to arrive.
	waitSession = time.Second
	// waitPAM is for what is said before PAM delays the answer to a wrong
	// password (pam_fail_delay(3): 2 s, give or take the half); the program
	// itself speaks after that, when the client has its answer.
	waitPAM = 3 * time.Second
)

// sighting is an attempt to log in as one source tells it.
type sighting struct {
	at     time.Time
	source loginSource
	sort   loginSort
	// wait is how long a better one may take to come.
	wait time.Duration
	// times is how often it happened; 0 is once.
	times int
	// probe says that a client may only have asked what the server offers.
	probe bool
	login event.Login
}

// remoteAddr returns the address that text is, without its zone; it is invalid
// for anything else. "::ffff:" is left away.
func remoteAddr(s string) netip.Addr {
	a, err := netip.ParseAddr(s)
	if a = a.Unmap().WithZone(""); err != nil || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// setRemote notes where an attempt came from: an address, or the name of a host.
func setRemote(l *event.Login, host, port string) {
	host = strings.TrimSpace(host)
	if a := remoteAddr(host); a.IsValid() {
		l.RemoteAddress, l.RemotePort = a.String(), port
	} else if host != "" && host != "?" {
		l.Extra = append(l.Extra, event.Detail{Name: "RemoteHost", Value: clean(host)})
	}
}

// namesNobody reports whether a source puts this where it does not know, or
// does not tell, the user's name: sshd, libpam, login.
func namesNobody(user string) bool {
	switch user {
	case "", "?", "UNKNOWN", unknownUser, "(unknown)", "(invalid user)":
		return true
	}
	return false
}
