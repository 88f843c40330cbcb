package baseline_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/agent/baseline"
)

// audit returns a file with one audit with these checks.
func audit(checks string) string {
	return `<baseline BaselineId="X" BaseOrigId="1"><audits><audit description="It
 holds" msid="1.2" cceid=" CCE-1-2" severity="Critical" impact="why" remediation="how" ruleId="r">` + checks +
		`</audit></audits><remediations><script><![CDATA[rm -rf /]]></script></remediations></baseline>`
}

// TestXMLCommands makes every command of the format on the Debian fixture.
func TestXMLCommands(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("the fixture has files of several owners, which only root can make")
	}
	root := openRoot(t, fixture(t, "debian12"))
	for _, tt := range []expectation{
		{`<check distro="*" command="CheckMatchingLines" path="/etc/passwd" regex="^root:x:[0-9]+:0"/>`, pass, ""},
		{`<check distro="*" command="CheckMatchingLines" path="/etc/login.defs" regex="^# UID_MIN 5$"/>`, pass, ""},
		{`<check distro="*" command="CheckMatchingLines" path="/none" regex="x"/>`, fail, "/none does not exist"},
		{`<check distro="*" command="CheckMatchingLinesIfExists" path="/none" regex="x"/>`, pass, ""},
		{`<check distro="*" command="CheckMatchingLinesIfExists" path="/etc/passwd" regex="^absent"/>`, fail, "no line like ^absent"},
		{`<check distro="*" command="CheckMatchingLinesInDir" path="/etc/modprobe.d/" regex="^install\srds"/>`, pass, ""},
		{`<check distro="*" command="CheckMatchingLinesInFiles" path="/none|/etc/fstab" filter="nfs4" regex="nosuid"/>`, pass, ""},
		{`<check distro="*" command="CheckMatchingLinesInFiles" path="/none|/etc/fstab" filter="ext4" regex="nosuid"/>`, fail, "no line like nosuid"},
		{`<check distro="*" command="CheckMatchingLinesSection" path="/etc/smb.conf" key="^\s*\[.+\]" expect="^\s*\[(?i:global)\]" regex="^\s*min protocol\s+=\s+SMB2"/>`, pass, ""},
		{`<check distro="*" command="CheckMatchingLinesSection" path="/etc/smb.conf" key="^\s*\[.+\]" expect="^\s*\[share\]" regex="min protocol"/>`, fail, "no line"},
		{`<check distro="*" command="CheckNoMatchingLines" path="/etc/passwd" regex="^games:"/>`, fail, "/etc/passwd line 4"},
		{`<check distro="*" command="CheckNoMatchingLines" path="/etc/passwd" filter="^ann" regex="^games:"/>`, pass, ""},
		{`<check distro="*" command="CheckNoMatchingLines" path="/none" regex="x"/>`, fail, "/none does not exist"},
		{`<check distro="*" command="CheckNoMatchingLinesIfExists" path="/none" regex="x"/>`, pass, ""},
		{`<check distro="*" command="CheckFileExists" path="/proc/net/if_inet6"/>`, pass, ""},
		{`<check distro="*" command="CheckFileExists" path="/none"/>`, fail, "/none does not exist"},
		{`<check distro="*" command="CheckFileStats" path="/etc/passwd" expect="root root 644"/>`, pass, ""},
		{`<check distro="*" command="CheckFileStats" path="/etc/shadow" expect="root shadow 600"/>`, fail, "mode 0640"},
		{`<check distro="*" command="CheckFileStats" path="/none" expect="root root 644"/>`, fail, "/none does not exist"},
		{`<check distro="*" command="CheckFileStatsIfExists" path="/none" expect="root root 600"/>`, pass, ""},
		{`<check distro="*" command="CheckPackageNotInstalled" packagename="rsh-server"/>`, pass, ""},
		{`<check distro="*" command="CheckPackageNotInstalled" packagename="rsyslog"/>`, fail, "rsyslog is installed"},
		{`<check distro="*" command="CheckPackageNotInstalledRegexp" packagename="[a-z-]*telnetd"/>`, pass, ""},
		{`<check distro="*" command="CheckPackageNotInstalledRegexp" packagename="openssh.*"/>`, fail, "openssh-server is installed"},
		{`<check distro="*" command="CheckPackageInstalledRegexp" packagename="r?syslog"/>`, pass, ""},
		{`<check distro="*" command="CheckPackageInstalledRegexp" packagename="syslog"/>`, fail, "syslog is not installed"},
		{`<check distro="*" command="CheckServiceDisabled" service="avahi-daemon, cups"/>`, pass, ""},
		{`<check distro="*" command="CheckServiceDisabled" service="avahi-daemon,ssh"/>`, fail, "service ssh is enabled"},
		{`<check distro="*" command="CheckServiceEnabled" service="ssh"/>`, pass, ""},
		{`<check distro="*" command="CheckServiceStatus" service="ssh" expect="running"/>`, pass, ""},
		{`<check distro="*" command="CheckServiceStatus" service="auditd" expect="running"/>`, fail, "auditd is not running"},
		{`<check distro="*" command="CheckShadowDate" path="/etc/shadow" key="2" expect="before" value="now"/>`, fail, "bob changed"},
		{`<check distro="*" command="CheckSystemAccounts"/>`, fail, "games can log in"},
		{`<check distro="*" command="CheckRootUID" path="/etc/passwd"/>`, fail, "toor has uid 0"},
		{`<check distro="*" command="CheckNoPromiscInterfaces"/>`, fail, "eth0"},
		{`<check distro="*" command="CheckNoWirelessInterfaces"/>`, pass, ""},
		{`<check distro="*" command="VerifyKernelSource" regex="debian"/>`, pass, ""},
		{`<check distro="*" command="VerifyKernelSource" regex=" -Ubuntu "/>`, fail, "/proc/version"},

		{`<check distro="Ubuntu|SLES" command="CheckFileExists" path="/none"/>`, skip, "operating system"},
		{`<check distro="Ubuntu|Debian&lt;12" command="CheckFileExists" path="/none"/>`, skip, "operating system"},
		{`<check distro="Ubuntu|Debian>=12" command="CheckFileExists" path="/none"/>`, fail, ""},
		{`<check distro="!Debian" command="CheckFileExists" path="/none"/>`, skip, ""},
		{`<check distro="!SLES=11" command="CheckFileExists" path="/none"/>`, fail, ""},
		{`<check distro="*" command="CheckFileExists" path="/none"><dependency type="FileExists"> /no </dependency></check>`, skip, "/no does not exist"},
		{`<check distro="*" command="CheckFileExists" path="/none"><dependency type="FileExists">/etc/passwd</dependency></check>`, fail, ""},
		// Of several checks that apply, one must pass.
		{`<check distro="*" command="CheckFileExists" path="/none"/><check distro="*" command="CheckFileExists" path="/etc/passwd"/>`, pass, ""},
		{`<check distro="SLES" command="CheckFileExists" path="/etc/passwd"/><check distro="*" command="CheckFileExists" path="/none"/>`, fail, ""},
	} {
		checks, err := baseline.ParseXML("a.xml", []byte(audit(tt.test)))
		if err != nil {
			t.Errorf("%s: %v", tt.test, err)
			continue
		}
		rep, err := baseline.Run(t.Context(), baseline.Options{Root: root, Checks: checks})
		if err != nil {
			t.Fatal(err)
		}
		got := rep.Results[0]
		if got.Outcome != tt.outcome || !strings.Contains(got.Error, tt.found) {
			t.Errorf("%s\ngives %s: %s\nwant  %s: %s", tt.test, got.Outcome, got.Error, tt.outcome, tt.found)
		}
	}
}

func TestXMLTexts(t *testing.T) {
	t.Parallel()
	checks, err := baseline.ParseXML("a.xml", []byte(audit(`<check distro="*" command="CheckSystemAccounts"/>`)))
	if err != nil {
		t.Fatal(err)
	}
	c := checks[0]
	if c.ID != "1.2" || c.CceID() != "CCE-1-2" || c.Title != "It holds" || c.Severity != baseline.Critical || c.Remedy != "how" || c.Rationale != "why" {
		t.Errorf("the check is %+v", c)
	}
}

// TestDocumentedXML reads the XML block of docs/baseline.md, and looks for every
// command there.
func TestDocumentedXML(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```xml\n")
	block, table, _ := strings.Cut(block, "```")
	if checks, err := baseline.ParseXML("docs/baseline.md", []byte(block)); err != nil || len(checks) != 1 {
		t.Errorf("%d checks, %v", len(checks), err)
	}
	for _, c := range baseline.XMLCommands() {
		if !strings.Contains(table, "`"+c+"`") {
			t.Errorf("the manual does not have the command %s", c)
		}
	}
}

func TestXMLRefuses(t *testing.T) {
	t.Parallel()
	one := `<check distro="*" command="CheckSystemAccounts"/>`
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "there is no baseline element"},
		{"something else", "<html/>", "<html> is not <baseline>"},
		{"broken", "<baseline>\n<audits>\n</baseline>", "a.xml:3: InvalidArgument: XML syntax error"},
		{"an entity", `<!DOCTYPE x [<!ENTITY a "b">]><baseline><audits>&a;</audits></baseline>`, "invalid character entity &a;"},
		{"no check", audit(""), `audit "1.2": test must be one of the kinds`},
		{"an unknown command", audit(`<check distro="*" command="RunShell"/>`), `a.xml:2: InvalidArgument: audit "1.2": command "RunShell" is not known`},
		{"an unknown attribute", audit(`<check distro="*" command="CheckSystemAccounts" shell="x"/>`), `attribute "shell" is not known in <check>`},
		{"an unknown element", audit(`<script/>`), "<script> is not known in an audit"},
		{"a missing attribute", audit(`<check distro="*" command="CheckMatchingLines" path="/a"/>`), "CheckMatchingLines needs the attribute regex"},
		{"no distro", audit(`<check command="CheckSystemAccounts"/>`), "a check needs distro"},
		{"a bad distro", audit(`<check distro="SLES~11" command="CheckSystemAccounts"/>`), `distro "SLES~11" is not understood`},
		{"an unknown dependency", audit(`<check distro="*" command="CheckSystemAccounts"><dependency type="Moon">x</dependency></check>`), "not known, only FileExists"},
		{"a relative path", audit(`<check distro="*" command="CheckFileExists" path="etc/x"/>`), "must be an absolute path"},
		{"a relative dependency", audit(`<check distro="*" command="CheckSystemAccounts"><dependency type="FileExists">x</dependency></check>`), "must be an absolute path"},
		{"a bad expression", audit(`<check distro="*" command="CheckMatchingLines" path="/a" regex="(?=x)"/>`), "error parsing regexp"},
		{"a bad severity", strings.Replace(audit(one), "Critical", "Bad", 1), `severity "Bad" must be`},
		{"another date", audit(`<check distro="*" command="CheckShadowDate" key="3" expect="before" value="now"/>`), "only key=\"2\""},
		{"twice", strings.Replace(audit(one), "</audits>", audit(one)[strings.Index(audit(one), "<audit "):strings.Index(audit(one), "</audits>")]+"</audits>", 1), `two checks have the id "1.2"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := baseline.ParseXML("a.xml", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want %q in it", err, tt.want)
			}
		})
	}
}
