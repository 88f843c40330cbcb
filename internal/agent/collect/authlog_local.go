package collect

import (
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
)

// readLogin reads the messages of login(1): util-linux, shadow, BusyBox.
func readLogin(message string) (sighting, bool) {
	s := sighting{login: event.Login{Operation: "login", Result: resultSuccess}}
	l := &s.login
	word := func(text, before string) string { // the word behind another
		_, rest, ok := strings.Cut(text, before)
		if !ok {
			return ""
		}
		rest, _, _ = strings.Cut(rest, " ")
		return unquote(strings.TrimSuffix(rest, ","))
	}
	switch {
	case strings.HasPrefix(message, "FAILED LOGIN"):
		// util-linux: "FAILED LOGIN 1 FROM tty1 FOR root, Authentication failure";
		// shadow: "FAILED LOGIN (1) on '/dev/tty1' from 'host' FOR 'root', …".
		// The name is last but for PAM's words, and is whatever was typed.
		before, rest, ok := strings.Cut(message, " FOR ")
		i := strings.LastIndex(rest, ", ")
		if !ok || i < 0 {
			return s, false
		}
		l.Result, l.UserName = resultFail, unquote(rest[:i])
		from := word(before, " FROM ")
		if from == "" {
			from = word(before, " from ")
		}
		remoteHost(l, from)
	case strings.HasPrefix(message, "invalid password for '"):
		// BusyBox, and shadow without PAM: "invalid password for 'root' on 'tty1'".
		rest := strings.TrimPrefix(message, "invalid password for ")
		i := strings.LastIndex(rest, " on '")
		if i < 0 {
			return s, false
		}
		l.Result, l.UserName = resultFail, unquote(rest[:i])
		remoteHost(l, word(rest[i:], " from "))
	case strings.HasPrefix(message, "ROOT LOGIN"), strings.HasPrefix(message, "root login"):
		// "ROOT LOGIN ON tty1[ FROM host]", "ROOT LOGIN  on '/dev/tty1'", "root login on 'tty1'".
		l.UserName = "root"
		remoteHost(l, word(message, " FROM ")+word(message, " from "))
	case strings.HasPrefix(message, "LOGIN ON "), strings.HasPrefix(message, "DIALUP AT "):
		if l.UserName = word(message, " BY "); l.UserName == "" {
			return s, false
		}
		remoteHost(l, word(message, " FROM "))
	case strings.HasPrefix(message, "'") && strings.Contains(message, "' logged in"):
		// shadow: "'pi' logged in on '/dev/tty1'[ from 'host']".
		l.UserName = message[1:strings.Index(message, "' logged in")]
		remoteHost(l, word(message, " from "))
	default:
		return s, false
	}
	return s, true
}

// remoteHost notes a host, but not a terminal, which some have in its place.
func remoteHost(l *event.Login, from string) {
	from = unquote(from)
	if strings.HasPrefix(from, "tty") || strings.HasPrefix(from, "/dev/") || strings.HasPrefix(from, "pts/") || from == "(null)" {
		return
	}
	setRemote(l, from, "")
}

// readSU reads the messages of su(1): util-linux, shadow, BusyBox.
func readSU(message string) (sighting, bool) {
	s := sighting{login: event.Login{Operation: "su", Result: resultSuccess}}
	l := &s.login
	if rest, ok := strings.CutPrefix(message, "FAILED SU "); ok {
		l.Result, message = resultFail, rest
	}
	if rest, ok := strings.CutPrefix(message, "(to "); ok { // "(to root) pi on pts/0"
		var found bool
		l.UserName, _, found = strings.Cut(rest, ") ")
		return s, found
	}
	for begin, result := range map[string]string{"FAILED su for ": resultFail, "Successful su for ": resultSuccess} {
		if rest, ok := strings.CutPrefix(message, begin); ok { // "Successful su for root by pi"
			i := strings.LastIndex(rest, " by ")
			if i < 0 {
				return s, false
			}
			l.UserName, l.Result = rest[:i], result
			return s, true
		}
	}
	// "+ /dev/pts/0 pi:root", "- pts/0 pi:root"
	if len(message) > 2 && (message[0] == '+' || message[0] == '-') && message[1] == ' ' {
		if message[0] == '-' {
			l.Result = resultFail
		}
		_, names, ok := strings.Cut(message[2:], " ")
		_, to, found := strings.Cut(names, ":")
		l.UserName = to
		return s, ok && found
	}
	return s, false
}

// sessionServices are the services of PAM whose sessions follow a login that
// nothing else may tell of.
var sessionServices = map[string]bool{
	"login": true, "gdm-password": true, "gdm-fingerprint": true, "gdm-autologin": true, "lightdm": true, "sddm": true, "lxdm": true, "xdm": true,
}

// readPAM reads the messages of pam_unix(8):
//
//	pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root
//	pam_unix(login:session): session opened for user pi(uid=1000) by LOGIN(uid=0)
//
// They count where the program has no better message of the same attempt.
func readPAM(message string) (sighting, bool) {
	where, rest, ok := strings.Cut(strings.TrimPrefix(message, "pam_unix("), "): ")
	service, stage, found := strings.Cut(where, ":")
	if !ok || !found {
		return sighting{}, false
	}
	switch service {
	case "sudo", "sudo-i", "cron", "crond", "systemd-user", "polkit-1", "passwd", "chpasswd", "chfn", "chsh", "runuser", "runuser-l":
		return sighting{}, false
	}
	if name, ok := strings.CutPrefix(rest, "session opened for user "); ok {
		if stage != "session" || !sessionServices[service] {
			return sighting{}, false
		}
		s := sighting{sort: sortSession, wait: waitSession, login: event.Login{Operation: "login", Result: resultSuccess}}
		s.login.UserName, _, _ = strings.Cut(name, " ")
		if i := strings.LastIndex(s.login.UserName, "(uid="); i >= 0 {
			s.login.UserID = digits(strings.TrimSuffix(s.login.UserName[i+len("(uid="):], ")"))
			s.login.UserName = s.login.UserName[:i]
		}
		return s, true
	}
	rest, ok = strings.CutPrefix(rest, "authentication failure; ")
	if !ok || stage != "auth" {
		return sighting{}, false
	}
	s := sighting{sort: sortPAM, wait: waitPAM, login: event.Login{Operation: "PAM:authentication", Result: resultFail}}
	// The name is last, and is whatever was typed.
	rest, s.login.UserName, _ = strings.Cut(rest, "  user=")
	if _, host, ok := strings.Cut(rest, " rhost="); ok {
		setRemote(&s.login, host, "")
	}
	return s, true
}

// digits returns s if it is a number without a sign.
func digits(s string) string {
	if s == "" || len(s) > 10 || strings.Trim(s, "0123456789") != "" {
		return ""
	}
	return s
}

// readLogind reads "New session 3 of user pi." of systemd-logind, and since
// version 257 "New session '3' of user 'pi' with class 'user' and type 'tty'.".
// Sessions of jobs and of managers are no logins.
func readLogind(message string) (sighting, bool) {
	rest, ok := strings.CutPrefix(message, "New session ")
	_, rest, found := strings.Cut(rest, " of user ")
	if !ok || !found || (strings.Contains(rest, " with class '") && !strings.Contains(rest, " with class 'user' ")) {
		return sighting{}, false
	}
	user, _, _ := strings.Cut(rest, " ")
	s := sighting{sort: sortSession, wait: waitSession, login: event.Login{
		UserName: unquote(strings.TrimSuffix(user, ".")), Operation: "login", Result: resultSuccess,
	}}
	return s, s.login.UserName != ""
}
