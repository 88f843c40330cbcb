package collect

import (
	"testing"
	"time"
)

const auditHead = "audit(1700000000.123:456): pid=912 uid=0 auid=4294967295 ses=4294967295 subj=unconfined msg='"

func TestParseAudit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind                           uint16
		text                           string
		op, user, id, exec, addr, host string
		result                         string
		probe                          bool
	}{
		{auditUserAuth, `op=PAM:authentication grantors=? acct="root" exe="/usr/sbin/sshd" hostname=192.0.2.1 addr=192.0.2.1 terminal=ssh res=failed'`, "PAM:authentication", "root", "", execSSHD, "192.0.2.1", "", "Fail", false},
		{auditUserAuth, `op=PAM:authentication grantors=pam_unix acct="pi" exe="/bin/login" hostname=? addr=? terminal=/dev/tty1 res=success'` + "\x00", "PAM:authentication", "pi", "", "/bin/login", "", "", "Success", false},
		{auditUserAuth, `op=PAM:authentication acct=6120226222 exe=2F6F70742F6D79206C6F67696E hostname=? addr=? terminal=? res=failed'`, "PAM:authentication", `a "b"`, "", "/opt/my login", "", "", "Fail", false},
		{auditUserLogin, `op=login id=1000 exe="/usr/sbin/sshd" hostname=192.0.2.1 addr=192.0.2.1 terminal=/dev/pts/0 res=success'`, "login", "", "1000", execSSHD, "192.0.2.1", "", "Success", false},
		{auditUserLogin, `op=login acct="(unknown)" exe="/usr/sbin/sshd" hostname=? addr=2001:db8::1 terminal=ssh res=failed'`, "login", "(unknown)", "", execSSHD, "2001:db8::1", "", "Fail", true},
		{auditUserLogin, `op=login acct="pi" id=4294967295 exe="/usr/libexec/gdm" hostname=a.example addr=? terminal=? res=1'`, "login", "pi", "", "/usr/libexec/gdm", "", "a.example", "Success", false},
	} {
		s, ok := parseAudit(c.kind, auditHead+c.text)
		if !ok {
			t.Errorf("%s: not told", c.text)
			continue
		}
		l := s.login
		host, _ := l.Extra.Get("RemoteHost")
		if l.Operation != c.op || l.UserName != c.user || l.UserID != c.id || l.Executable != c.exec || l.RemoteAddress != c.addr || host != c.host || l.Result != c.result || s.probe != c.probe || l.ProcessID != 912 {
			t.Errorf("%s:\ngot %+v", c.text, s)
		}
		if !s.at.Equal(time.Unix(1700000000, 123e6)) {
			t.Errorf("%s: at %v", c.text, s.at)
		}
	}
	for _, c := range []struct {
		kind uint16
		text string
	}{
		{auditUserAuth, auditHead + `op=PAM:authentication acct="pi" exe="/usr/bin/sudo" hostname=? addr=? terminal=? res=failed'`},
		{1105, auditHead + `op=PAM:session_open acct="pi" exe="/usr/sbin/sshd" res=success'`},
		{auditUserAuth, auditHead + `op=PAM:authentication acct="pi" exe="/usr/sbin/sshd`},
		{auditUserAuth, auditHead + `op=PAM:authentication acct="pi" exe="/usr/sbin/sshd"'`},
		{auditUserAuth, `audit(x.1:2): pid=1 msg='op=a exe="/b" res=failed'`},
		{auditUserAuth, ""},
	} {
		if s, ok := parseAudit(c.kind, c.text); ok {
			t.Errorf("%s was told: %+v", c.text, s)
		}
	}
}

func FuzzAudit(f *testing.F) {
	f.Add(uint16(auditUserAuth), auditHead+`op=PAM:authentication acct="root" exe="/usr/sbin/sshd" hostname=192.0.2.1 addr=192.0.2.1 terminal=ssh res=failed'`)
	f.Add(uint16(auditUserLogin), auditHead+`op=login acct=6120226222 id=0 exe=2F62 addr=::1%eth0 res=success'`)
	f.Fuzz(func(t *testing.T, kind uint16, text string) {
		if s, ok := parseAudit(kind, text); ok {
			checkSighting(t, s, time.Unix(1<<41, 0))
		}
	})
}
