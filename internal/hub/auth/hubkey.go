package auth

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/durable"
)

// maxHubKeyFile bounds what is read of a key file.
const maxHubKeyFile = 4096

// LoadHubKey reads the key of a hub: base64 of 32 bytes, on one line. A file
// that others than its owner may read or write is refused. An absent file is
// an error that matches [fs.ErrNotExist].
func LoadHubKey(path string) (key []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the hub key: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the hub key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, hubKeyError(path, "The hub key must be a regular file.")
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, hubKeyError(path, fmt.Sprintf(
			"Others than its owner may use the hub key (mode %04o). Run chmod 600 on it, and think of it as known to whoever could read it.", mode))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxHubKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read the hub key: %w", err)
	}
	key, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != HubKeyBytes {
		return nil, hubKeyError(path, fmt.Sprintf("The hub key must be one line of base64 for %d bytes.", HubKeyBytes))
	}
	return key, nil
}

// CreateHubKey makes a fresh key and writes it to path with mode 0600. It is on
// the disk, directory entry included, when CreateHubKey returns. An existing
// file is never replaced: whatever it has sealed would be lost.
func CreateHubKey(path string) ([]byte, error) {
	key := make([]byte, HubKeyBytes)
	_, _ = rand.Read(key) // never fails; the process ends if there is no randomness
	dir := filepath.Dir(path)
	// The key is written under another name first, so that a crash leaves no
	// half of it. CreateTemp makes the file with mode 0600.
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("create the hub key: %w", err)
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		// A link, unlike a rename, fails when the name is taken.
		err = os.Link(f.Name(), path)
	}
	err = errors.Join(err, os.Remove(f.Name()))
	if err != nil {
		return nil, fmt.Errorf("write the hub key: %w", err)
	}
	if err := durable.SyncDir(dir); err != nil {
		return nil, fmt.Errorf("write the hub key: %w", err)
	}
	return key, nil
}

// LoadOrCreateHubKey loads the key of a hub, or makes it at the first start.
// Call CreateHubKey instead only where there is surely no data yet; with data
// present and the key gone, opening the first sealed key fails and says so.
func LoadOrCreateHubKey(path string) ([]byte, error) {
	key, err := LoadHubKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key, err = CreateHubKey(path)
	if errors.Is(err, fs.ErrExist) {
		return LoadHubKey(path) // another process was faster
	}
	return key, err
}

func hubKeyError(path, message string) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "load hub key", Subject: path, Message: message}
}
