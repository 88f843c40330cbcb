package baseline_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tvilling/tvilling/internal/agent/baseline"
)

// FuzzParseTOML makes what it parses, on an empty root: no file of checks may
// end the agent.
func FuzzParseTOML(f *testing.F) {
	f.Add(check(`sysctl = { name = "net.ipv4.conf.*.rp_filter", eq = "1", missing = "skip" }`))
	f.Add(check(`any = [ { file = { paths = ["/a*"], mode = "0644" } }, { not = { lines = { paths = ["/b"], match = '^x' } } } ]`))
	f.Add(check(`walk = { paths = ["/"], find = "setuid", except = ["/x/*"], limit = 5 }`))
	f.Add(check(`module.names = ["a"]`) + "[check.applies]\nos = [\"debian>=12\", \"!ubuntu\"]\nwhen = { accounts = { rule = \"unique-uids\" } }\n")
	f.Add(customTOML)
	root := openRoot(f, f.TempDir())
	f.Fuzz(func(t *testing.T, text string) {
		checks, err := baseline.ParseTOML("f.toml", []byte(text))
		run(t, root, checks, err)
	})
}

func FuzzParseXML(f *testing.F) {
	f.Add(audit(`<check distro="*" command="CheckMatchingLinesSection" path="/a" key="^\[" expect="x" regex="y"><dependency type="FileExists">/etc/passwd</dependency></check>`))
	f.Add(audit(`<check distro="Ubuntu|Debian>=12|!SLES" command="CheckPackageNotInstalledRegexp" packagename="a.*"/>`))
	f.Add(audit(`<check distro="*" command="CheckFileStats" path="/etc/x/" expect="root root 644"/>`))
	f.Add("<baseline><audits><audit/></audits></baseline>")
	root := openRoot(f, f.TempDir())
	f.Fuzz(func(t *testing.T, text string) {
		checks, err := baseline.ParseXML("f.xml", []byte(text))
		run(t, root, checks, err)
	})
}

// run makes checks that were parsed without an error.
func run(t *testing.T, root *os.Root, checks []baseline.Check, err error) {
	if err != nil {
		return
	}
	rep, err := baseline.Run(t.Context(), baseline.Options{Root: root, Checks: checks})
	if err != nil || len(rep.Results) != len(checks) {
		t.Fatalf("%d results of %d checks, %v", len(rep.Results), len(checks), err)
	}
	for _, r := range rep.Results {
		if len(r.Error) > baseline.MaxFoundBytes || !utf8.ValidString(r.Error) || strings.ContainsAny(r.Error, "\n\x00") {
			t.Errorf("what was found cannot be sent: %q", r.Error)
		}
	}
}

// fuzzFile puts what the fuzzer makes in one file of a root, and makes tests
// that read it.
func fuzzFile(f *testing.F, file string, tests []string, seeds ...string) {
	f.Helper()
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	var text strings.Builder
	for i, test := range tests {
		text.WriteString(strings.Replace(check(test), "X-1", "X-"+string(rune('a'+i)), 1))
	}
	checks, err := baseline.ParseTOML("fuzz", []byte(text.String()))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		p := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if file == "etc/passwd" {
			if err := os.WriteFile(filepath.Join(dir, "etc/group"), data, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "etc/shadow"), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		run(t, openRoot(t, dir), checks, nil)
	})
}

func FuzzSshd(f *testing.F) {
	fuzzFile(f, "etc/ssh/sshd_config", []string{`sshd = { keyword = "Port", eq = "22" }`, `sshd = { keyword = "x", match = "y", default = "" }`},
		"Port 22\nInclude /etc/ssh/sshd_config\n", "include sshd_config* \"/a b\"\nMatch all\nport=\"2 2\" x", "Include [\nMatch\n")
}

func FuzzPasswd(f *testing.F) {
	var tests []string
	for _, r := range baseline.AccountRules() {
		tests = append(tests, `accounts.rule = "`+string(r)+`"`)
	}
	fuzzFile(f, "etc/passwd", tests, "root:x:0:0:root:/root:/bin/sh\n", "a::99999999999:1:::\n+::::::\nb:$1$aaaaaaaaaaaa:1:1::/\x00/../..:\n", "::0:0:::\n")
}

func FuzzOSRelease(f *testing.F) {
	fuzzFile(f, "etc/os-release", []string{`package.absent = ["x"]` + "\n[check.applies]\nos = [\"debian>=12.1\", \"!ubuntu<22\"]"},
		"ID=debian\nVERSION_ID=\"12\"\nID_LIKE='a b'\n", "ID=\"\nVERSION_ID=....\n")
}

func FuzzPackages(f *testing.F) {
	fuzzFile(f, "var/lib/dpkg/status", []string{`package.absent = ["a*"]`, `package.installed = ["b"]`},
		"Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: deinstall ok config-files\n", "Package: \n\n\nStatus: \nPackage: x")
}

// FuzzMountinfo asks that every mount that is found has a place.
func FuzzMountinfo(f *testing.F) {
	f.Add([]byte(`22 1 8:1 / /a\040b rw,nosuid shared:1 - ext4 /dev/sda1 rw`))
	f.Add([]byte("UUID=1 / ext4 defaults 0 1\nnone \\ swap\n"))
	f.Add([]byte(" - \n1 2 3 4 5 6 - \n1 2 3 4 \\9\\777\\0 6 - x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range append(baseline.ParseMounts(data), baseline.ParseFstab(data)...) {
			if baseline.PointOf(m) == "" {
				t.Errorf("a mount without a place: %+v", m)
			}
		}
	})
}
