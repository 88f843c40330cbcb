package collect

import (
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// readSSHD reads the messages of OpenSSH's server (auth.c, auth_log and its
// callers; 7 to 10). A user's name is whatever the client sent: it may look like
// the rest of the message, so messages are read from their end.
func (w *wordings) readSSHD(pid int64, message string) (sighting, bool) {
	message = strings.TrimSuffix(message, " [preauth]")
	for _, form := range []struct{ begin, result string }{{"Accepted ", resultSuccess}, {"Failed ", resultFail}} {
		if rest, ok := strings.CutPrefix(message, form.begin); ok {
			return readVerdict(rest, form.result)
		}
	}
	if rest, ok := strings.CutPrefix(message, "Invalid user "); ok {
		user, addr, port, ok := userFrom(rest)
		return visit(user, addr, port, waitPAM), ok
	}
	if rest, ok := strings.CutPrefix(message, "ROOT LOGIN REFUSED FROM "); ok {
		addr, port := addrPort(rest)
		return visit("root", addr, port, waitBetter), addr != ""
	}
	// A client that has only keys which are not known is told of by this alone,
	// at its end: nothing better comes.
	for _, begin := range []string{"Connection closed by ", "Connection reset by ", "Disconnected from "} {
		if rest, ok := strings.CutPrefix(message, begin+"authenticating user "); ok {
			user, addr, port, ok := userThen(rest)
			if !ok || (pid != 0 && slices.Contains(w.told[:], pid)) {
				return sighting{}, false
			}
			return visit(user, addr, port, 0), true
		}
	}
	return sighting{}, false
}

// readVerdict reads "<method>[/<submethod>] for [invalid user ]<user> from
// <address> port <port> ssh2[: <key>]".
func readVerdict(rest, result string) (sighting, bool) {
	method, rest, ok := strings.Cut(rest, " for ")
	if !ok || strings.Contains(method, " ") || method == "none" {
		// "none" asks what methods there are.
		return sighting{}, false
	}
	// The last of the places that look like the end is the end: behind it is a
	// key's name at most.
	for end := len(rest); end > 0; {
		i := strings.LastIndex(rest[:end], " ssh2")
		if i < 0 {
			break
		}
		if after := rest[i+len(" ssh2"):]; after == "" || after[0] == ':' {
			if user, addr, port, ok := userFrom(rest[:i]); ok {
				user = strings.TrimPrefix(strings.TrimPrefix(user, "invalid user "), "illegal user ")
				s := sighting{login: event.Login{UserName: user, Operation: "ssh:" + clean(method), Result: result}}
				setRemote(&s.login, addr, port)
				return s, true
			}
		}
		end = i
	}
	return sighting{}, false
}

// visit is of somebody whose attempts may be told, too.
func visit(user, addr, port string, wait time.Duration) sighting {
	s := sighting{sort: sortVisit, wait: wait, login: event.Login{UserName: user, Operation: "ssh", Result: resultFail}}
	setRemote(&s.login, addr, port)
	return s
}

// userFrom reads "<user> from <address>[ port <port>]".
func userFrom(s string) (user, addr, port string, ok bool) {
	i := strings.LastIndex(s, " from ")
	if i < 0 {
		return "", "", "", false
	}
	addr, port = addrPort(s[i+len(" from "):])
	return s[:i], addr, port, addr != ""
}

// userThen reads "<user> <address> port <port>".
func userThen(s string) (user, addr, port string, ok bool) {
	i := strings.LastIndex(s, " port ")
	if i < 0 {
		return "", "", "", false
	}
	j := strings.LastIndexByte(s[:i], ' ')
	if j < 0 {
		return "", "", "", false
	}
	addr, port = addrPort(s[j+1:])
	return s[:j], addr, port, addr != ""
}

// addrPort reads "<address>[ port <port>]"; the address is empty if it is not
// one word.
func addrPort(s string) (addr, port string) {
	addr, rest, more := strings.Cut(strings.TrimSpace(s), " ")
	if !more {
		return addr, ""
	}
	number, ok := strings.CutPrefix(rest, "port ")
	if !ok || portNumber(number) == "" {
		return "", ""
	}
	return addr, number
}
