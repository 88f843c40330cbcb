package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// folder is a disk: a folder of the operating system. Nothing outside of it is
// touched, and no symbolic link in it followed.
type folder struct {
	root *os.Root
	self *os.File // the folder itself, locked
}

// openDir opens a folder, and makes it if it is not there.
func openDir(dir string) (disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	self, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	d := &folder{root, self}
	info, err := self.Stat()
	if err == nil && info.Mode()&0o022 != 0 {
		err = fmt.Errorf("%s can be changed by others; give it the mode 0700", dir)
	}
	if err == nil {
		err = lock(self)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Names calls f with the names of the folder's entries.
func (d *folder) Names(f func(string) bool) error {
	if _, err := d.self.Seek(0, io.SeekStart); err != nil {
		return err
	}
	for {
		// In parts: somebody may have filled the folder.
		names, err := d.self.Readdirnames(256)
		for _, n := range names {
			if !f(n) {
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// plain returns an error if a name is that of something else than a file.
func (d *folder) plain(name string) error {
	info, err := d.root.Lstat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("not a plain file")}
	}
	return err
}

// Create makes or empties a file.
func (d *folder) Create(name string) (file, error) {
	if err := d.plain(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC|noFollow, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Open opens a file.
func (d *folder) Open(name string, write bool) (file, error) {
	if err := d.plain(name); err != nil {
		return nil, err
	}
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
	}
	f, err := d.root.OpenFile(name, flag|noFollow, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Remove deletes a file.
func (d *folder) Remove(name string) error { return d.root.Remove(name) }

// Sync syncs a file.
func (d *folder) Sync(name string) error {
	f, err := d.root.OpenFile(name, os.O_RDWR|noFollow, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// SyncDir syncs the folder.
func (d *folder) SyncDir() error { return d.self.Sync() }

// Here compares the open folder with the one of its name.
func (d *folder) Here() bool {
	open, err := d.self.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(d.root.Name())
	return err == nil && os.SameFile(open, named)
}

// Close closes the folder, and so unlocks it.
func (d *folder) Close() error { return errors.Join(d.self.Close(), d.root.Close()) }

// osFile is a file of the operating system.
type osFile struct{ *os.File }

// Size returns the file's size.
func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// newSalt returns a number that nobody can guess.
func newSalt() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:])
}
