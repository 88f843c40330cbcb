package detection

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	groupsForm = 1
	// maxUserGroups bounds the groups that are kept of one user.
	maxUserGroups = 64
)

// member is a user with the groups it belongs to.
type member struct {
	user   uint32 // 24 bits of a digest
	groups []group
	// item is the place of the user in the event, name and names how it and
	// its groups are called; not kept.
	item  int
	name  string
	names []string
}

// group identifies a group: twice its number where it has one, else a digest
// with the lowest bit set.
type group uint64

// groupChange finds users that belong to more, or to fewer, groups than in the
// snapshot before. The first snapshot is what later ones are compared with. A
// user that appears or vanishes changes no group; neither does a snapshot
// without users, or one of a user without any group on a system where every
// user has one: both are what an agent sends that could not read them.
type groupChange struct {
	info  *detect.Info
	added bool
}

func (d *groupChange) Info() *detect.Info { return d.info }

func (d *groupChange) Kinds() []event.Kind { return []event.Kind{event.LocalUsersKind} }

func (d *groupChange) Observe(s detect.Scope, e *event.Event, _ detect.Values) {
	now := members(s, e)
	if len(now) == 0 {
		return
	}
	newest, before, known := recallGroups(s.Memory())
	second := e.Time.Unix()
	if known && late(newest, second) {
		return
	}
	var found []detect.Finding
	for i := range now {
		m := &now[i]
		was, ok := find(before, m.user)
		if !ok {
			continue
		}
		if gained, lost := difference(was.groups, m, now); d.added && len(gained) > 0 {
			found = append(found, finding(e, m, gained, "was not a member in the snapshot before"))
		} else if !d.added && len(lost) > 0 {
			found = append(found, finding(e, m, lost, "was a member in the snapshot before"))
		}
	}
	s.Remember(groupsMemory(second, merge(before, now)))
	reportChanges(s, found)
}

func finding(e *event.Event, m *member, groups []string, pattern string) detect.Finding {
	return detect.Finding{
		Cause: detect.Cause(m.name), Hits: 1, Time: e.Time, Event: e, Item: m.item,
		Matched: []ledger.Match{
			{Field: "UserName", Value: m.name},
			{Field: "GroupNames", Value: strings.Join(groups, ", "), Pattern: pattern},
		},
	}
}

// members returns the users of a snapshot in the order of their digests, those
// left out whose groups could not be read.
func members(s detect.Scope, e *event.Event) []member {
	var list []member
	for i, it := range parts(s, e) {
		u, ok := it.(*event.LocalUsers)
		if !ok || u.UserName == "" && u.UserID == "" {
			continue
		}
		m := member{user: uint32(digest(u.UserID, u.UserName) >> 40), item: i, name: cmp.Or(u.UserName, "uid "+u.UserID)}
		ids, names := split(u.GroupIDs), split(u.GroupNames)
		if len(ids) == 0 {
			ids = names
		}
		if len(ids) == 0 && !strings.HasPrefix(u.UserID, "S-1-") {
			continue
		}
		for j, id := range ids[:min(len(ids), maxUserGroups)] {
			name := id
			if len(names) == len(ids) {
				name = names[j]
			}
			m.groups, m.names = append(m.groups, groupOf(id)), append(m.names, name)
		}
		list = append(list, m)
	}
	slices.SortStableFunc(list, func(a, b member) int { return cmp.Compare(a.user, b.user) })
	// One user told of twice belongs to the groups of both lines.
	out := list[:0]
	for _, m := range list {
		if n := len(out); n > 0 && out[n-1].user == m.user {
			out[n-1].groups = append(out[n-1].groups, m.groups...)
			out[n-1].names = append(out[n-1].names, m.names...)
			out[n-1].item = max(out[n-1].item, m.item)
			continue
		}
		out = append(out, m)
	}
	return out
}

// split reads a list that is joined by ';' or, on Windows, by ','.
func split(s string) []string {
	var list []string
	for f := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ';' || r == ',' }) {
		if f = strings.TrimSpace(f); f != "" {
			list = append(list, f)
		}
	}
	return list
}

func groupOf(id string) group {
	if n, err := strconv.ParseUint(id, 10, 32); err == nil {
		return group(n << 1)
	}
	return group(digest(id)>>32<<1 | 1)
}

func find(list []member, user uint32) (member, bool) {
	i, ok := slices.BinarySearchFunc(list, user, func(m member, u uint32) int { return cmp.Compare(m.user, u) })
	if !ok {
		return member{}, false
	}
	return list[i], true
}

// difference returns the names of the groups that a user has gained and lost.
// A group that it has lost is called what another user's line calls it.
func difference(was []group, m *member, all []member) (gained, lost []string) {
	for i, g := range m.groups {
		if !slices.Contains(was, g) && !slices.Contains(gained, m.names[i]) {
			gained = append(gained, m.names[i])
		}
	}
	for _, g := range was {
		if !slices.Contains(m.groups, g) {
			lost = append(lost, nameOf(g, all))
		}
	}
	return gained, lost
}

func nameOf(g group, all []member) string {
	for _, m := range all {
		if i := slices.Index(m.groups, g); i >= 0 {
			return m.names[i]
		}
	}
	if g&1 == 0 {
		return "gid " + strconv.FormatUint(uint64(g>>1), 10)
	}
	return "a group that no user belongs to any more"
}

// merge returns what to remember: the users of the new snapshot, and those of
// the old one if so many are missing that the new one was cut short.
func merge(before, now []member) []member {
	var missing []member
	for _, m := range before {
		if _, ok := find(now, m.user); !ok {
			missing = append(missing, m)
		}
	}
	if len(before) < 4 || 2*len(missing) <= len(before) {
		return now
	}
	now = append(now, missing...)
	slices.SortFunc(now, func(a, b member) int { return cmp.Compare(a.user, b.user) })
	return now
}

// recallGroups reads a memory; users are in ascending order.
func recallGroups(memory []byte) (newest int64, list []member, ok bool) {
	r := open(memory, groupsForm)
	newest = r.varint()
	for range r.count(4) {
		m := member{user: uint32(r.byte()) | uint32(r.byte())<<8 | uint32(r.byte())<<16}
		for range r.count(1) {
			m.groups = append(m.groups, group(r.uvarint()))
		}
		list = append(list, m)
	}
	if r.bad || !slices.IsSortedFunc(list, func(a, b member) int { return cmp.Compare(a.user, b.user) }) {
		return 0, nil, false
	}
	return newest, list, true
}

// groupsMemory writes a memory. Where there are more users than fit, those
// with the highest digests are left out: always the same ones, so that none of
// them seems to come and go.
func groupsMemory(newest int64, list []member) []byte {
	body := make([]byte, 0, 512)
	n := 0
	for _, m := range list {
		start := len(body)
		body = append(body, byte(m.user), byte(m.user>>8), byte(m.user>>16))
		groups := slices.Compact(slices.Sorted(slices.Values(m.groups)))
		groups = groups[:min(len(groups), maxUserGroups)]
		body = binary.AppendUvarint(body, uint64(len(groups)))
		for _, g := range groups {
			body = binary.AppendUvarint(body, uint64(g))
		}
		if len(body) > maxMemory-16 {
			body = body[:start]
			break
		}
		n++
	}
	b := binary.AppendVarint([]byte{groupsForm}, newest)
	b = binary.AppendUvarint(b, uint64(n))
	return append(b, body...)
}
