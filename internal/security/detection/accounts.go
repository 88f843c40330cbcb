package detection

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
)

const (
	accountsForm = 1
	// maxAccountName bounds the name that is kept of a user, in bytes; Linux
	// has at most 32, Windows 20 characters.
	maxAccountName = 64
	// maxAccount is the highest key of an account.
	maxAccount = 1<<48 - 1
)

// lowest is the parameter of the detections that look at accounts.
func lowest() []detect.Parameter {
	return []detect.Parameter{{
		Name: "lowest", Description: "The lowest number of an account that a person uses. One with a lower number (but not 0) comes and goes with packages, and is told of only if it is in a group of administrators. 0: tell of all.",
		Unit: "count", Default: 1000, Min: 0, Max: 65536,
	}}
}

// account is a user of a snapshot.
type account struct {
	// key has 24 bits of a digest of the number, and 24 of one of the name: it
	// is another account if either changes.
	key  uint64
	name string
	// uid, powers and item are not kept: the number; the groups that make an
	// administrator; the place in the event.
	uid    string
	powers []string
	item   int
}

// number is the part of a key that comes of the number of a user, naming the
// part that comes of the name.
func (a *account) number() uint64 { return a.key >> 24 }
func (a *account) naming() uint64 { return a.key & (1<<24 - 1) }

// ofPackage reports whether a user is one as packages make and delete them for
// their services: below the lowest number of people, and no administrator.
// Debian and Red Hat give services 1 to 999 (login.defs(5), SYS_UID_MAX);
// Windows has no such numbers.
func (a *account) ofPackage(lowest int64) bool {
	n, err := strconv.ParseUint(a.uid, 10, 32)
	return err == nil && n != 0 && int64(n) < lowest && len(a.powers) == 0
}

// accounts returns the users of a snapshot in the order of their keys, each
// once. Other than for their groups, a user whose groups could not be read is
// there.
func accounts(s detect.Scope, e *event.Event) []account {
	var list []account
	for i, it := range parts(s, e) {
		u, ok := it.(*event.LocalUsers)
		if !ok || u.UserName == "" && u.UserID == "" {
			continue
		}
		list = append(list, account{
			key:  digest(u.UserID)>>40<<24 | digest(u.UserName)>>40,
			name: cmp.Or(u.UserName, "uid "+u.UserID), uid: u.UserID, powers: powers(u), item: i,
		})
	}
	slices.SortStableFunc(list, byKey)
	out := list[:0]
	for _, a := range list {
		if n := len(out); n > 0 && out[n-1].key == a.key { // told of in two lines
			out[n-1].powers = append(out[n-1].powers, a.powers...)
			out[n-1].item = max(out[n-1].item, a.item)
			continue
		}
		out = append(out, a)
	}
	return out
}

func byKey(a, b account) int { return cmp.Compare(a.key, b.key) }

// powers returns the groups of a user that make it an administrator: it may
// become root, or ask somebody who is root for anything.
func powers(u *event.LocalUsers) []string {
	var list []string
	for _, name := range split(u.GroupNames) {
		switch strings.ToLower(name) {
		case "sudo", "wheel", "admin", "root", "docker", "lxd", "administrators":
			list = append(list, name)
		}
	}
	if len(list) > 0 {
		return list
	}
	for _, id := range split(u.GroupIDs) { // groups have other names in other languages
		if id == "0" || id == "S-1-5-32-544" {
			list = append(list, id)
		}
	}
	return list
}

// roster is what is remembered of the accounts of a device.
type roster struct {
	newest int64 // when the snapshot was taken, in Unix seconds
	// total is how many accounts the snapshot had, those that are not kept, too.
	total uint64
	// horizon is the highest key that the list says something of: where there
	// are more accounts than fit, those above it were left out.
	horizon uint64
	list    []account // by their keys
}

func hasAccount(list []account, key uint64) bool {
	_, ok := slices.BinarySearchFunc(list, key, func(a account, k uint64) int { return cmp.Compare(a.key, k) })
	return ok
}

// short reports whether so many accounts are missing from a snapshot that it
// was cut short: most of them do not vanish at once. Of fewer than four, an
// administrator or an intruder may well delete most.
func (r *roster) short(now []account) bool {
	return r.total >= 4 && 2*uint64(len(now)) < r.total
}

// next returns what to remember after a snapshot: the accounts of it for which
// keep is true, and those of the one before if the new one was cut short.
func (r *roster) next(second int64, now []account, keep func(*account) bool) roster {
	n := roster{newest: second, total: uint64(len(now)), horizon: maxAccount}
	for i := range now {
		if keep(&now[i]) {
			n.list = append(n.list, now[i])
		}
	}
	if r.short(now) {
		n.total, n.horizon = r.total, r.horizon
		for _, a := range r.list {
			if !hasAccount(now, a.key) {
				n.list = append(n.list, a)
			}
		}
		slices.SortFunc(n.list, byKey)
	}
	return n
}

// recallRoster reads a memory.
func recallRoster(memory []byte) (roster, bool) {
	r := open(memory, accountsForm)
	out := roster{newest: r.varint(), total: r.uvarint(), horizon: maxAccount - min(r.uvarint(), maxAccount)}
	for range r.count(7) {
		a := account{key: uint64(r.uint32()) | uint64(r.byte())<<32 | uint64(r.byte())<<40}
		a.name = string(r.bytes(r.count(1)))
		out.list = append(out.list, a)
	}
	if r.bad || !slices.IsSortedFunc(out.list, byKey) {
		return roster{}, false
	}
	return out, true
}

// memory writes what recallRoster reads, with the names of the accounts or
// without.
func (r *roster) memory(names bool) []byte {
	body, n, horizon := make([]byte, 0, 256), 0, r.horizon
	for _, a := range r.list {
		if a.key > r.horizon {
			break
		}
		start := len(body)
		body = binary.LittleEndian.AppendUint32(body, uint32(a.key))
		body = append(body, byte(a.key>>32), byte(a.key>>40))
		name := ""
		if names {
			name = strings.ToValidUTF8(a.name[:min(len(a.name), maxAccountName)], "")
		}
		body = binary.AppendUvarint(body, uint64(len(name)))
		body = append(body, name...)
		if len(body) > maxMemory-32 {
			body, horizon = body[:start], a.key-1
			break
		}
		n++
	}
	b := binary.AppendVarint([]byte{accountsForm}, r.newest)
	b = binary.AppendUvarint(b, r.total)
	b = binary.AppendUvarint(b, maxAccount-horizon)
	b = binary.AppendUvarint(b, uint64(n))
	return append(b, body...)
}
