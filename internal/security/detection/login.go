package detection

import (
	"net/netip"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
)

// attempt reports whether a login item is an attempt to prove who one is.
// Agents read several records of the audit system; those of sessions, of
// accounting and of leaving tell of no attempt (asc §4.2, §12.3).
func attempt(l *event.Login) bool {
	op := strings.ToLower(strings.TrimPrefix(l.Operation, "PAM:"))
	switch op {
	case "session_open", "session_close", "setcred", "accounting", "chauthtok", "logout":
		return false
	default:
		return true
	}
}

func succeeded(l *event.Login) bool { return strings.EqualFold(l.Result, "Success") }

func failed(l *event.Login) bool { return strings.EqualFold(l.Result, "Fail") }

// userOf names the user of a login.
func userOf(l *event.Login) string {
	if l.UserName != "" {
		return l.UserName
	}
	if l.UserID != "" {
		return "uid " + l.UserID
	}
	return ""
}

// addressOf returns where a login came from in one spelling, "" if that is not
// known or not an address.
func addressOf(l *event.Login) string {
	a, err := netip.ParseAddr(l.RemoteAddress)
	if err != nil {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// programOf returns the name of the program that asked, in lower case and
// without directories or a Windows ending.
func programOf(l *event.Login) string {
	p := l.Executable
	if i := strings.LastIndexAny(p, `/\`); i >= 0 {
		p = p[i+1:]
	}
	return strings.TrimSuffix(strings.ToLower(p), ".exe")
}

// changers are programs that ask for a password, or record a login, of
// somebody who is on the device already, and jobs that nobody starts by hand.
// They are no logins, whatever address they state.
var changers = set("sudo", "sudoedit", "su", "su-l", "runuser", "doas", "pkexec", "polkit-agent-helper-1", "polkitd",
	"cron", "crond", "anacron", "atd", "systemd", "systemd-user", "systemd-logind", "systemd-executor", "(systemd)",
	"passwd", "chpasswd", "chage", "chfn", "chsh", "gpasswd", "newgrp", "sg", "unix_chkpwd", "usermod", "useradd", "userdel",
	"groupadd", "groupmod", "vlock", "xscreensaver", "i3lock", "swaylock", "kcheckpass", "kscreenlocker_greet", "light-locker",
	"gnome-screensaver-dialog", "xlock", "physlock", "slock")

// servers are programs that let somebody in over a network. Where they state
// no address it is unknown, not the device's own.
var servers = set("sshd", "sshd-session", "sshd-auth", "dropbear", "telnetd", "in.telnetd", "rlogind", "in.rlogind", "rshd",
	"in.rshd", "vsftpd", "proftpd", "pure-ftpd", "ftpd", "dovecot", "auth", "imapd", "smbd", "winbindd", "cupsd", "xrdp", "xrdp-sesman",
	"x11vnc", "vncserver", "xvnc", "cockpit-session", "cockpit-tls", "httpd", "apache2", "nginx", "lighttpd", "uhttpd", "rpcd",
	"postgres", "mysqld", "mariadbd", "openvpn", "charon", "slapd", "radiusd", "freeradius", "squid", "saslauthd", "master", "smtpd",
	"postfix", "exim4", "netconfd", "webmin", "miniserv.pl", "vmtoolsd")

// greeters are accounts under which a display manager itself runs: it logs
// them in at each start.
var greeters = set("gdm", "debian-gdm", "gdm-greeter", "lightdm", "sddm", "xdm", "lxdm", "kdm", "greeter", "greetd",
	"gnome-initial-setup")

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// local reports whether an attempt was made at the device itself: from its own
// address, or from none by a program that is not a server (asc §6.1). Programs
// that are not known count: a console login has many of them, and what is
// ordinary here is listed above.
func local(l *event.Login) bool {
	program := programOf(l)
	if !attempt(l) || changers[program] || greeters[strings.ToLower(l.UserName)] {
		return false
	}
	switch l.RemoteAddress {
	case "", "?":
		return !servers[program]
	}
	a, err := netip.ParseAddr(l.RemoteAddress)
	return err == nil && a.Unmap().IsLoopback()
}
