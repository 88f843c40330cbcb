package baseline_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/agent/baseline"
)

// expectation is what a test gives, and what is found (for Pass, nothing).
type expectation struct {
	test    string
	outcome baseline.Outcome
	found   string
}

func try(t *testing.T, name string, table []expectation) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the fixture has files of several owners, which only root can make")
	}
	root := openRoot(t, fixture(t, name))
	for _, tt := range table {
		checks, err := baseline.ParseTOML("test", []byte(check(tt.test)))
		if err != nil {
			t.Errorf("%s: %v", tt.test, err)
			continue
		}
		rep, err := baseline.Run(t.Context(), baseline.Options{Root: root, Checks: checks})
		if err != nil {
			t.Fatal(err)
		}
		got := rep.Results[0]
		if got.Outcome != tt.outcome || !strings.Contains(got.Error, tt.found) || got.Outcome == baseline.Pass && got.Error != "" {
			t.Errorf("%s\ngives %s: %s\nwant  %s: %s", tt.test, got.Outcome, got.Error, tt.outcome, tt.found)
		}
	}
}

const (
	pass = baseline.Pass
	fail = baseline.Fail
	errs = baseline.Err
	skip = baseline.Skip
)

func TestFile(t *testing.T) {
	t.Parallel()
	try(t, "debian12", []expectation{
		{`file = { paths = ["/etc/passwd"], exists = true, owner = ["root"], group = ["root", "shadow"], mode = "0644", type = "file" }`, pass, ""},
		{`file = { paths = ["/etc/shadow"], group = ["root"] }`, fail, "/etc/shadow belongs to group shadow; it should to root"},
		{`file = { paths = ["/etc/shadow"], group = ["42"], mode = "0640" }`, pass, ""},
		{`file = { paths = ["/etc/shadow"], mode = "0600" }`, fail, "/etc/shadow has mode 0640; at most 0600 is allowed"},
		{`file = { paths = ["/srv/suid"], mode = "0755" }`, fail, "has mode 4755"},
		{`file = { paths = ["/home/ann"], owner = ["root"] }`, fail, "belongs to user ann"},
		{`file = { paths = ["/nowhere"], mode = "0600" }`, pass, ""},
		{`file = { paths = ["/nowhere"], exists = true }`, fail, "/nowhere does not exist"},
		{`file = { paths = ["/etc/passwd/x"], exists = false }`, pass, ""},
		{`file = { paths = ["/srv/dangling"], exists = true }`, fail, "does not exist"},
		{`file = { paths = ["/etc/ssh/sshd_config.d/*.conf"], exists = false }`, fail, "10-first.conf, /etc/ssh/sshd_config.d/20-second.conf exists"},
		{`file = { paths = ["/srv/a/tmp"], bits = "1000", type = "directory" }`, pass, ""},
		{`file = { paths = ["/srv/a/dir"], bits = "1000" }`, fail, "has mode 0777, without 1000"},
		{`file = { paths = ["/srv/link"], type = "symlink" }`, pass, ""},
		{`file = { paths = ["/srv/link"], type = "directory" }`, fail, "/srv/link is no directory but a file"},
		{`file = { paths = ["/srv/loop"], mode = "0600" }`, errs, "too many levels of symbolic links"},
	})
}

func TestLines(t *testing.T) {
	t.Parallel()
	try(t, "debian12", []expectation{
		{`lines = { paths = ["/etc/passwd"], no_match = '^games:' }`, fail, "/etc/passwd line 4: games:x:5"},
		{`lines = { paths = ["/srv/outside"], match = '^games:' }`, pass, ""},
		{`lines = { paths = ["/etc/login.defs"], match = '^UID_MIN\s+5$' }`, fail, "no line like"},
		{`lines = { paths = ["/etc/login.defs"], match = '^# UID_MIN 5$', comment = "" }`, pass, ""},
		{`lines = { paths = ["/etc/shadow"], no_match = '\$1\$' }`, fail, "/etc/shadow line 3"},
		{`not.lines = { paths = ["/etc/secret.conf"], match = 'hunter' }`, fail, "/etc/secret.conf line 1"},
		{`lines = { paths = ["/etc/smb.conf"], section = "global", match = '^min protocol = SMB2$' }`, pass, ""},
		{`lines = { paths = ["/etc/smb.conf"], section = "share", match = 'min protocol' }`, fail, "no line"},
		{`lines = { paths = ["/etc/modprobe.d"], match = '^install rds ' }`, pass, ""},
		{`lines = { paths = ["/proc/cpuinfo"], match = '^flags\s*:.*\bnx\b' }`, pass, ""},
		{`lines = { paths = ["/nowhere"], no_match = 'x' }`, pass, ""},
		{`lines = { paths = ["/nowhere"], match = 'x' }`, fail, "which does not exist"},
		{`lines = { paths = ["/nowhere"], match = 'x', missing = "pass" }`, pass, ""},
		{`lines = { paths = ["/nowhere"], match = 'x', missing = "skip" }`, skip, "/nowhere does not exist"},
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	try(t, "debian12", []expectation{
		{`setting = { paths = ["/etc/login.defs"], key = "PASS_MAX_DAYS", le = 365 }`, fail, "PASS_MAX_DAYS is 99999 (/etc/login.defs line 3); it should be at most 365"},
		{`setting = { paths = ["/etc/login.defs"], key = "UID_MIN", ge = 1000, le = 1000 }`, pass, ""},
		{`setting = { paths = ["/etc/login.defs"], key = "ENCRYPT_METHOD", ge = 1 }`, fail, "is YESCRYPT"},
		{`setting = { paths = ["/etc/login.defs"], key = "encrypt_method", in = ["sha512", "yescrypt"], ignore_case = true }`, pass, ""},
		{`setting = { paths = ["/etc/login.defs"], key = "X", eq = "1" }`, fail, "X is not set in /etc/login.defs"},
		{`setting = { paths = ["/etc/login.defs"], key = "X", eq = "1", default = "1" }`, pass, ""},
		{`setting = { paths = ["/etc/sysctl.d/*.conf"], key = "kernel.x", eq = "2" }`, pass, ""},
		{`setting = { paths = ["/etc/sysctl.d/*.conf"], key = "kernel.x", eq = "2", first = true }`, fail, "kernel.x is 1 (/etc/sysctl.d/10-a.conf line 1)"},
		{`setting = { paths = ["/etc/sysctl.d/*.conf"], key = "kernel.colon", eq = "3", separator = ":" }`, pass, ""},
		{`setting = { paths = ["/etc/login.defs"], key = "PASS_MAX_DAYS", eq = "99999", separator = " " }`, pass, ""},
		{`setting = { paths = ["/etc/passwd"], key = "daemon", match = '^x:1:' , separator = ":" }`, pass, ""},
		{`setting = { paths = ["/etc/smb.conf"], key = "min protocol", eq = "SMB2", separator = "=", section = "global" }`, pass, ""},
		{`setting = { paths = ["/etc/os-release"], key = "VERSION_ID", match = '^1[12]$', ne = "11", not_in = ["13"] }`, pass, ""},
		{`sysctl = { name = "net.ipv4.ip_forward", eq = "0" }`, fail, `net.ipv4.ip_forward is 1; it should be "0"`},
		{`sysctl = { name = "net/ipv4/conf/eth0.1/rp_filter", eq = "0" }`, pass, ""},
		{`sysctl = { name = "net.ipv4.conf.*.rp_filter", eq = "1" }`, fail, "net/ipv4/conf/eth0.1/rp_filter is 0"},
		{`sysctl = { name = "kernel.printk", eq = "4 4 1 7" }`, pass, ""},
		{`sysctl = { name = "kernel.nothing", eq = "1" }`, fail, "this kernel has no kernel.nothing"},
		{`sysctl = { name = "kernel.nothing", eq = "1", missing = "skip" }`, skip, "has no"},
		{`setting = { paths = ["/etc/secret.conf"], key = "token", eq = "x" }`, fail, "token is not as it should be"},
	})
}

func TestSshd(t *testing.T) {
	t.Parallel()
	try(t, "debian12", []expectation{
		{`sshd = { keyword = "PermitRootLogin", in = ["no", "prohibit-password"] }`, fail, "PermitRootLogin is yes (/etc/ssh/sshd_config line 3)"},
		{`sshd = { keyword = "maxauthtries", le = 4 }`, pass, ""},
		{`sshd = { keyword = "Banner", eq = "/etc/issue net" }`, pass, ""},
		{`sshd = { keyword = "X11Forwarding", eq = "no" }`, pass, ""},
		{`sshd = { keyword = "PasswordAuthentication", eq = "no" }`, pass, ""},
		{`sshd = { keyword = "AllowUsers", match = '.' }`, fail, "AllowUsers is not set in /etc/ssh/sshd_config"},
		{`sshd = { keyword = "PermitEmptyPasswords", eq = "no", default = "no" }`, pass, ""},
		{`sshd = { keyword = "LogLevel", eq = "INFO" }`, fail, "is VERBOSE (/etc/ssh/sshd_config.d/20-second.conf line 1)"},
		{`sshd = { keyword = "AllowGroups", match = '\S' }`, pass, ""},
		{`sshd = { keyword = "UsePAM", eq = "yes", default = "no" }`, fail, "UsePAM is no (by default)"},
	})
	try(t, "busybox", []expectation{
		{`sshd = { keyword = "UsePAM", eq = "yes" }`, skip, "sshd_config does not exist"},
	})
}

func TestPackages(t *testing.T) {
	t.Parallel()
	try(t, "debian12", []expectation{
		{`package.installed = ["syslog-ng", "rsyslog"]`, pass, ""},
		{`package.absent = ["telnetd", "rsh-server"]`, pass, ""},
		{`package.absent = ["telnetd", "openssh*"]`, fail, "package openssh-server is installed"},
		{`package.installed = ["auditd"]`, fail, "package auditd is not installed"},
	})
	try(t, "busybox", []expectation{
		{`package.installed = ["dropbear"]`, pass, ""},
		{`package.absent = ["telnet"]`, pass, ""},
	})
}

func TestServices(t *testing.T) {
	t.Parallel()
	try(t, "debian12", []expectation{
		{`service = { names = ["ssh"], state = "enabled" }`, pass, ""},
		{`service = { names = ["sshd.service"], state = "disabled" }`, fail, "service sshd.service is enabled (/etc/systemd/system/multi-user.target.wants/ssh.service)"},
		{`service = { names = ["avahi-daemon", "nothing"], state = "disabled" }`, pass, ""},
		{`service = { names = ["avahi-daemon", "ssh"], state = "enabled" }`, pass, ""},
		{`service = { names = ["avahi-daemon"], state = "enabled" }`, fail, "service avahi-daemon is not enabled"},
		{`service = { names = ["getty@tty1"], state = "enabled" }`, pass, ""},
		{`service = { names = ["dbus.socket"], state = "enabled" }`, pass, ""},
		{`service = { names = ["cups"], state = "masked" }`, pass, ""},
		{`service = { names = ["cups"], state = "disabled" }`, pass, ""},
		{`service = { names = ["ssh"], state = "masked" }`, fail, "service ssh is not masked"},
		{`service = { names = ["oldd"], state = "disabled" }`, fail, "enabled (/etc/rc2.d/S01oldd)"},
		{`service = { names = ["ssh"], state = "running" }`, pass, ""},
		{`service = { names = ["telnet"], state = "stopped" }`, fail, "service telnet runs"},
		{`service = { names = ["avahi-daemon"], state = "running" }`, fail, "service avahi-daemon is not running"},
	})
	try(t, "busybox", []expectation{
		{`service = { names = ["telnet"], state = "disabled" }`, fail, "enabled (/etc/init.d/S50telnet)"},
		{`service = { names = ["dropbear"], state = "enabled" }`, pass, ""},
		{`service = { names = ["dropbear"], state = "running" }`, pass, ""},
		{`service = { names = ["telnetd"], state = "stopped" }`, fail, "service telnetd runs"},
		{`service = { names = ["getty"], state = "enabled" }`, pass, ""},
		{`service = { names = ["httpd"], state = "disabled" }`, pass, ""},
		{`service = { names = ["reboot"], state = "disabled" }`, pass, ""},
	})
}

func TestKernelTables(t *testing.T) {
	t.Parallel()
	try(t, "debian12", []expectation{
		{`mount = { point = "/tmp", options = ["nosuid", "nodev", "size=1k"] }`, pass, ""},
		{`mount = { point = "/tmp", options = ["noexec"] }`, fail, "/tmp is mounted without noexec"},
		{`mount = { point = "/dev/shm", options = ["noexec"] }`, pass, ""},
		{`mount = { point = "/home" }`, fail, "/home is not mounted"},
		{`mount = { point = "/home", options = ["nodev"], missing = "pass" }`, pass, ""},
		{`mount = { fstypes = ["nfs", "nfs4"], table = "fstab", options = ["nosuid", "nodev"] }`, fail, "/mnt/c is in /etc/fstab without nodev"},
		{`mount = { point = "/mnt/a b", table = "fstab", options = ["nosuid", "nodev"] }`, pass, ""},
		{`mount = { point = "/mnt/*", no_options = ["rw"] }`, fail, "/mnt/a b is mounted with rw"},
		{`module.names = ["rds", "nothing"]`, pass, ""},
		{`module.names = ["usb-storage"]`, fail, "module usb-storage is loaded"},
		{`module.names = ["cramfs"]`, fail, "module cramfs is built into the kernel"},
		{`module.names = ["sctp"]`, fail, "module sctp can be loaded"},
		{`module.names = ["a_b"]`, fail, "can be loaded"},
		{`process = { names = ["sshd"], running = true }`, pass, ""},
		{`process = { names = ["sshd"], running = false }`, fail, "sshd runs (process 200)"},
		{`process = { names = ["sshd"], args = 'token', running = true }`, pass, ""},
		{`process = { names = ["sshd"], args = '-E', running = true }`, fail, "sshd does not run"},
		{`interfaces.none = "promiscuous"`, fail, "interface eth0 is promiscuous"},
		{`interfaces.none = "wireless"`, pass, ""},
	})
	try(t, "busybox", []expectation{
		{`process = { names = ["telnetd"], running = false }`, fail, "telnetd runs (process 9)"},
		{`process = { names = ["busybox"], running = true }`, pass, ""},
		{`module.names = ["rds"]`, skip, "nobody knows about rds"},
		{`mount.point = "/"`, errs, "/proc/self/mountinfo: no such file"},
		{`mount = { point = "/", table = "fstab" }`, fail, "/ is not in /etc/fstab"},
	})
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	try(t, "debian12", []expectation{
		{`accounts.rule = "only-root-uid-0"`, fail, "toor has uid 0"},
		{`accounts = { rule = "only-root-uid-0", except = ["toor"] }`, pass, ""},
		{`accounts.rule = "root-gid-0"`, pass, ""},
		{`accounts.rule = "no-empty-passwords"`, fail, "bob has an empty password in /etc/shadow"},
		{`accounts.rule = "passwords-shadowed"`, fail, "bob has its password's hash in /etc/passwd"},
		{`accounts.rule = "passwords-hashed-well"`, fail, "bob has a password hashed by an old method, ann has a password"},
		{`accounts.rule = "password-dates-past"`, fail, "bob changed its password in the future"},
		{`accounts.rule = "system-accounts-no-login"`, fail, "games can log in, with /bin/sh"},
		{`accounts.rule = "unique-uids"`, fail, "toor has the uid of root, cid has the uid of bob"},
		{`accounts.rule = "unique-users"`, fail, "ann has the name of ann"},
		{`accounts.rule = "unique-gids"`, fail, "ann2 has the gid of ann"},
		{`accounts.rule = "unique-groups"`, fail, "ann has the name of ann"},
		{`accounts.rule = "groups-exist"`, fail, "cid has the primary group 4711"},
		{`accounts.rule = "no-legacy-entries"`, fail, "/etc/passwd line 11 begins with +"},
		{`accounts.rule = "homes-exist"`, fail, `bob has no home directory at "/home/bob"`},
		{`accounts.rule = "homes-owned"`, fail, "cid does not own /home/ann, which belongs to user 1000"},
		{`accounts.rule = "homes-private"`, fail, "ann has mode 0755 on /home/ann"},
	})
	try(t, "busybox", []expectation{
		{`accounts.rule = "no-empty-passwords"`, fail, "root has an empty password in /etc/passwd"},
		{`accounts.rule = "password-dates-past"`, pass, ""},
		{`accounts.rule = "unique-uids"`, pass, ""},
		{`accounts.rule = "unique-users"`, pass, ""},
		{`accounts.rule = "unique-gids"`, pass, ""},
		{`accounts.rule = "unique-groups"`, pass, ""},
		{`accounts.rule = "groups-exist"`, pass, ""},
		{`accounts.rule = "no-legacy-entries"`, pass, ""},
		{`accounts.rule = "system-accounts-no-login"`, pass, ""},
		{`accounts.rule = "passwords-shadowed"`, pass, ""},
		{`accounts.rule = "passwords-hashed-well"`, pass, ""},
		{`accounts.rule = "homes-exist"`, pass, ""},
		{`accounts.rule = "homes-owned"`, pass, ""},
		{`accounts.rule = "homes-private"`, pass, ""},
	})
}

func TestWalk(t *testing.T) {
	t.Parallel()
	try(t, "debian12", []expectation{
		{`walk = { paths = ["/srv"], find = "world-writable" }`, fail, "world-writable: /srv/a/dir, /srv/a/open, /srv/a/skip/open"},
		{`walk = { paths = ["/srv"], find = "world-writable", except = ["/srv/a/dir", "/srv/a/op*", "/srv/a/skip"] }`, pass, ""},
		{`walk = { paths = ["/srv"], find = "setuid" }`, fail, "setuid: /srv/suid"},
		{`walk = { paths = ["/srv"], find = "unowned" }`, fail, "unowned: /srv/alien"},
		{`walk = { paths = ["/nowhere", "/etc/passwd", "/etc/ssh"], find = "setuid" }`, pass, ""},
		{`walk = { paths = ["/"], find = "world-writable", except = ["/srv/a/dir"] }`, fail, "world-writable: /srv/a/open, /srv/a/skip/open"},
		{`walk = { paths = ["/srv", "/srv/a", "/srv/a/skip"], find = "world-writable" }`, fail, "and 2 more"},
		{`walk = { paths = ["/srv/a/skip", "/etc/ssh"], find = "world-writable", limit = 1 }`, fail, "not all was looked at"},
		{`walk = { paths = ["/etc/ssh"], find = "setuid", limit = 2 }`, errs, "more files than the limit"},
	})
}

func TestCombinations(t *testing.T) {
	t.Parallel()
	const (
		yes     = `{ file = { paths = ["/etc/passwd"], exists = true } }`
		no      = `{ file = { paths = ["/no"], exists = true } }`
		broken  = `{ file = { paths = ["/srv/loop"], mode = "0600" } }`
		out     = `{ applies.os = ["alpine"], file = { paths = ["/no"], exists = true } }`
		unknown = `{ applies.os = ["poky"], module.names = ["rds"] }`
	)
	try(t, "debian12", []expectation{
		{"all = [" + yes + "," + yes + "]", pass, ""},
		{"all = [" + yes + "," + no + "]", fail, "/no does not exist"},
		{"all = [" + broken + "," + no + "]", fail, "/no does not exist"},
		{"all = [" + yes + "," + broken + "]", errs, "/srv/loop"},
		{"all = [" + yes + "," + out + "]", pass, ""},
		{"all = [" + out + "," + out + "]", skip, "not for this operating system"},
		{"any = [" + no + "," + yes + "]", pass, ""},
		{"any = [" + no + "," + no + "]", fail, "/no does not exist; /no does not exist"},
		{"any = [" + broken + "," + yes + "]", pass, ""},
		{"any = [" + broken + "," + no + "]", errs, "/srv/loop"},
		{"any = [" + out + "," + no + "]", fail, "/no does not exist"},
		{"not = " + yes, fail, "/etc/passwd is as said"},
		{"not = " + no, pass, ""},
		{"not = " + broken, errs, "/srv/loop"},
		{"not = " + out, skip, "operating system"},
	})
	try(t, "busybox", []expectation{
		{"all = [" + yes + "," + unknown + "]", skip, "nobody knows"},
		{"all = [" + no + "," + unknown + "]", fail, "/no does not exist"},
		{"any = [" + yes + "," + unknown + "]", pass, ""},
		{"any = [" + no + "," + unknown + "]", skip, "nobody knows"},
		{"not = " + unknown, skip, "nobody knows"},
	})
}

func TestApplies(t *testing.T) {
	t.Parallel()
	one := func(applies string) string {
		return `file = { paths = ["/etc/passwd"], exists = true }` + "\n[check.applies]\n" + applies
	}
	try(t, "debian12", []expectation{
		{one(`os = ["ubuntu", "debian"]`), pass, ""},
		{one(`os = ["!ubuntu"]`), pass, ""},
		{one(`os = ["!debian"]`), skip, "operating system"},
		{one(`os = ["debian", "!debian<13"]`), skip, "operating system"},
		{one(`os = ["debian>=12"]`), pass, ""},
		{one(`os = ["debian>12"]`), skip, ""},
		{one(`os = ["debian<=9.13"]`), skip, ""},
		{one(`os = ["busybox"]`), skip, ""},
		{one(`init = ["systemd"]`), pass, ""},
		{one(`init = ["sysv", "busybox"]`), skip, "init system"},
		{one(`container = false`), pass, ""},
		{one(`container = true`), skip, "container"},
		{one(`files = ["/etc/ssh/sshd_config", "/etc/modprobe.d/*.conf"]`), pass, ""},
		{one(`files = ["/etc/nothing"]`), skip, "/etc/nothing does not exist"},
		{one(`packages = ["nothing", "rsyslog"]`), pass, ""},
		{one(`packages = ["nothing"]`), skip, "not installed"},
		{one(`when = { process = { names = ["sshd"], running = true } }`), pass, ""},
		{one(`when = { process = { names = ["sshd"], running = false } }`), skip, "sshd runs"},
	})
	try(t, "busybox", []expectation{
		{one(`os = ["yocto"]`), pass, ""},
		{one(`os = ["busybox"]`), pass, ""},
		{one(`os = ["poky=4"]`), pass, ""},
		{one(`os = ["poky>4"]`), skip, ""},
		{one(`os = ["poky>4.0.0", "poky<4.0.1"]`), pass, ""},
		{one(`init = ["busybox"]`), pass, ""},
	})
}
