package baseline

import (
	"fmt"
	"strconv"
	"strings"
)

// accountFiles is what passwd(5), group(5) and shadow(5) say.
type accountFiles struct {
	users  []user
	groups []group
	// shadow has what passwords are; shadowErr is why it could not be read.
	shadow    []secret
	shadowErr error
	err       error
	userIDs   map[uint32]string
	groupIDs  map[uint32]string
}

type user struct {
	name, password, home, shell string
	uid, gid                    uint32
}

type group struct {
	name string
	gid  uint32
}

type secret struct {
	name, password string
	// changed is the day of the last change, counted from 1970; 0: not known.
	changed int64
}

// accountFiles reads the files of users and groups, once in a run.
func (r *run) accountFiles() (*accountFiles, error) {
	if r.accounts != nil {
		return r.accounts, r.accounts.err
	}
	a := &accountFiles{userIDs: map[uint32]string{}, groupIDs: map[uint32]string{}}
	r.accounts = a
	for _, file := range []struct {
		path string
		add  func(f []string)
	}{{"/etc/passwd", a.addUser}, {"/etc/group", a.addGroup}, {"/etc/shadow", a.addSecret}} {
		x := r.text(file.path)
		switch {
		case x.err == nil:
			for _, l := range lines(x.data, "") {
				file.add(strings.Split(l, ":"))
			}
		case file.path == "/etc/shadow":
			a.shadowErr = x.err
		case a.err == nil:
			a.err = x.err
		}
	}
	return a, a.err
}

// Lines that the C library would not take, NIS's with '+' among them, are left
// out here.
func (a *accountFiles) addUser(f []string) {
	if len(f) < 7 {
		return
	}
	uid, err := strconv.ParseUint(f[2], 10, 32)
	gid, err2 := strconv.ParseUint(f[3], 10, 32)
	if err != nil || err2 != nil {
		return
	}
	a.users = append(a.users, user{f[0], f[1], f[5], f[6], uint32(uid), uint32(gid)})
	if _, ok := a.userIDs[uint32(uid)]; !ok {
		a.userIDs[uint32(uid)] = f[0]
	}
}

func (a *accountFiles) addGroup(f []string) {
	if len(f) < 4 {
		return
	}
	gid, err := strconv.ParseUint(f[2], 10, 32)
	if err != nil {
		return
	}
	a.groups = append(a.groups, group{f[0], uint32(gid)})
	if _, ok := a.groupIDs[uint32(gid)]; !ok {
		a.groupIDs[uint32(gid)] = f[0]
	}
}

func (a *accountFiles) addSecret(f []string) {
	if len(f) < 3 {
		return
	}
	s := secret{name: f[0], password: f[1]}
	if days, err := strconv.ParseInt(f[2], 10, 32); err == nil {
		s.changed = days
	}
	a.shadow = append(a.shadow, s)
}

// userName and groupName return "" for an unknown number.
func (a *accountFiles) userName(uid uint32) string  { return a.userIDs[uid] }
func (a *accountFiles) groupName(gid uint32) string { return a.groupIDs[gid] }

// uidMin is where users' numbers begin, as login.defs(5) says.
func (r *run) uidMin() uint32 {
	x := r.text("/etc/login.defs")
	if x.err == nil {
		for _, l := range lines(x.data, "#") {
			if k, v := keyValue(l, ""); k == "UID_MIN" {
				if n, err := strconv.ParseUint(v, 10, 32); err == nil {
					return uint32(n)
				}
			}
		}
	}
	return 1000
}

// login says whether a user has a shell; an empty one is /bin/sh.
func (u *user) login() bool {
	switch u.shell[strings.LastIndexByte(u.shell, '/')+1:] {
	case "nologin", "false", "true":
		return false
	}
	return true
}

func (t *AccountsTest) eval(r *run) outcome {
	a, err := r.accountFiles()
	if err != nil {
		return unreadable(err)
	}
	rule := accountRules[t.Rule]
	if rule.shadow && a.shadowErr != nil && !gone(a.shadowErr) {
		return unreadable(a.shadowErr)
	}
	found, err := rule.find(r, a)
	if err != nil {
		return unreadable(err)
	}
	bad := found[:0]
	for _, f := range found {
		if !t.excepts(f.name) {
			bad = append(bad, f)
		}
	}
	if len(bad) == 0 {
		return pass("accounts obey %s", t.Rule)
	}
	texts := make([]string, len(bad))
	for i, f := range bad {
		texts[i] = fmt.Sprintf("%s %s", f.name, f.what)
	}
	return fail("%s", some(texts))
}

func (t *AccountsTest) excepts(name string) bool {
	for _, e := range t.Except {
		if match(e, name) {
			return true
		}
	}
	return false
}
