// Package durable puts files on the disk so that a crash leaves the old
// content or the new, never a part of it, and never the old after the new was
// promised.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile puts text at path, with a mode, in one step. When it returns nil,
// the file and its name are on the disk; when it returns an error, what was at
// path before is still there, unless the error is of the folder's sync.
//
// The text is first written beside the file, under one name of its own
// (".name.new"), so that a program that is killed again and again leaves one
// file behind. Two writers of one path at a time need a lock of their own.
func WriteFile(path string, text []byte, mode fs.FileMode) error {
	if err := replace(path, text, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func replace(path string, text []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	next := filepath.Join(dir, "."+filepath.Base(path)+".new")
	// What an earlier try left goes; a link in its place must not be followed.
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return SyncDir(dir)
}

// SyncDir puts the names of a folder on the disk.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
