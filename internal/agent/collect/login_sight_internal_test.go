//go:build linux

package collect

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoginsSight(t *testing.T) {
	t.Parallel()
	root := logRoot(t)
	l := NewLogins(LoginOptions{Root: root, NoAudit: true})
	expect := func(extent Extent, source string) {
		t.Helper()
		s := l.Sight()
		if s.Name != "logins" || s.Extent != extent || s.Source != source || (s.Why == "") != (extent == Full) || (s.Remedy == "") != (extent == Full) {
			t.Errorf("got %+v, expected %s by %q", s, extent, source)
		}
	}
	expect(Nothing, "")
	appendTo(t, filepath.Join(root, "var/log/wtmp"), nil)
	expect(Partial, "btmp, wtmp")
	appendTo(t, filepath.Join(root, "var/log/secure"), nil)
	expect(Full, "auth log, btmp, wtmp")
	_, stop := watch(t, l)
	expect(Full, "auth log, btmp, wtmp")
	stop()

	// What is there and cannot be followed is told.
	if err := os.Mkdir(filepath.Join(root, "var/log/btmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	expect(Partial, "auth log, btmp, wtmp")
	if why := l.Sight().Why; !strings.Contains(why, "var/log/btmp") {
		t.Errorf("%q does not name the folder that is in btmp's place", why)
	}
}

func TestDescribeWithoutRights(t *testing.T) {
	t.Parallel()
	s := describe("", false, false, false, map[string]error{"/var/log/secure": &fs.PathError{Op: "open", Path: "/var/log/secure", Err: fs.ErrPermission}})
	if s.Extent != Nothing || !strings.Contains(s.Why, "/var/log/secure (permission denied)") || !strings.Contains(s.Remedy, "root") {
		t.Errorf("%+v", s)
	}
	if s := describe("audit", false, false, true, nil); s.Extent != Partial || s.Remedy == "" {
		t.Errorf("%+v", s)
	}
}
