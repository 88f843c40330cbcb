package collect

import (
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
)

// wordings reads the messages by which programs tell of logins. What it
// remembers is bounded.
type wordings struct {
	// told are the processes of the last attempts, so that the end of a
	// connection is not taken for another.
	told [64]int64
	next int
}

// read makes a sighting of a message that the program with this tag has
// written; the caller adds time and source. It is false for a message that tells
// of no attempt. sudo is left out: it asks one who is logged in already (asc §4.2).
func (w *wordings) read(tag string, pid int64, message string) (s sighting, ok bool) {
	tag = strings.Trim(tag, "()]")
	if i := strings.LastIndexByte(tag, '/'); i >= 0 {
		tag = tag[i+1:]
	}
	if tag == "" {
		return sighting{}, false
	}
	if strings.HasPrefix(message, "pam_unix(") {
		s, ok = readPAM(message)
	} else {
		switch tag {
		case "sshd", "sshd-session", "sshd-auth":
			s, ok = w.readSSHD(pid, message)
		case "dropbear":
			s, ok = readDropbear(message)
		case "login":
			s, ok = readLogin(message)
		case "su", "su-l":
			s, ok = readSU(message)
		case "systemd-logind":
			s, ok = readLogind(message)
		}
	}
	if !ok {
		return sighting{}, false
	}
	l := &s.login
	l.UserName, l.ProcessID = clean(l.UserName), pid
	if l.Executable == "" {
		l.Executable = programPath(tag)
	}
	if s.sort == sortPlain {
		w.told[w.next%len(w.told)] = pid
		w.next++
	}
	return s, true
}

// programTags are the tags of programs whose messages read knows. A journal's
// entries of others are not looked at.
var programTags = map[string]bool{
	"sshd": true, "sshd-session": true, "sshd-auth": true, "dropbear": true, "login": true, "(login)": true,
	"su": true, "su-l": true, "systemd-logind": true,
	// These speak by pam_unix alone.
	"gdm-password]": true, "gdm-password": true, "gdm-fingerprint]": true, "gdm-autologin]": true, "lightdm": true,
	"sddm-helper": true, "vsftpd": true, "proftpd": true, "pure-ftpd": true, "cockpit-session": true, "xrdp-sesman": true,
}

func programPath(tag string) string {
	switch tag {
	case "sshd", "sshd-session", "sshd-auth":
		return execSSHD
	case "dropbear":
		return execDropbear
	case "login":
		return execLogin
	case "su", "su-l":
		return execSU
	case "systemd-logind":
		return execLogind
	}
	return clean(tag)
}

// readDropbear reads dropbear's messages (svr-auth*.c), such as "Bad password
// attempt for 'root' from 192.0.2.1:5000".
func readDropbear(message string) (sighting, bool) {
	for _, form := range []struct{ begin, operation, result string }{
		{"Bad password attempt for ", "ssh:password", resultFail},
		{"Bad PAM password attempt for ", "PAM:authentication", resultFail},
		{"bad PAM password attempt for ", "PAM:authentication", resultFail},
		{"Too-long password attempt for ", "ssh:password", resultFail},
		{"Login attempt for nonexistent user", "ssh:password", resultFail},
		{"Login attempt with wrong user", "ssh:password", resultFail},
		{"Password auth succeeded for ", "ssh:password", resultSuccess},
		{"PAM password auth succeeded for ", "PAM:authentication", resultSuccess},
		{"Pubkey auth succeeded for ", "ssh:publickey", resultSuccess},
		{"Auth succeeded with blank password for ", "ssh:password", resultSuccess},
	} {
		rest, ok := strings.CutPrefix(message, form.begin)
		if !ok {
			continue
		}
		i := strings.LastIndex(rest, " from ")
		if i < 0 || strings.HasSuffix(rest, ", extra auth required") { // that is no login yet
			return sighting{}, false
		}
		who, from := rest[:i], rest[i+len(" from "):]
		if form.operation == "ssh:publickey" {
			// "'root' with ssh-ed25519 key SHA256:…"
			if j := strings.LastIndex(who, "' with "); j >= 0 {
				who = who[:j+1]
			}
		}
		s := sighting{login: event.Login{UserName: unquote(strings.TrimSpace(who)), Operation: form.operation, Result: form.result}}
		host, port := from, ""
		if j := strings.LastIndexByte(from, ':'); j >= 0 {
			host, port = strings.Trim(from[:j], "[]"), portNumber(from[j+1:])
		}
		setRemote(&s.login, host, port)
		return s, true
	}
	return sighting{}, false
}

// portNumber returns s if it is the number of a port.
func portNumber(s string) string {
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' || n > 6553 {
			return ""
		}
		n = n*10 + int(c-'0')
	}
	if n < 1 || n > 65535 {
		return ""
	}
	return s
}

// unquote takes one pair of single quotes away.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return s[1 : len(s)-1]
	}
	return s
}
