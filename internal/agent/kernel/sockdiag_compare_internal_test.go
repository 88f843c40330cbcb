//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeNet is a folder like /proc with sockets of TCP.
type fakeNet struct {
	t   *testing.T
	dir string
}

func newFakeNet(t *testing.T) fakeNet {
	t.Helper()
	f := fakeNet{t, t.TempDir()}
	if err := os.Mkdir(filepath.Join(f.dir, "net"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.tcp()
	return f
}

// tcp are the lines of net/tcp: ends as they are there, state, inode.
func (f fakeNet) tcp(lines ...[3]string) {
	f.t.Helper()
	var text strings.Builder
	text.WriteString("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n")
	for i, l := range lines {
		fmt.Fprintf(&text, "%4d: %s %s 00000000:00000000 00:00000000 00000000  1000        0 %s 1 0000000000000000 100 0 0 10 0\n", i, l[0], l[1], l[2])
	}
	if err := os.WriteFile(filepath.Join(f.dir, "net", "tcp"), []byte(text.String()), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// TestSocketsOverTime has what cannot be had from a kernel at will. The ends are
// of one word that reads the same in both byte orders.
func TestSocketsOverTime(t *testing.T) {
	t.Parallel()
	f := newFakeNet(t)
	s, r := watch(t, f.dir, SocketOptions{}, false)
	const near, far = "01010101", "02020202"
	var (
		listening = [3]string{near + ":0050", "00000000:0000 0A", "10"}
		asked     = [3]string{near + ":8001", far + ":01BB 02", "11"}
		made      = [3]string{near + ":8001", far + ":01BB 01", "11"}
		closed    = [3]string{near + ":8002", far + ":01BB 06", "0"}
		accepted  = [3]string{near + ":0050", far + ":8003 01", "0"}
		taken     = [3]string{near + ":0050", far + ":8003 08", "12"} // accept(2) gave it an inode
	)
	look := func(what string, lost uint64, want []string, lines ...[3]string) {
		t.Helper()
		f.tcp(lines...)
		mustLook(t, s)
		slices.Sort(want)
		if got := r.told(); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", what, got, want)
		}
		if got := r.lost["outcome not seen"]; got != lost {
			t.Errorf("%s: lost %d, want %d", what, got, lost)
		}
	}
	look("nothing", 0, nil)
	look("listening, and asked for", 0, []string{"kind 7: tcp 1.1.1.1:80 invalid AddrPort, process 0, user 1000 true"}, listening, asked)
	look("made", 0, []string{
		"kind 4: tcp 1.1.1.1:32769 2.2.2.2:443, process 0, user 1000 true", "kind 6: tcp 1.1.1.1:80 2.2.2.2:32771, process 0, user 1000 false",
		"kind 4: tcp 1.1.1.1:32770 2.2.2.2:443, process 0, user 1000 false",
	}, listening, made, closed, accepted)
	look("the same, one of them left out", 0, nil, listening, made, taken)
	look("all left out once", 0, nil)
	look("and back", 0, nil, listening, made, taken)
	look("gone", 0, nil)
	look("gone for sure", 0, []string{"kind 8: tcp 1.1.1.1:80 invalid AddrPort, process 0, user 1000 true"})
	look("again", 0, []string{"kind 4: tcp 1.1.1.1:32769 2.2.2.2:443, process 0, user 1000 true"}, made)
	look("another is asked for", 0, nil, made, [3]string{near + ":8004", far + ":01BB 02", "13"})
	look("and is gone", 0, nil, made)
	look("for sure", 1, nil, made)
	look("accepted after the port was closed", 1, []string{"kind 7: tcp 1.1.1.1:80 invalid AddrPort, process 0, user 1000 true"}, made, listening)
	look("in the same moment", 1, []string{"kind 6: tcp 1.1.1.1:80 2.2.2.2:32771, process 0, user 1000 true"}, made, taken)
}

func TestSocketsAreBounded(t *testing.T) {
	t.Parallel()
	f := newFakeNet(t)
	s, r := watch(t, f.dir, SocketOptions{}, false)
	var lines [][3]string
	add := func(n int) {
		for range n {
			lines = append(lines, [3]string{fmt.Sprintf("01010101:%04X", len(lines)+1), "02020202:01BB 01", "0"})
		}
		f.tcp(lines...)
		mustLook(t, s)
	}
	add(socketsFresh)
	if got := len(r.told()); got != socketsFresh || len(r.lost) > 0 {
		t.Errorf("told of %d, lost %v", got, r.lost)
	}
	add(socketsFresh + 1)
	if got := len(r.told()); got != socketsFresh || r.lost["too many sockets"] != 1 {
		t.Errorf("told of %d, lost %v", got, r.lost)
	}
	for len(lines) < socketsKnown {
		add(min(socketsFresh, socketsKnown-len(lines)))
	}
	r.told()
	add(2)
	add(1)
	if got := len(r.told()); got != 0 || r.lost["too many sockets"] != 4 || len(s.known) != socketsKnown {
		t.Errorf("told of %d, lost %v, %d are known", got, r.lost, len(s.known))
	}
}

func TestSocketsFail(t *testing.T) {
	t.Parallel()
	if s, _, err := openSockets(t.TempDir(), SocketOptions{}, false); err == nil {
		t.Errorf("opened %v without files", s)
	}
	if _, _, err := openSockets(filepath.Join(t.TempDir(), "none"), SocketOptions{}, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
	f := newFakeNet(t)
	s, _ := watch(t, f.dir, SocketOptions{}, false)
	f.tcp([3]string{"1:2", "3:4", "5"})
	if err := s.look(); err == nil {
		t.Error("a malformed file was taken")
	}
}
