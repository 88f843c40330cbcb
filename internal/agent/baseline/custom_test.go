package baseline_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/baseline"
)

const customTOML = `[[check]]
id = "ACME-1"
title = "The door is locked"
severity = "Warning"
group = "acme"
test.file = { paths = ["/etc/door"], exists = true }
`

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestLoadCustom(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("files of custom checks belong to root, who this test is not")
	}
	top := t.TempDir()
	dir := filepath.Join(top, "checks")
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string, mode os.FileMode) string {
		p := filepath.Join(top, name)
		ok(os.MkdirAll(filepath.Dir(p), 0o755))
		ok(os.WriteFile(p, []byte(text), mode))
		ok(os.Chmod(p, mode))
		return p
	}
	good := write("checks/sub/good.toml", customTOML, 0o644)
	xml := "\ufeff \n" + audit(`<check distro="*" command="CheckSystemAccounts"/>`)
	ours := strings.Replace(customTOML, "ACME-1", "TV-SSH-001", 1)
	large := strings.Repeat("#", 1<<20+1)
	secret := write("secret.toml", customTOML, 0o600)
	ok(os.Symlink(secret, filepath.Join(dir, "link.toml")))
	ok(os.Symlink(top, filepath.Join(dir, "up")))
	ok(os.Symlink("sub", filepath.Join(dir, "inside")))
	ok(os.Mkdir(filepath.Join(dir, "open"), 0o755))
	write("checks/open/a.toml", customTOML, 0o644)
	ok(os.Chmod(filepath.Join(dir, "open"), 0o777))
	others := write("checks/others.toml", customTOML, 0o644)
	ok(os.Chown(others, 1234, 0))

	for _, tt := range []struct {
		name, path, sum, want string
		code                  tvilling.Code
	}{
		{"TOML", good, sumOf(customTOML), "", ""},
		{"upper case", good, strings.ToUpper(sumOf(customTOML)), "", ""},
		{"XML", write("checks/a.xml", xml, 0o400), sumOf(xml), "", ""},
		{"another hash", good, sumOf("x"), "another SHA-256 than baselineCustomChecksFileHash", tvilling.InvalidArgument},
		{"no hash", good, "", "64 hexadecimal digits", tvilling.InvalidArgument},
		{"a short hash", good, "ab", "64 hexadecimal digits", tvilling.InvalidArgument},
		{"not there", dir + "/none.toml", sumOf(customTOML), "put it on the device", tvilling.NotFound},
		{"elsewhere", secret, sumOf(customTOML), "must be below " + dir, tvilling.InvalidArgument},
		{"up", dir + "/../secret.toml", sumOf(customTOML), "must be below", tvilling.InvalidArgument},
		{"a neighbour", dir + "x/a.toml", sumOf(customTOML), "must be below", tvilling.InvalidArgument},
		{"the folder", dir, sumOf(customTOML), "must be below", tvilling.InvalidArgument},
		{"relative", "checks/sub/good.toml", sumOf(customTOML), "must be below", tvilling.InvalidArgument},
		{"a directory", dir + "/sub", sumOf(customTOML), "not a regular file", tvilling.InvalidArgument},
		{"a link", dir + "/link.toml", sumOf(customTOML), "links are not followed", tvilling.InvalidArgument},
		{"through a link out", dir + "/up/secret.toml", sumOf(customTOML), "links are not followed", tvilling.InvalidArgument},
		{"through a link within", dir + "/inside/good.toml", sumOf(customTOML), "links are not followed", tvilling.InvalidArgument},
		{"somebody's", others, sumOf(customTOML), "belongs to user 1234; chown it to root", tvilling.InvalidArgument},
		{"writable", write("checks/w.toml", customTOML, 0o666), sumOf(customTOML), "can be written by others (mode 0666)", tvilling.InvalidArgument},
		{"in a writable folder", dir + "/open/a.toml", sumOf(customTOML), "open can be written by others (mode 0777)", tvilling.InvalidArgument},
		{"large", write("checks/large.toml", large, 0o644), sumOf(large), "larger than 1 MiB", tvilling.InvalidArgument},
		{"an id of ours", write("checks/ours.toml", ours, 0o644), sumOf(ours), "ids that begin with TV- are the agent's own", tvilling.InvalidArgument},
		{"a fault", write("checks/bad.toml", "x = 1\n", 0o644), sumOf("x = 1\n"), "bad.toml:1:", tvilling.InvalidArgument},
		// What is wrong with the text is not told before the hash was right.
		{"a fault and another hash", dir + "/bad.toml", sumOf(customTOML), "another SHA-256", tvilling.InvalidArgument},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checks, err := baseline.LoadCustom(dir, tt.path, tt.sum)
			if tt.want == "" {
				if err != nil || len(checks) != 1 {
					t.Errorf("%d checks, %v", len(checks), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || tvilling.CodeOf(err) != tt.code {
				t.Errorf("error is %v, want %s with %q in it", err, tt.code, tt.want)
			}
		})
	}
}
