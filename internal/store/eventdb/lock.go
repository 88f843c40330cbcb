package eventdb

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
)

// lockDir takes the directory of a store for this process, until unlock, Close or
// the end of the process.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, cannotUse(dir, err)
	}
	if err := tryLock(f); err != nil {
		return nil, errors.Join(inUse(dir, f, err), f.Close())
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := errors.Join(f.Truncate(0), writeAt(f, pid)); err != nil {
		return nil, errors.Join(cannotUse(dir, err), f.Close())
	}
	return f, nil
}

func writeAt(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// inUse is the refusal of a directory that another process has.
func inUse(dir string, f *os.File, cause error) error {
	owner := ""
	if b, err := io.ReadAll(io.LimitReader(f, 32)); err == nil {
		if pid := strings.TrimSpace(string(b)); pid != "" {
			owner = fmt.Sprintf(" (pid %s)", pid)
		}
	}
	return &tvilling.Error{
		Code: tvilling.Unavailable, Op: opOpen, Subject: dir,
		Message: fmt.Sprintf("The directory of events %s is already in use by another process%s; stop that one first or use another directory.", dir, owner),
		Err:     cause,
	}
}

// cannotUse is the refusal of a directory that the system does not let us use.
func cannotUse(dir string, cause error) error {
	return &tvilling.Error{
		Code: tvilling.Unavailable, Op: opOpen, Subject: dir,
		Message: fmt.Sprintf("The directory of events %s cannot be used; see the cause.", dir), Err: cause,
	}
}
