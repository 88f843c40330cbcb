package baseline

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// AccountRule is a test of users and groups that the agent has by name.
type AccountRule string

// finding is what is wrong with a user or group.
type finding struct{ name, what string }

// accountRule finds those who do not obey.
type accountRule struct {
	// shadow says that the rule needs /etc/shadow, where there is one.
	shadow bool
	find   func(r *run, a *accountFiles) ([]finding, error)
}

// accountRules are the rules there are; docs/baseline.md says what they mean.
var accountRules = map[AccountRule]accountRule{
	"only-root-uid-0":          {find: onlyRoot},
	"root-gid-0":               {find: rootGroup},
	"no-empty-passwords":       {shadow: true, find: emptyPasswords},
	"passwords-shadowed":       {find: shadowed},
	"passwords-hashed-well":    {shadow: true, find: hashedWell},
	"password-dates-past":      {shadow: true, find: datesPast},
	"system-accounts-no-login": {find: systemAccounts},
	"unique-uids":              {find: uniqueUsers(func(u *user) string { return strconv.FormatUint(uint64(u.uid), 10) }, "has the uid of")},
	"unique-users":             {find: uniqueUsers(func(u *user) string { return u.name }, "has the name of")},
	"unique-gids":              {find: uniqueGroups(func(g *group) string { return strconv.FormatUint(uint64(g.gid), 10) }, "has the gid of")},
	"unique-groups":            {find: uniqueGroups(func(g *group) string { return g.name }, "has the name of")},
	"groups-exist":             {find: groupsExist},
	"no-legacy-entries":        {find: legacyEntries},
	"homes-exist":              {find: homes(homeExists)},
	"homes-owned":              {find: homes(homeOwned)},
	"homes-private":            {find: homes(homePrivate)},
}

func onlyRoot(_ *run, a *accountFiles) (bad []finding, err error) {
	for i := range a.users {
		if u := &a.users[i]; u.uid == 0 && u.name != "root" {
			bad = append(bad, finding{u.name, "has uid 0"})
		}
	}
	return bad, nil
}

func rootGroup(_ *run, a *accountFiles) (bad []finding, err error) {
	for i := range a.users {
		if u := &a.users[i]; u.name == "root" && u.gid != 0 {
			bad = append(bad, finding{"root", fmt.Sprintf("has the primary group %d", u.gid)})
		}
	}
	if a.groupName(0) != "root" {
		bad = append(bad, finding{"root", "is not the name of the group 0"})
	}
	return bad, nil
}

func emptyPasswords(_ *run, a *accountFiles) (bad []finding, err error) {
	for i := range a.users {
		if u := &a.users[i]; u.password == "" {
			bad = append(bad, finding{u.name, "has an empty password in /etc/passwd"})
		}
	}
	for i := range a.shadow {
		if s := &a.shadow[i]; s.password == "" {
			bad = append(bad, finding{s.name, "has an empty password in /etc/shadow"})
		}
	}
	return bad, nil
}

func shadowed(_ *run, a *accountFiles) (bad []finding, err error) {
	for i := range a.users {
		if u := &a.users[i]; isHash(u.password) {
			bad = append(bad, finding{u.name, "has its password's hash in /etc/passwd"})
		}
	}
	return bad, nil
}

// isHash says whether a password field has a hash, behind the marks of locking.
func isHash(field string) bool {
	field = strings.TrimLeft(field, "!*")
	return len(field) >= 13
}

// goodHashes are the methods of crypt(5) that are slow enough to guess.
var goodHashes = []string{"$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$", "$6$", "$5$"}

func hashedWell(_ *run, a *accountFiles) (bad []finding, err error) {
	one := func(name, field string) {
		if !isHash(field) {
			return
		}
		field = strings.TrimLeft(field, "!*")
		for _, p := range goodHashes {
			if strings.HasPrefix(field, p) {
				return
			}
		}
		bad = append(bad, finding{name, "has a password hashed by an old method"})
	}
	for i := range a.users {
		one(a.users[i].name, a.users[i].password)
	}
	for i := range a.shadow {
		one(a.shadow[i].name, a.shadow[i].password)
	}
	return bad, nil
}

func datesPast(_ *run, a *accountFiles) (bad []finding, err error) {
	// Somewhere it may be tomorrow already.
	tomorrow := time.Now().Unix()/86400 + 1
	for i := range a.shadow {
		if s := &a.shadow[i]; s.changed > tomorrow {
			bad = append(bad, finding{s.name, "changed its password in the future"})
		}
	}
	return bad, nil
}

func systemAccounts(r *run, a *accountFiles) (bad []finding, err error) {
	least := r.uidMin()
	for i := range a.users {
		u := &a.users[i]
		switch u.name {
		case "root", "sync", "shutdown", "halt":
			continue
		}
		if u.uid < least && u.login() {
			bad = append(bad, finding{u.name, "can log in, with " + orSh(u.shell)})
		}
	}
	return bad, nil
}

func orSh(shell string) string {
	if shell == "" {
		return "/bin/sh"
	}
	return shell
}

func uniqueUsers(key func(*user) string, what string) func(*run, *accountFiles) ([]finding, error) {
	return func(_ *run, a *accountFiles) (bad []finding, err error) {
		first := map[string]string{}
		for i := range a.users {
			u := &a.users[i]
			if other, ok := first[key(u)]; ok {
				bad = append(bad, finding{u.name, what + " " + other})
				continue
			}
			first[key(u)] = u.name
		}
		return bad, nil
	}
}

func uniqueGroups(key func(*group) string, what string) func(*run, *accountFiles) ([]finding, error) {
	return func(_ *run, a *accountFiles) (bad []finding, err error) {
		first := map[string]string{}
		for i := range a.groups {
			g := &a.groups[i]
			if other, ok := first[key(g)]; ok {
				bad = append(bad, finding{g.name, what + " " + other})
				continue
			}
			first[key(g)] = g.name
		}
		return bad, nil
	}
}

func groupsExist(_ *run, a *accountFiles) (bad []finding, err error) {
	for i := range a.users {
		if u := &a.users[i]; a.groupName(u.gid) == "" {
			bad = append(bad, finding{u.name, fmt.Sprintf("has the primary group %d, which does not exist", u.gid)})
		}
	}
	return bad, nil
}

func legacyEntries(r *run, _ *accountFiles) (bad []finding, err error) {
	for _, p := range []string{"/etc/passwd", "/etc/group", "/etc/shadow"} {
		x := r.text(p)
		if x.err != nil {
			if gone(x.err) {
				continue
			}
			return nil, x.err
		}
		for n, l := range lines(x.data, "") {
			if l[0] == '+' {
				bad = append(bad, finding{p, fmt.Sprintf("line %d begins with +", n)})
			}
		}
	}
	return bad, nil
}

// homes looks at the home directories of root and of those users who can log in.
func homes(look func(r *run, u *user) (string, error)) func(*run, *accountFiles) ([]finding, error) {
	return func(r *run, a *accountFiles) (bad []finding, err error) {
		least := r.uidMin()
		for i := range a.users {
			u := &a.users[i]
			if !u.login() || u.uid != 0 && u.uid < least || u.name == "nobody" {
				continue
			}
			what, err := look(r, u)
			if err != nil {
				return nil, err
			}
			if what != "" {
				bad = append(bad, finding{u.name, what})
			}
		}
		return bad, nil
	}
}

func homeExists(r *run, u *user) (string, error) {
	info, err := r.tree.stat("/" + u.home)
	switch {
	case gone(err) || err == nil && !info.IsDir():
		return fmt.Sprintf("has no home directory at %q", u.home), nil
	case err != nil:
		return "", err
	}
	return "", nil
}

func homeOwned(r *run, u *user) (string, error) {
	info, err := r.tree.stat("/" + u.home)
	if gone(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if uid, _, _, _ := ownerOf(info); uid != u.uid {
		return fmt.Sprintf("does not own %s, which belongs to user %d", u.home, uid), nil
	}
	return "", nil
}

func homePrivate(r *run, u *user) (string, error) {
	const most = 0o750
	info, err := r.tree.stat("/" + u.home)
	if gone(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if _, _, _, mode := ownerOf(info); mode&0o777&^most != 0 {
		return fmt.Sprintf("has mode %04o on %s", mode, u.home), nil
	}
	return "", nil
}
