package baseline_test

import "testing"

// TestSystems makes tests on systems that are neither Debian nor Yocto.
func TestSystems(t *testing.T) {
	t.Parallel()
	on := func(applies string) string {
		return "file = { paths = [\"/etc/os-release\"], exists = true }\n[check.applies]\n" + applies
	}
	try(t, "alpine", []expectation{
		{on(`os = ["alpine>=3.19"]`), pass, ""},
		{on(`os = ["alpine<3.19"]`), skip, ""},
		{on(`os = ["busybox"]`), pass, ""},
		{on(`init = ["openrc"]`), pass, ""},
		{`package.installed = ["openssh*"]`, pass, ""},
		{`package.absent = ["busybox"]`, fail, "package busybox is installed"},
		{`service = { names = ["sshd"], state = "disabled" }`, fail, "enabled (/etc/runlevels/default/sshd)"},
		{`service = { names = ["crond"], state = "enabled" }`, fail, "not enabled"},
		{`service = { names = ["sshd"], state = "running" }`, pass, ""},
		{`service = { names = ["sshd"], state = "masked" }`, fail, "not masked"},
		{`process = { names = ["sshd"], running = true }`, pass, ""},
		{`process = { names = ["another-program-with-a-long-name"], running = true }`, pass, ""},
		{`process = { names = ["a-program-with-a-long-name"], running = true }`, pass, ""},
	})
	try(t, "openwrt", []expectation{
		{on(`os = ["openwrt"]`), pass, ""},
		{on(`os = ["openwrt>=19"]`), skip, ""},
		{on(`init = ["procd"]`), pass, ""},
		{on(`container = true`), pass, ""},
		{on(`container = false`), skip, ""},
		{`package.installed = ["dropbear"]`, pass, ""},
		{`service = { names = ["dropbear"], state = "enabled" }`, pass, ""},
		{`service = { names = ["dropbear"], state = "running" }`, fail, "not running"},
	})
	try(t, "centos", []expectation{
		{on(`os = ["rhel"]`), pass, ""},
		{on(`os = ["rhel>=6"]`), skip, ""},
		{on(`os = ["centos=6"]`), pass, ""},
		{on(`init = ["sysv"]`), pass, ""},
		{`package.absent = ["telnet"]`, skip, "does not read the database of rpm"},
		{`not.package.installed = ["telnet"]`, skip, "rpm"},
		{on(`packages = ["telnet"]`), skip, "rpm"},
		{`service = { names = ["sshd", "mingetty"], state = "disabled" }`, fail, "service sshd is enabled (/etc/rc.d/rc3.d/S55sshd)"},
		{`service = { names = ["mingetty"], state = "enabled" }`, pass, ""},
	})
}
