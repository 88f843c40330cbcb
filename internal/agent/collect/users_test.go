//go:build linux

package collect_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/security/event"
)

func TestUsers(t *testing.T) {
	fsys := fstest.MapFS{
		"etc/passwd": {Data: []byte("root:x:0:0:root:/root:/bin/bash\n# comment\n\n+@admins::::::\npump:x:1000:1000:Pump,,,:/home/pump:/bin/sh\nshort:x:1\nodd:x:-1:0::/:\n:x:5:5::/:\r\nlone:x:7:77::/:\n")},
		"etc/group":  {Data: []byte("root:x:0:\nsudo:x:27:pump,other\npump:x:1000:pump\nadm:x:4: pump ,\npump2:x:1000:\nsudo:x:27:pump\nbad:x:z:pump\n+nis:::\n")},
	}
	u := collect.NewUsers(fsys)
	items, err := u.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []event.Item{
		&event.LocalUsers{UserID: "0", UserName: "root", GroupIDs: "0", GroupNames: "root"},
		&event.LocalUsers{UserID: "1000", UserName: "pump", GroupIDs: "1000;4;27", GroupNames: "pump;adm;sudo"},
		&event.LocalUsers{UserID: "7", UserName: "lone", GroupIDs: "77", GroupNames: "77"},
	}
	if d := cmp.Diff(want, items); d != "" {
		t.Error(d)
	}
	if s := u.Sight(); s.Extent != collect.Partial || !strings.HasPrefix(s.Why, "4 lines") || s.Remedy == "" {
		t.Errorf("%+v", s)
	}
	delete(fsys, "etc/group")
	fsys["etc/passwd"] = &fstest.MapFile{Data: []byte("root:x:0:0:root:/root:/bin/bash\n")}
	if items, err = u.Take(t.Context()); err != nil || len(items) != 1 || u.Sight().Extent != collect.Full {
		t.Errorf("without groups: %v, %v, %+v", items, err, u.Sight())
	}
	delete(fsys, "etc/passwd")
	if items, err = u.Take(t.Context()); err == nil {
		t.Errorf("without users: %v", items)
	}
}

// The users of this machine are those that id(1) knows.
func TestUsersHere(t *testing.T) {
	id, err := exec.LookPath("id")
	if err != nil {
		t.Skip(err)
	}
	items, err := collect.NewUsers(os.DirFS("/")).Take(t.Context())
	if err != nil || len(items) == 0 {
		t.Fatalf("%v, %v", items, err)
	}
	for _, it := range items {
		u := it.(*event.LocalUsers)
		out, err := exec.CommandContext(t.Context(), id, "-G", u.UserName).Output()
		if err != nil {
			t.Fatal(err)
		}
		groups := map[string]bool{}
		for g := range strings.FieldsSeq(string(out)) {
			groups[g] = true
		}
		ids := strings.Split(u.GroupIDs, ";")
		for _, g := range ids {
			if !groups[g] {
				t.Errorf("%s is not in group %s", u.UserName, g)
			}
		}
		if len(ids) != len(groups) || len(ids) != len(strings.Split(u.GroupNames, ";")) {
			t.Errorf("%+v, but id says %s", u, out)
		}
	}
}

func TestUsersChanges(t *testing.T) {
	write := func(t *testing.T, name string) {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		change func(t *testing.T, etc string)
	}{
		{"written", func(t *testing.T, etc string) { write(t, filepath.Join(etc, "passwd")) }},
		{"renamed", func(t *testing.T, etc string) {
			write(t, filepath.Join(etc, "group+"))
			if err := os.Rename(filepath.Join(etc, "group+"), filepath.Join(etc, "group")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			etc := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			changed := make(chan struct{}, 1)
			done := make(chan error, 1)
			go func() {
				done <- collect.UsersChanges(ctx, etc, func() {
					select {
					case changed <- struct{}{}:
					default:
					}
				})
			}()
			// What happens before the watch is there is not heard.
			deadline := time.Now().Add(10 * time.Second)
			for len(changed) == 0 && time.Now().Before(deadline) {
				c.change(t, etc)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if len(changed) == 0 {
				t.Error("nothing was told")
			}
		})
	}
	if err := collect.UsersChanges(t.Context(), filepath.Join(t.TempDir(), "no"), func() {}); err == nil {
		t.Error("a folder that is not there can be watched")
	}
}
