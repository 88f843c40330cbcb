package identity

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/tvilling/tvilling"
)

// readFile reads a file of at most maxFile bytes. protected is nil if nobody
// but the agent's user and root can read or write it, else why not; a symbolic
// link is as protected as what it leads to.
func readFile(path string) (b []byte, protected, err error) {
	// Opening a pipe that nobody writes to would wait.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is not a regular file")
	}
	b, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, nil, err
	}
	if len(b) > maxFile {
		return nil, nil, fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	return b, checkProtection(info), nil
}

// errWritable says that others can change a file, not only read it.
var errWritable = errors.New("others than its owner can change it")

// checkProtection says what is wrong with the mode or the owner of a file that
// has a secret.
func checkProtection(info os.FileInfo) error {
	mode := info.Mode().Perm()
	if mode&0o022 != 0 {
		return fmt.Errorf("%w: its mode is %04o", errWritable, mode)
	}
	owner, ok := ownerOf(info)
	if !ok {
		return errors.New("this system does not say whose it is")
	}
	if self := os.Geteuid(); owner != 0 && owner != self {
		return fmt.Errorf("%w: it belongs to user %d, not to root or %d", errWritable, owner, self)
	}
	if mode&0o077 != 0 {
		return fmt.Errorf("others than its owner can read it: its mode is %04o", mode)
	}
	return nil
}

// readSecret reads a file that has a secret, and refuses it if it is not protected.
func readSecret(path string) ([]byte, error) {
	b, protected, err := readFile(path)
	if err != nil {
		return nil, unreadable("Authentication", path, err)
	}
	if protected != nil {
		return nil, problem(tvilling.Unauthorized, "Authentication", "File Permissions", path, "The file has a secret, and "+protected.Error()+". "+remedy(path, "600"), nil)
	}
	return b, nil
}

// readSecretText is readSecret for a text of one line.
func readSecretText(path string) (string, error) {
	b, err := readSecret(path)
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(b))
	if s == "" || strings.ContainsAny(s, "\r\n\x00") {
		return "", problem(tvilling.InvalidArgument, "Authentication", "File Format", path, "The file is to have one line and nothing else.", nil)
	}
	return s, nil
}

// remedy says how to protect a file.
func remedy(path, mode string) string {
	return fmt.Sprintf("Run: chown %d %s && chmod %s %s", os.Geteuid(), path, mode, path)
}
