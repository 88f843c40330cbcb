package baseline_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// fixture makes a root of a file in testdata, which says how names are to be
// read. Owners need root.
func fixture(t testing.TB, name string) string {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ok := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range archive.Files {
		name, target, link := strings.Cut(f.Name, " -> ")
		words := strings.Fields(name)
		p := filepath.Join(dir, words[0])
		ok(os.MkdirAll(filepath.Dir(p), 0o755))
		switch {
		case link:
			ok(os.Symlink(target, p))
			continue
		case strings.HasSuffix(words[0], "/"):
			ok(os.MkdirAll(p, 0o755))
		default:
			if strings.HasSuffix(name, "/cmdline") { // as the kernel gives it
				f.Data = []byte(strings.ReplaceAll(strings.TrimSpace(string(f.Data)), " ", "\x00") + "\x00")
			}
			ok(os.WriteFile(p, f.Data, 0o644))
		}
		if len(words) > 2 && os.Getuid() == 0 {
			uid, gid, _ := strings.Cut(words[2], ":")
			u, err := strconv.Atoi(uid)
			ok(err)
			g, err := strconv.Atoi(gid)
			ok(err)
			ok(os.Chown(p, u, g))
		}
		if len(words) > 1 {
			mode, err := strconv.ParseUint(words[1], 8, 32)
			ok(err)
			ok(os.Chmod(p, fileMode(mode)))
		}
	}
	return dir
}

// fileMode turns a mode of chmod(2) into Go's.
func fileMode(m uint64) os.FileMode {
	mode := os.FileMode(m & 0o777)
	for bit, flag := range map[uint64]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if m&bit != 0 {
			mode |= flag
		}
	}
	return mode
}

// openRoot opens a root that is closed at the end of the test.
func openRoot(t testing.TB, dir string) *os.Root {
	t.Helper()
	r, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}
