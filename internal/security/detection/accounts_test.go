package detection_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// snapshotOf is a message with a snapshot of accounts, each "number name
// groups".
func snapshotOf(hour int, lines ...string) *event.Message {
	at := day.Add(time.Duration(hour) * time.Hour)
	e := event.Event{ID: strconv.Itoa(hour), Kind: event.LocalUsersKind, Time: at}
	for _, l := range lines {
		f := strings.Fields(l)
		e.Items = append(e.Items, &event.LocalUsers{UserID: f[0], UserName: f[1], GroupIDs: strings.Repeat("7;", strings.Count(f[2], ";")+1), GroupNames: f[2]})
	}
	return &event.Message{Received: at, Events: []event.Event{e}}
}

// TestWhatIsSaidOfAccounts holds what alerts of new and deleted accounts say,
// how grave they are, and which item is their evidence.
func TestWhatIsSaidOfAccounts(t *testing.T) {
	const root, pump = "0 root root", "1000 pump pump"
	for _, c := range []struct {
		name          string
		before, after []string
		added         []string
		deleted       []string
	}{
		{
			"a person",
			[]string{root},
			[]string{root, pump},
			[]string{"low item 1: UserName pump (is not in the snapshot before)"},
			nil,
		},
		{
			"an administrator",
			[]string{root},
			[]string{root, "1001 op op;sudo;docker;adm"},
			[]string{"medium item 1: UserName op (is not in the snapshot before), GroupNames sudo, docker (makes it an administrator)"},
			nil,
		},
		{
			"another root",
			[]string{root},
			[]string{root, "0 toor users"},
			[]string{"medium item 1: UserName toor (is not in the snapshot before), UserId 0 (the number of root)"},
			nil,
		},
		{
			"gone",
			[]string{root, pump},
			[]string{root},
			nil,
			[]string{"low item -1: UserName pump (was there in the snapshot before)"},
		},
		{
			"renamed",
			[]string{root, pump},
			[]string{root, "1000 valve pump"},
			[]string{"low item 1: UserName valve (the user of this number had another name in the snapshot before)"},
			[]string{"low item 1: UserName pump (was there in the snapshot before), UserName valve (has its number now)"},
		},
		{
			"renumbered",
			[]string{root, pump},
			[]string{"1005 pump pump", root},
			[]string{"low item 0: UserName pump (the user of this name had another number in the snapshot before)"},
			[]string{"low item 0: UserName pump (was there in the snapshot before), UserId 1005 (is the number of the user of its name now)"},
		},
		{"a service", []string{root, "33 www-data www-data"}, []string{root, "104 redis redis"}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for d, want := range map[detect.Stateful][]string{detection.LocalUserAdded(): c.added, detection.LocalUserDeleted(): c.deleted} {
				s := &scope{started: day}
				observe(d, s, snapshotOf(0, c.before...), defaults(d, nil))
				observe(d, s, snapshotOf(13, c.after...), defaults(d, nil))
				var got []string
				for _, f := range s.found {
					var said []string
					for _, m := range f.Matched {
						said = append(said, fmt.Sprintf("%s %s (%s)", m.Field, m.Value, m.Pattern))
					}
					got = append(got, fmt.Sprintf("%s item %d: %s", max(f.Least, d.Info().Severity), f.Item, strings.Join(said, ", ")))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", d.Info().ID, diff)
				}
			}
		})
	}
}

// TestManyAccountsChange holds that many new or deleted accounts are one
// finding, and as grave as the gravest of them.
func TestManyAccountsChange(t *testing.T) {
	var few, many []string
	for n := range 40 {
		line := fmt.Sprintf("%d u%d users", 1000+n, n)
		if n < 23 {
			few = append(few, line)
		}
		many = append(many, line)
	}
	many[39] += ";wheel"
	d, s := detection.LocalUserAdded(), &scope{started: day}
	observe(d, s, snapshotOf(0, few...), defaults(d, nil))
	observe(d, s, snapshotOf(13, many...), defaults(d, nil))
	if len(s.found) != 1 || describe(s.found[0]) != "many users x17" || s.found[0].Least != ledger.Medium || s.found[0].Item != 39 {
		t.Errorf("added: found %+v", s.found)
	}
	d, s = detection.LocalUserDeleted(), &scope{started: day}
	observe(d, s, snapshotOf(0, many...), defaults(d, nil))
	observe(d, s, snapshotOf(13, few...), defaults(d, nil))
	if len(s.found) != 1 || describe(s.found[0]) != "many users x17" {
		t.Errorf("deleted: found %+v", s.found)
	}
}

// TestMoreAccountsThanFit holds that accounts that the memory has no room for
// are neither told of as new nor as deleted, in whatever order they stand, and
// that most of those it has room for still are.
func TestMoreAccountsThanFit(t *testing.T) {
	const all, changed = 3000, 40
	var full, few []string
	for n := range all {
		line := fmt.Sprintf("%d user-with-a-name-of-some-length-%d users", 1000+n, n)
		full = append(full, line)
		if n%(all/changed) != 0 {
			few = append(few, line)
		}
	}
	back := slices.Clone(full)
	slices.Reverse(back)
	for _, d := range []detect.Stateful{detection.LocalUserAdded(), detection.LocalUserDeleted()} {
		before, after := few, full
		if d.Info().ID == "local-user-deleted" {
			before, after = full, few
		}
		s := &scope{started: day}
		observe(d, s, snapshotOf(0, full...), defaults(d, nil))
		observe(d, s, snapshotOf(1, back...), defaults(d, nil))
		if len(s.found) != 0 {
			t.Errorf("%s: found %v where nothing changed", d.Info().ID, texts([][]detect.Finding{s.found}))
		}
		found := int64(0)
		s = &scope{started: day}
		observe(d, s, snapshotOf(0, before...), defaults(d, nil))
		observe(d, s, snapshotOf(1, after...), defaults(d, nil))
		for _, f := range s.found {
			found += f.Hits
		}
		if found == 0 || found > changed {
			t.Errorf("%s: %d of %d changes found", d.Info().ID, found, changed)
		}
		if s.largest > limit {
			t.Errorf("%s: %d bytes of memory", d.Info().ID, s.largest)
		}
	}
}
