package rules_test

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// TestOrdinaryUsers holds that accounts that packages make are no alerts. The
// recording has no snapshots, but has all programs that change accounts: from
// their command lines we work out the accounts, and take a snapshot after
// every single change, which is more than any agent does. The accounts that
// people made in the recording are told of, each once when it is made and once
// when it is deleted: that is what the detections are for.
func TestOrdinaryUsers(t *testing.T) {
	e, device := engine(t, detection.LocalUserAdded(), detection.LocalUserDeleted()), &ledger.Device{ID: "d"}
	users := map[string]*event.LocalUsers{}
	for _, u := range []event.LocalUsers{
		{UserName: "root", UserID: "0", GroupIDs: "0", GroupNames: "root"},
		{UserName: "daemon", UserID: "1", GroupIDs: "1", GroupNames: "daemon"},
		{UserName: "www-data", UserID: "33", GroupIDs: "33", GroupNames: "www-data"},
		{UserName: "nobody", UserID: "65534", GroupIDs: "65534", GroupNames: "nogroup"},
	} {
		users[u.UserName] = &u
	}
	begin := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	packages, found := 0, map[string]bool{}
	for i, r := range ordinary(t) {
		var p struct{ Executable, CommandLine string }
		if err := json.Unmarshal(r.Item, &p); err != nil {
			t.Fatal(err)
		}
		if r.Event != "ProcessCreate" || !change(users, path.Base(p.Executable), strings.Fields(p.CommandLine), &packages) {
			continue
		}
		at := begin.Add(time.Duration(r.At) * time.Second)
		ev := event.Event{ID: strconv.Itoa(i), Kind: event.LocalUsersKind, Type: event.Security, Time: at, Stated: at}
		for _, name := range slices.Sorted(maps.Keys(users)) {
			u := *users[name]
			ev.Items = append(ev.Items, &u)
		}
		_, err := e.Observe(device, &event.Message{Received: at, Sequence: uint64(i + 1), Events: []event.Event{ev}}, nil, at, func(f detect.Found) error {
			found[f.ID+" "+f.Cause] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"local-user-added op1", "local-user-added tech", "local-user-deleted op1", "local-user-deleted tech"}
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, want) {
		t.Errorf("alerts %q, want %q", got, want)
	}
	if packages < 10 {
		t.Errorf("%d accounts of services were made in the recording: this test looks at nothing", packages)
	}
	t.Logf("%d accounts of services made; alerts: %q", packages, slices.Sorted(maps.Keys(found)))
}

// change does to the accounts what a command line does, and reports whether it
// did something. services counts the accounts that are made for services.
func change(users map[string]*event.LocalUsers, program string, words []string, services *int) bool {
	if len(words) < 2 {
		return false
	}
	name := words[len(words)-1]
	switch program {
	case "useradd":
		id := "1000"
		if slices.Contains(words, "-r") {
			id = "998"
			*services++
		}
		if i := slices.Index(words, "-u"); i > 0 {
			id = words[i+1]
		}
		users[name] = &event.LocalUsers{UserID: id, UserName: name, GroupIDs: id, GroupNames: name}
	case "userdel":
		delete(users, name)
	case "usermod":
		u := users[name]
		if u == nil || words[1] != "-aG" {
			return false
		}
		u.GroupNames += ";" + strings.ReplaceAll(words[2], ",", ";")
		u.GroupIDs = ""
	default:
		return false
	}
	return true
}
