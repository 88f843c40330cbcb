package collect

import (
	"strings"
	"testing"
	"time"
)

func TestParseLogLine(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		line, program string
		pid           int64
		message       string
		at            time.Time
	}{
		{"Mar  2 11:59:58 host sshd[123]: hello: you", "sshd", 123, "hello: you", time.Date(2026, 3, 2, 11, 59, 58, 0, time.UTC)},
		{"Dec 31 23:59:59 host su: hello", "su", 0, "hello", time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC)},
		{"Mar  2 12:30:00 host su: the clock was set back", "su", 0, "the clock was set back", now},
		{"Mar  2 11:00:00 host auth.info sshd[9]: m", "sshd", 9, "m", time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)},
		{"Mar  2 11:00:00 login[9]: m", "login", 9, "m", time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC)},
		{"2026-03-02T12:59:58.5+01:00 host sshd-session[7]: m", "sshd-session", 7, "m", time.Date(2026, 3, 2, 11, 59, 58, 5e8, time.UTC)},
	} {
		l, ok := parseLogLine(c.line, now)
		if !ok || l.program != c.program || l.pid != c.pid || l.message != c.message || !l.at.Equal(c.at) {
			t.Errorf("%q: got %+v, %v", c.line, l, ok)
		}
	}
	for _, line := range []string{"", "-- MARK --", "Mar  2 11:00:00", "Mar 32 11:00:00 host sshd[1]: m", "2026-13-02T12:59:58Z host sshd[1]: m", "Mar  2 11:00:00 a b c d: m"} {
		if l, ok := parseLogLine(line, now); ok {
			t.Errorf("%q was read as %+v", line, l)
		}
	}
}

// wording is a message and what it tells: operation, user, address, port,
// result, executable; with no operation it tells nothing.
type wording struct {
	tag, message                           string
	operation, user, addr, port, res, exec string
	sort                                   loginSort
}

var wordingCases = []wording{
	// OpenSSH
	{"sshd", "Failed password for root from 192.0.2.1 port 4022 ssh2", "ssh:password", "root", "192.0.2.1", "4022", "Fail", execSSHD, sortPlain},
	{"sshd", "Failed password for invalid user bob from 192.0.2.1 port 4022 ssh2", "ssh:password", "bob", "192.0.2.1", "4022", "Fail", execSSHD, sortPlain},
	{"sshd", "Failed password for illegal user bob from ::ffff:192.0.2.1 port 4022 ssh2", "ssh:password", "bob", "192.0.2.1", "4022", "Fail", execSSHD, sortPlain},
	{"sshd-session", "Failed publickey for pi from 2001:db8::1 port 4022 ssh2: ED25519 SHA256:abc", "ssh:publickey", "pi", "2001:db8::1", "4022", "Fail", execSSHD, sortPlain},
	{"sshd-auth", "Failed keyboard-interactive/pam for pi from fe80::1%eth0 port 4022 ssh2 [preauth]", "ssh:keyboard-interactive/pam", "pi", "fe80::1", "4022", "Fail", execSSHD, sortPlain},
	{"sshd", "Accepted password for pi from 192.0.2.1 port 4022 ssh2", "ssh:password", "pi", "192.0.2.1", "4022", "Success", execSSHD, sortPlain},
	{"sshd", "Accepted publickey for pi from 192.0.2.1 port 4022 ssh2: RSA SHA256:abc", "ssh:publickey", "pi", "192.0.2.1", "4022", "Success", execSSHD, sortPlain},
	{"sshd", "Accepted publickey for pi from 192.0.2.1 port 4022 ssh2: ED25519-CERT SHA256:abc ID a from b ssh2 (serial 1) CA ED25519 SHA256:def", "ssh:publickey", "pi", "192.0.2.1", "4022", "Success", execSSHD, sortPlain},
	{"sshd", "Accepted keyboard-interactive/pam for pi from 192.0.2.1 port 4022 ssh2", "ssh:keyboard-interactive/pam", "pi", "192.0.2.1", "4022", "Success", execSSHD, sortPlain},
	{"sshd", "Accepted gssapi-with-mic for pi from 192.0.2.1 port 4022 ssh2: pi@EXAMPLE.COM", "ssh:gssapi-with-mic", "pi", "192.0.2.1", "4022", "Success", execSSHD, sortPlain},
	// A name made to look like another client's attempt.
	{"sshd", "Failed password for invalid user x from 198.51.100.9 port 1 ssh2 from 192.0.2.1 port 4022 ssh2", "ssh:password", "x from 198.51.100.9 port 1 ssh2", "192.0.2.1", "4022", "Fail", execSSHD, sortPlain},
	{"sshd", "Failed password for invalid user x for y from 192.0.2.1 port 4022 ssh2", "ssh:password", "x for y", "192.0.2.1", "4022", "Fail", execSSHD, sortPlain},
	{"sshd", "Failed password for invalid user  from 192.0.2.1 port 4022 ssh2", "ssh:password", "", "192.0.2.1", "4022", "Fail", execSSHD, sortPlain},
	{"sshd", "Invalid user bob from 192.0.2.1 port 4022", "ssh", "bob", "192.0.2.1", "4022", "Fail", execSSHD, sortVisit},
	{"sshd", "Invalid user bob from 192.0.2.1", "ssh", "bob", "192.0.2.1", "", "Fail", execSSHD, sortVisit},
	{"sshd", "ROOT LOGIN REFUSED FROM 192.0.2.1 port 4022", "ssh", "root", "192.0.2.1", "4022", "Fail", execSSHD, sortVisit},
	{"sshd", "Connection closed by authenticating user pi 192.0.2.1 port 4022 [preauth]", "ssh", "pi", "192.0.2.1", "4022", "Fail", execSSHD, sortVisit},
	{"sshd", "Connection reset by authenticating user pi 192.0.2.1 port 4022 [preauth]", "ssh", "pi", "192.0.2.1", "4022", "Fail", execSSHD, sortVisit},
	{"sshd", "Disconnected from authenticating user pi 192.0.2.1 port 4022 [preauth]", "ssh", "pi", "192.0.2.1", "4022", "Fail", execSSHD, sortVisit},
	{"sshd", "Failed none for invalid user bob from 192.0.2.1 port 4022 ssh2", "", "", "", "", "", "", 0},
	{"sshd", "Postponed publickey for pi from 192.0.2.1 port 4022 ssh2", "", "", "", "", "", "", 0},
	{"sshd", "Connection closed by 192.0.2.1 port 4022", "", "", "", "", "", "", 0},
	{"sshd", "Disconnected from user pi 192.0.2.1 port 4022", "", "", "", "", "", "", 0},
	{"sshd", "Failed to release session: Interrupted system call", "", "", "", "", "", "", 0},
	{"sshd", "Server listening on 0.0.0.0 port 22.", "", "", "", "", "", "", 0},
	// dropbear
	{"dropbear", "Bad password attempt for 'root' from 192.0.2.1:4022", "ssh:password", "root", "192.0.2.1", "4022", "Fail", execDropbear, sortPlain},
	{"dropbear", "bad PAM password attempt for 'pi' from 192.0.2.1:4022", "PAM:authentication", "pi", "192.0.2.1", "4022", "Fail", execDropbear, sortPlain},
	{"dropbear", "Login attempt for nonexistent user from 2001:db8::1:4022", "ssh:password", "", "2001:db8::1", "4022", "Fail", execDropbear, sortPlain},
	{"dropbear", "Login attempt for nonexistent user 'bob' from [2001:db8::1]:4022", "ssh:password", "bob", "2001:db8::1", "4022", "Fail", execDropbear, sortPlain},
	{"dropbear", "Password auth succeeded for 'root' from 192.0.2.1:4022", "ssh:password", "root", "192.0.2.1", "4022", "Success", execDropbear, sortPlain},
	{"dropbear", "PAM password auth succeeded for 'pi' from 192.0.2.1:4022", "PAM:authentication", "pi", "192.0.2.1", "4022", "Success", execDropbear, sortPlain},
	{"dropbear", "Pubkey auth succeeded for 'root' with ssh-ed25519 key SHA256:abc from 192.0.2.1:4022", "ssh:publickey", "root", "192.0.2.1", "4022", "Success", execDropbear, sortPlain},
	{"dropbear", "Auth succeeded with blank password for 'root' from 192.0.2.1:4022", "ssh:password", "root", "192.0.2.1", "4022", "Success", execDropbear, sortPlain},
	{"dropbear", "Too-long password attempt for 'pi' from 192.0.2.1:4022", "ssh:password", "pi", "192.0.2.1", "4022", "Fail", execDropbear, sortPlain},
	{"dropbear", "Login attempt with wrong user bob from 192.0.2.1:4022", "ssh:password", "bob", "192.0.2.1", "4022", "Fail", execDropbear, sortPlain},
	{"dropbear", "Pubkey auth succeeded for 'root' with ssh-rsa key SHA256:abc from 192.0.2.1:4022, extra auth required", "", "", "", "", "", "", 0},
	{"dropbear", "Child connection from 192.0.2.1:4022", "", "", "", "", "", "", 0},
	{"dropbear", "Exit before auth from <192.0.2.1:4022>: (user 'root', 3 fails): Exited normally", "", "", "", "", "", "", 0},
	// login: util-linux, shadow, BusyBox
	{"login", "FAILED LOGIN 1 FROM tty1 FOR root, Authentication failure", "login", "root", "", "", "Fail", execLogin, sortPlain},
	{"login", "FAILED LOGIN SESSION FROM 192.0.2.1 FOR pi, Permission denied", "login", "pi", "192.0.2.1", "", "Fail", execLogin, sortPlain},
	{"login", "FAILED LOGIN (1) on '/dev/tty1' FOR 'UNKNOWN', User not known to the underlying authentication module", "login", "UNKNOWN", "", "", "Fail", execLogin, sortPlain},
	{"login", "FAILED LOGIN (2) on '/dev/pts/1' from '192.0.2.1' FOR 'pi', Authentication failure", "login", "pi", "192.0.2.1", "", "Fail", execLogin, sortPlain},
	{"login", "invalid password for 'root' on 'tty1'", "login", "root", "", "", "Fail", execLogin, sortPlain},
	{"login", "invalid password for 'UNKNOWN' on 'pts/0' from '192.0.2.1'", "login", "UNKNOWN", "192.0.2.1", "", "Fail", execLogin, sortPlain},
	{"login", "root login on 'tty1'", "login", "root", "", "", "Success", execLogin, sortPlain},
	{"login", "ROOT LOGIN ON tty1", "login", "root", "", "", "Success", execLogin, sortPlain},
	{"login", "ROOT LOGIN ON pts/0 FROM 192.0.2.1", "login", "root", "192.0.2.1", "", "Success", execLogin, sortPlain},
	{"login", "ROOT LOGIN  on '/dev/tty1'", "login", "root", "", "", "Success", execLogin, sortPlain},
	{"login", "LOGIN ON tty1 BY pi", "login", "pi", "", "", "Success", execLogin, sortPlain},
	{"login", "LOGIN ON pts/0 BY pi FROM 192.0.2.1", "login", "pi", "192.0.2.1", "", "Success", execLogin, sortPlain},
	{"login", "DIALUP AT ttyS0 BY pi", "login", "pi", "", "", "Success", execLogin, sortPlain},
	{"login", "'pi' logged in on '/dev/tty1'", "login", "pi", "", "", "Success", execLogin, sortPlain},
	// su
	{"su", "FAILED SU (to root) pi on pts/0", "su", "root", "", "", "Fail", execSU, sortPlain},
	{"su", "(to root) pi on pts/0", "su", "root", "", "", "Success", execSU, sortPlain},
	{"su", "FAILED su for root by pi", "su", "root", "", "", "Fail", execSU, sortPlain},
	{"su", "Successful su for root by pi", "su", "root", "", "", "Success", execSU, sortPlain},
	{"su", "+ /dev/pts/0 pi:root", "su", "root", "", "", "Success", execSU, sortPlain},
	{"su", "- pts/0 pi:root", "su", "root", "", "", "Fail", execSU, sortPlain},
	// PAM and logind
	{"sshd", "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root", "PAM:authentication", "root", "192.0.2.1", "", "Fail", execSSHD, sortPAM},
	{"sshd", "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1", "PAM:authentication", "", "192.0.2.1", "", "Fail", execSSHD, sortPAM},
	{"vsftpd", "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=pi rhost=192.0.2.1  user=pi", "PAM:authentication", "pi", "192.0.2.1", "", "Fail", "vsftpd", sortPAM},
	{"gdm-password]", "pam_unix(gdm-password:session): session opened for user pi(uid=1000) by (uid=0)", "login", "pi", "", "", "Success", "gdm-password", sortSession},
	{"login", "pam_unix(login:session): session opened for user pi by LOGIN(uid=0)", "login", "pi", "", "", "Success", execLogin, sortSession},
	{"systemd-logind", "New session 3 of user pi.", "login", "pi", "", "", "Success", execLogind, sortSession},
	{"systemd-logind", "New session '3' of user 'pi' with class 'user' and type 'tty'.", "login", "pi", "", "", "Success", execLogind, sortSession},
	{"systemd-logind", "New session 'c1' of user 'gdm' with class 'greeter' and type 'wayland'.", "", "", "", "", "", "", 0},
	{"systemd-logind", "Session 3 logged out. Waiting for processes to exit.", "", "", "", "", "", "", 0},
	{"sshd", "pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)", "", "", "", "", "", "", 0},
	{"sudo", "pam_unix(sudo:auth): authentication failure; logname=pi uid=1000 euid=0 tty=/dev/pts/0 ruser=pi rhost=  user=pi", "", "", "", "", "", "", 0},
	{"sudo", "pi : 1 incorrect password attempt ; TTY=pts/0 ; PWD=/home/pi ; USER=root ; COMMAND=/bin/ls", "", "", "", "", "", "", 0},
	{"CRON", "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)", "", "", "", "", "", "", 0},
	{"kernel", "Failed password for root from 192.0.2.1 port 4022 ssh2", "", "", "", "", "", "", 0},
}

func TestWordings(t *testing.T) {
	t.Parallel()
	for _, c := range wordingCases {
		w := &wordings{}
		s, ok := w.read(c.tag, 42, c.message)
		if ok != (c.operation != "") {
			t.Errorf("%s: %q: told is %v", c.tag, c.message, ok)
			continue
		}
		if !ok {
			continue
		}
		l := s.login
		got := wording{c.tag, c.message, l.Operation, l.UserName, l.RemoteAddress, l.RemotePort, l.Result, l.Executable, s.sort}
		if got != c {
			t.Errorf("got  %+v\nwant %+v", got, c)
		}
		if l.ProcessID != 42 {
			t.Errorf("%q: process %d", c.message, l.ProcessID)
		}
	}
}

func TestEndOfAConnectionIsNoOtherAttempt(t *testing.T) {
	t.Parallel()
	w := &wordings{}
	if _, ok := w.read("sshd", 7, "Failed password for pi from 192.0.2.1 port 4022 ssh2"); !ok {
		t.Fatal("an attempt was not read")
	}
	const end = "Connection closed by authenticating user pi 192.0.2.1 port 4022 [preauth]"
	if _, ok := w.read("sshd", 7, end); ok {
		t.Error("the end of a connection was taken for another attempt")
	}
	if _, ok := w.read("sshd", 8, end); !ok {
		t.Error("the end of another connection was not read")
	}
}

// lines reads the text through a lineReader, in pieces as a tail gives them.
func lines(text string, now time.Time) (told []sighting) {
	r := &lineReader{now: func() time.Time { return now }, tell: func(s sighting) { told = append(told, s) }}
	for b := []byte(text); len(b) > 0; {
		n := r.take(b[:min(len(b), tailBuffer)])
		if n == 0 {
			break
		}
		b = b[n:]
	}
	return told
}

func TestLinesThatAreLongOrRepeated(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	const head = "Mar  2 11:00:00 host sshd[1]: "
	const good = head + "Failed password for pi from 192.0.2.1 port 4022 ssh2\n"
	long := head + strings.Repeat("x", 3*tailBuffer) + head + "Failed password for pi from 192.0.2.1 port 4022 ssh2\n"
	if told := lines(good+long+good, now); len(told) != 2 {
		t.Errorf("%d attempts were told beside a long line, expected 2", len(told))
	}
	told := lines(head+"message repeated 3 times: [ Failed password for pi from 192.0.2.1 port 4022 ssh2]\n", now)
	if len(told) != 1 || told[0].times != 3 || told[0].login.UserName != "pi" {
		t.Errorf("a repeated message: %+v", told)
	}
	if told := lines(strings.TrimSuffix(good, "\n"), now); len(told) != 0 {
		t.Errorf("half a line was told: %+v", told)
	}
}

func FuzzLogLines(f *testing.F) {
	f.Add("Mar  2 11:00:00 host sshd[1]: message repeated 3 times: [ Failed password for pi from 192.0.2.1 port 4022 ssh2]\n")
	f.Add("2026-03-02T12:59:58.5+01:00 host su: + /dev/pts/0 pi:root\n")
	for _, c := range wordingCases {
		f.Add("Mar  2 11:00:00 host " + c.tag + "[42]: " + c.message + "\n")
	}
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range lines(text, now) {
			checkSighting(t, s, now)
		}
	})
}

// checkSighting says what holds for each sighting, whatever was read.
func checkSighting(t *testing.T, s sighting, now time.Time) {
	t.Helper()
	l := s.login
	if l.Result != resultSuccess && l.Result != resultFail {
		t.Errorf("result %q", l.Result)
	}
	if l.Operation == "" || l.Executable == "" {
		t.Errorf("no operation or no executable: %+v", l)
	}
	if l.RemoteAddress != "" && remoteAddr(l.RemoteAddress).String() != l.RemoteAddress {
		t.Errorf("address %q", l.RemoteAddress)
	}
	if l.RemotePort != "" && portNumber(l.RemotePort) != l.RemotePort {
		t.Errorf("port %q", l.RemotePort)
	}
	if s.times > maxRepeats || s.at.After(now) {
		t.Errorf("%d times at %v", s.times, s.at)
	}
	for _, text := range []string{l.UserName, l.Operation, l.Executable} {
		if clean(text) != text {
			t.Errorf("text %q has bytes that no message may have", text)
		}
	}
}
