package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Users takes the local user accounts (asc §3.5 LocalUsers): those of
// /etc/passwd with the groups of /etc/group. Groups are the primary one first,
// then the others by their number, each once.
type Users struct {
	root fs.FS
	// malformed counts the lines that the last Take could not read.
	malformed atomic.Int64
}

// NewUsers returns the snapshot of the device whose file system is root, such
// as os.DirFS("/").
func NewUsers(root fs.FS) *Users { return &Users{root: root} }

// Kind returns [event.LocalUsersKind].
func (u *Users) Kind() event.Kind { return event.LocalUsersKind }

// Sight is full unless a line could not be read.
func (u *Users) Sight() Sight {
	s := Sight{Name: "local users", Extent: Full, Source: "/etc/passwd, /etc/group"}
	if n := u.malformed.Load(); n > 0 {
		s.Extent = Partial
		s.Why = fmt.Sprintf("%d lines of /etc/passwd and /etc/group are malformed.", n)
		s.Remedy = "Look at the files with pwck and grpck."
	}
	return s
}

// Take returns the users in the order of the file.
func (u *Users) Take(context.Context) ([]event.Item, error) {
	passwd, err := accountFile(u.root, passwdFile)
	if err != nil {
		return nil, fmt.Errorf("local users: %w", err)
	}
	groups, err := accountFile(u.root, groupFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("local users: %w", err)
	}
	names := make(map[uint32]string)     // of groups
	members := make(map[string][]uint32) // the groups of users by their names
	malformed := parseGroup(groups, func(g groupLine) {
		if _, ok := names[g.gid]; !ok { // the first one counts, as with getgrgid(3)
			names[g.gid] = g.name
		}
		for name := range strings.SplitSeq(g.members, ",") {
			if name = strings.TrimSpace(name); name != "" {
				members[name] = append(members[name], g.gid)
			}
		}
	})
	var items []event.Item
	malformed += parsePasswd(passwd, func(p passwdLine) {
		all := members[p.name]
		slices.Sort(all)
		all = slices.DeleteFunc(slices.Compact(all), func(g uint32) bool { return g == p.gid })
		it := &event.LocalUsers{UserID: strconv.FormatUint(uint64(p.uid), 10), UserName: p.name}
		it.GroupIDs, it.GroupNames = joinGroups(append([]uint32{p.gid}, all...), names)
		items = append(items, it)
	})
	u.malformed.Store(int64(malformed))
	return items, nil
}

// joinGroups returns the numbers and the names of groups, as many of each. A
// group without a name has its number for a name, as with id(1).
func joinGroups(groups []uint32, names map[uint32]string) (ids, texts string) {
	var i, t strings.Builder
	for n, g := range groups {
		if n > 0 {
			i.WriteByte(';')
			t.WriteByte(';')
		}
		id := strconv.FormatUint(uint64(g), 10)
		i.WriteString(id)
		t.WriteString(cmp.Or(names[g], id))
	}
	return i.String(), t.String()
}

// passwdLine is a line of passwd(5), groupLine one of group(5).
type passwdLine struct {
	name     string
	uid, gid uint32
}

type groupLine struct {
	name    string
	gid     uint32
	members string // separated by commas
}

// parsePasswd reads the lines of passwd(5), and returns how many are malformed.
func parsePasswd(text string, yield func(passwdLine)) (malformed int) {
	return accountLines(text, 7, func(f []string) bool {
		uid, err1 := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err1 != nil || err2 != nil {
			return false
		}
		yield(passwdLine{f[0], uint32(uid), uint32(gid)})
		return true
	})
}

// parseGroup reads the lines of group(5), and returns how many are malformed.
func parseGroup(text string, yield func(groupLine)) (malformed int) {
	return accountLines(text, 4, func(f []string) bool {
		gid, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			return false
		}
		yield(groupLine{f[0], uint32(gid), f[3]})
		return true
	})
}

// accountLines calls read with the fields of each line. Empty lines, comments,
// and the lines that include NIS (those that begin with + or -) are passed over.
func accountLines(text string, fields int, read func([]string) bool) (malformed int) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '#' || line[0] == '+' || line[0] == '-' {
			continue
		}
		f := strings.Split(line, ":")
		if len(f) != fields || f[0] == "" || strings.ContainsRune(line, 0) || !read(f) {
			malformed++
		}
	}
	return malformed
}

// maxAccountFile bounds what is read of a file of accounts, in bytes.
const maxAccountFile = 4 << 20

// accountFile returns the text of a file of accounts.
func accountFile(root fs.FS, name string) (string, error) {
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxAccountFile+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > maxAccountFile:
		return "", fmt.Errorf("%s has more than %d bytes", name, maxAccountFile)
	default:
		return strings.ToValidUTF8(string(b), "\uFFFD"), nil
	}
}
