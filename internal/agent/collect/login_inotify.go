//go:build linux

package collect

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// notifier says when files or folders change (inotify(7)). It takes no thread
// while nothing does.
type notifier struct {
	f  *os.File
	fd int
	// changed has one token at most; moved says that names changed as well.
	changed chan struct{}
	moved   atomic.Bool
}

func newNotifier() (*notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if errors.Is(err, unix.EMFILE) {
		return nil, fmt.Errorf("watch the logs: %w: raise fs.inotify.max_user_instances", err)
	}
	if err != nil {
		return nil, fmt.Errorf("watch the logs: %w", err)
	}
	return &notifier{f: os.NewFile(uintptr(fd), "inotify"), fd: fd, changed: make(chan struct{}, 1)}, nil
}

// file watches a file's content, folder the names in a folder; to watch
// something again changes nothing.
func (n *notifier) file(path string) error {
	return n.watch(path, unix.IN_MODIFY)
}

func (n *notifier) folder(path string) error {
	return n.watch(path, unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_ONLYDIR)
}

func (n *notifier) watch(path string, mask uint32) error {
	if _, err := unix.InotifyAddWatch(n.fd, path, mask); err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	return nil
}

// run hears until ctx ends (nil) or the kernel says no more.
func (n *notifier) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { n.f.Close() })
	defer func() {
		if stop() {
			n.f.Close()
		}
	}()
	buf := make([]byte, 4<<10)
	for {
		k, err := n.f.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch the logs: %w", err)
		}
		if namesChanged(buf[:k]) {
			n.moved.Store(true)
		}
		select {
		case n.changed <- struct{}{}:
		default:
		}
	}
}

// namesChanged reports whether one of the kernel's notes is more than that a
// file was written.
func namesChanged(b []byte) bool {
	for len(b) >= unix.SizeofInotifyEvent {
		mask, size := binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[12:])
		if mask&^(unix.IN_MODIFY|unix.IN_IGNORED) != 0 {
			return true
		}
		b = b[min(uint64(len(b)), unix.SizeofInotifyEvent+uint64(size)):]
	}
	return false
}
