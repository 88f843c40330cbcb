package spool_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// disk is a folder on a file system that fails and crashes on demand.
type disk struct{ fs *faultfs.FS }

const folder = "/spool"

func (d disk) Names(f func(string) bool) error {
	names, err := d.fs.Names(folder)
	for _, n := range names {
		if !f(n) {
			break
		}
	}
	return err
}

func (d disk) Create(name string) (spool.File, error) { return d.fs.Create(folder + "/" + name) }

func (d disk) Open(name string, _ bool) (spool.File, error) { return d.fs.Open(folder + "/" + name) }

func (d disk) Remove(name string) error { return d.fs.Remove(folder + "/" + name) }

func (d disk) Sync(name string) error {
	f, err := d.fs.Open(folder + "/" + name)
	if err != nil {
		return err
	}
	return f.Sync()
}

func (d disk) SyncDir() error { return d.fs.SyncDir(folder) }

func (d disk) Here() bool { return true }

func (d disk) Close() error { return nil }

// on opens a spool on a file system.
func on(t failer, fs *faultfs.FS, size int64) *spool.Spool {
	t.Helper()
	s, err := spool.OpenWith(func() (spool.Disk, error) { return disk{fs}, nil }, size)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// failer is a test, or one of a property.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

var _ failer = (*testing.T)(nil)
