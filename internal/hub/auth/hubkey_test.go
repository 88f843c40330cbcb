package auth_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

func TestHubKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "hub.key")
	if _, err := auth.LoadHubKey(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want an error that says there is none", err)
	}
	first, err := auth.LoadOrCreateHubKey(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := auth.LoadOrCreateHubKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != auth.HubKeyBytes || !bytes.Equal(first, second) {
		t.Error("the key was not kept")
	}
	if _, err := auth.CreateHubKey(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("CreateHubKey over a key: got %v, want a refusal", err)
	}
	if third, err := auth.LoadHubKey(path); err != nil || !bytes.Equal(first, third) {
		t.Errorf("the key was touched (%v)", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("got mode %04o, want 0600", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("something was left behind: %v", entries)
	}
}

func TestLoadHubKeyRefuses(t *testing.T) {
	t.Parallel()
	good := auth.NewKey() + "\n" // also 32 bytes
	tests := []struct {
		name, text, want string
		mode             fs.FileMode
	}{
		{"good", good, "", 0o600},
		{"read-only", good, "", 0o400},
		{"no line end", strings.TrimSpace(good), "", 0o600},
		{"group may read", good, "chmod 600", 0o640},
		{"others may read", good, "chmod 600", 0o604},
		{"others may write", good, "chmod 600", 0o602},
		{"empty", "", "one line of base64", 0o600},
		{"short", "c2hvcnQ=", "one line of base64", 0o600},
		{"raw bytes", strings.Repeat("\x01", 32), "one line of base64", 0o600},
		{"huge", strings.Repeat("A", 1<<16), "one line of base64", 0o600},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "hub.key")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			for _, load := range []func(string) ([]byte, error){auth.LoadHubKey, auth.LoadOrCreateHubKey} {
				_, err := load(path)
				switch {
				case test.want == "" && err != nil:
					t.Error(err)
				case test.want != "" && (err == nil || !strings.Contains(tvilling.MessageOf(err), test.want)):
					t.Errorf("got %v, want an error that says %q", err, test.want)
				case test.text != "" && err != nil && strings.Contains(err.Error(), strings.TrimSpace(test.text)):
					t.Errorf("the error repeats the key: %v", err)
				}
			}
		})
	}
	if _, err := auth.LoadHubKey(t.TempDir()); err == nil {
		t.Error("a directory was taken for a key")
	}
	if _, err := auth.LoadOrCreateHubKey(filepath.Join(t.TempDir(), "no", "hub.key")); err == nil {
		t.Error("a key was made in a directory that is not there")
	}
}
