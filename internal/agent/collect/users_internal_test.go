//go:build linux

package collect

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// record makes a record of inotify.
func record(mask uint32, name string) []byte {
	b := make([]byte, unix.SizeofInotifyEvent, 64)
	binary.NativeEndian.PutUint32(b[4:], mask)
	padded := append([]byte(name), make([]byte, 16-len(name)%16)...)
	binary.NativeEndian.PutUint32(b[12:], uint32(len(padded)))
	return append(b, padded...)
}

func TestUsersChange(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"users", record(unix.IN_MOVED_TO, "passwd"), true},
		{"another, then groups", append(record(unix.IN_CLOSE_WRITE, "hosts"), record(unix.IN_MOVED_TO, "group")...), true},
		{"others", append(record(unix.IN_CLOSE_WRITE, "passwd-"), record(unix.IN_MOVED_TO, "group.lock")...), false},
		{"too many", record(unix.IN_Q_OVERFLOW, ""), true},
		{"cut", record(unix.IN_MOVED_TO, "passwd")[:20], false},
		{"nothing", nil, false},
	} {
		if got := usersChange(c.b); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func FuzzUsersChange(f *testing.F) {
	f.Add(record(unix.IN_MOVED_TO, "passwd"))
	f.Add(append(record(unix.IN_CLOSE_WRITE, "hosts"), record(unix.IN_MOVED_TO, "group")...))
	f.Fuzz(func(_ *testing.T, b []byte) { usersChange(b) })
}

func FuzzAccounts(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/bash\n")
	f.Add("+::::::\nroot:x:4294967296:0:::\n\x00:x:0:0:::\n")
	f.Add("sudo:x:27:a,b,,c\n")
	f.Fuzz(func(t *testing.T, s string) {
		text := strings.ToValidUTF8(s, "\uFFFD")
		lines := strings.Count(text, "\n") + 1
		n := parsePasswd(text, func(p passwdLine) {
			lines--
			if p.name == "" || !utf8.ValidString(p.name) || strings.ContainsAny(p.name, "\n:\x00") {
				t.Errorf("a user %q", p.name)
			}
		})
		if n > lines {
			t.Error("a line counts twice")
		}
		if n := parseGroup(text, func(groupLine) {}); n > strings.Count(text, "\n")+1 {
			t.Error("more malformed lines than lines")
		}
	})
}
