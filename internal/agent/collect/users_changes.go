//go:build linux

package collect

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// UsersChanges calls notify whenever the users or groups of the device have
// changed, maybe, until ctx ends (nil) or the kernel cannot be heard (an
// error). etc is the folder with their files, /etc. One change makes several
// calls; to put them together is the caller's.
//
// Programs write such files anew and rename them, so it is the folder that is
// watched (inotify(7)).
func UsersChanges(ctx context.Context, etc string, notify func()) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("changes of users: open inotify: %w", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	defer f.Close()
	if _, err := unix.InotifyAddWatch(fd, etc, unix.IN_MOVED_TO|unix.IN_CLOSE_WRITE|unix.IN_DELETE|unix.IN_MOVED_FROM|unix.IN_ONLYDIR); err != nil {
		return fmt.Errorf("changes of users: watch %s: %w", etc, err)
	}
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer stop()
	buf := make([]byte, 4<<10) // more than the longest record
	for {
		n, err := f.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("changes of users: %w", err)
		case usersChange(buf[:n]):
			notify()
		}
	}
}

// usersChange reports whether records of inotify tell of the files of users, or
// of records that the kernel could not keep.
func usersChange(b []byte) bool {
	for len(b) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(b[4:])
		length := uint64(binary.NativeEndian.Uint32(b[12:]))
		b = b[unix.SizeofInotifyEvent:]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			return true
		}
		if length > uint64(len(b)) {
			return false
		}
		name, _, _ := bytes.Cut(b[:length], []byte{0})
		switch string(name) {
		case "passwd", "group", "shadow", "gshadow":
			return true
		}
		b = b[length:]
	}
	return false
}
