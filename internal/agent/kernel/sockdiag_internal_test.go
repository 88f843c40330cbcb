//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// watch opens a source of sockets whose looks the test makes.
func watch(t *testing.T, path string, o SocketOptions, diag bool) (*sockets, *recorder) {
	t.Helper()
	s, reason, err := openSockets(path, o, diag)
	if err != nil {
		t.Fatal(err)
	}
	if (reason == nil) != diag {
		t.Errorf("the reason is %+v", reason)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &recorder{lost: map[string]uint64{}, fresh: make(chan struct{}, 1)}
	s.handle, s.lost = r.take, r.miss
	return s, r
}

func mustLook(t *testing.T, s *sockets) {
	t.Helper()
	if err := s.look(); err != nil {
		t.Fatal(err)
	}
}

// find1 is the only happening that satisfies is.
func find1(t *testing.T, r *recorder, what string, is func(*seen) bool) seen {
	t.Helper()
	found := r.find(is)
	if len(found) != 1 {
		t.Fatalf("told of %d happenings, want one: %s: %+v", len(found), what, found)
	}
	return found[0]
}

func hasDiag() bool {
	d, err := openDiag()
	if err != nil {
		return false
	}
	defer d.close()
	_, err = d.dump(&socketTables[0], func(*Socket) {})
	return err == nil
}

func TestSockets(t *testing.T) {
	t.Parallel()
	for _, diag := range []bool{true, false} {
		for _, address := range []string{"127.0.0.1", "::1"} {
			t.Run(fmt.Sprintf("%s by sock_diag %v", address, diag), func(t *testing.T) {
				t.Parallel()
				if diag && !hasDiag() {
					t.Skip("the kernel has no socket diagnosis")
				}
				testSockets(t, address, diag)
			})
		}
	}
}

func testSockets(t *testing.T, address string, diag bool) {
	t.Helper()
	s, r := watch(t, procPath, SocketOptions{}, diag)
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skipf("there is no %s", address)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port, want := portOf(l.Addr()), l.Addr().(*net.TCPAddr).AddrPort()
	mustLook(t, s)
	got := find1(t, r, "the listening", at(Listen, port, 0))
	if got.Local != want || got.Remote.IsValid() || got.Protocol != "tcp" || int(got.PID) != os.Getpid() || !got.HasUID || int(got.UID) != os.Getuid() {
		t.Errorf("the listening is %+v, want it at %v", got, want)
	}

	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	near := portOf(c.LocalAddr())
	mustLook(t, s)
	got = find1(t, r, "the connection", at(Connect, near, port))
	if got.Local.Addr() != want.Addr() || got.Remote != want || got.Protocol != "tcp" || int(got.PID) != os.Getpid() || !got.HasUID || int(got.UID) != os.Getuid() {
		t.Errorf("the connection is %+v, want it to %v", got, want)
	}
	got = find1(t, r, "the accepted connection", at(Accept, port, near))
	if got.Local != want || got.Remote.Port() != near || got.PID != 0 {
		t.Errorf("the accepted connection is %+v, want it at %v", got, want)
	}

	u, err := net.Dial("udp", net.JoinHostPort(address, "9"))
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	mustLook(t, s)
	udp := u.LocalAddr().(*net.UDPAddr).AddrPort()
	got = find1(t, r, "the UDP socket", at(Connect, udp.Port(), 9))
	if got.Protocol != "udp" || got.Local != udp || int(got.PID) != os.Getpid() {
		t.Errorf("the UDP socket is %+v, want it from %v", got, udp)
	}

	// A connection that is closed by the one who asked for it is seen even so.
	short, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	gone := portOf(short.LocalAddr())
	short.Close()
	mustLook(t, s)
	find1(t, r, "the short connection", at(Connect, gone, port))

	l.Close()
	for range 3 {
		mustLook(t, s)
	}
	got = find1(t, r, "the end of listening", at(Unlisten, port, 0))
	if got.Local != want || int(got.PID) != os.Getpid() {
		t.Errorf("the end of listening is %+v, want it at %v", got, want)
	}
	for what, is := range map[string]func(*seen) bool{
		"the listening": at(Listen, port, 0), "the connection": at(Connect, near, port), "the accepted connection": at(Accept, port, near),
	} {
		find1(t, r, what, is) // none is told twice
	}
}

func TestSocketsLeaveOutSelf(t *testing.T) {
	t.Parallel()
	s, r := watch(t, procPath, SocketOptions{Self: int32(os.Getpid())}, hasDiag())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mustLook(t, s)
	if found := r.find(at(Listen, portOf(l.Addr()), 0)); len(found) > 0 {
		t.Errorf("told of the own: %+v", found)
	}
}

func TestSocketsOnlyUDP(t *testing.T) {
	t.Parallel()
	s, r := watch(t, procPath, SocketOptions{UDPOnly: true}, hasDiag())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	mustLook(t, s)
	if found := r.find(func(s *seen) bool { return s.Protocol == "tcp" }); len(found) > 0 {
		t.Errorf("told of TCP: %+v", found)
	}
	find1(t, r, "the UDP socket", at(Connect, u.LocalAddr().(*net.UDPAddr).AddrPort().Port(), 9))
}

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

func TestSocketsRun(t *testing.T) {
	t.Parallel()
	src, _, err := OpenSockets(SocketOptions{Interval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r := record(t, src)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r.wait(t, "the listening", at(Listen, portOf(l.Addr()), 0))
}

// diagSample is an answer as the kernel sends it.
func diagSample(seq uint32, family byte, state SocketState, local, remote netip.AddrPort, inode uint32) []byte {
	p := make([]byte, diagAnswer)
	put := binary.NativeEndian.PutUint32
	put(p, diagAnswer)
	binary.NativeEndian.PutUint16(p[4:], diagByFamily)
	put(p[8:], seq)
	p[diagHeader], p[diagHeader+1] = family, byte(state)
	id := p[diagHeader+4:]
	binary.BigEndian.PutUint16(id, local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	copy(id[4:20], local.Addr().AsSlice())
	copy(id[20:36], remote.Addr().AsSlice())
	put(id[40:], 1)
	put(id[44:], 2)
	put(p[diagHeader+64:], 1000)
	put(p[diagHeader+68:], inode)
	return p
}

func diagEnd(seq uint32, kind uint16, errno unix.Errno) []byte {
	p := make([]byte, diagHeader+4)
	binary.NativeEndian.PutUint32(p, uint32(len(p)))
	binary.NativeEndian.PutUint16(p[4:], kind)
	binary.NativeEndian.PutUint32(p[8:], seq)
	binary.NativeEndian.PutUint32(p[diagHeader:], uint32(-int32(errno)))
	return p
}

func TestParseDiag(t *testing.T) {
	t.Parallel()
	end := netip.MustParseAddrPort
	one := diagSample(9, familyIPv4, Established, end("10.0.0.1:40000"), end("10.0.0.2:443"), 77)
	other := diagSample(9, familyIPv6, Listening, end("[::]:22"), netip.AddrPort{}, 78)
	mapped := diagSample(9, familyIPv6, SynSent, end("[::ffff:10.0.0.1]:1"), end("[::ffff:10.0.0.2]:2"), 79)
	stale := diagSample(8, familyIPv4, Established, end("10.0.0.1:40000"), end("10.0.0.2:443"), 70)
	interrupted := slices.Clone(one)
	binary.NativeEndian.PutUint16(interrupted[6:], nlInterrupted)
	var got []Socket
	take := func(s *Socket) { got = append(got, *s) }
	r, err := parseDiag(slices.Concat(one, stale, other, mapped), 9, "tcp", take)
	want := []Socket{
		{Protocol: "tcp", State: Established, Local: end("10.0.0.1:40000"), Remote: end("10.0.0.2:443"), UID: 1000, Inode: 77, cookie: 2<<32 | 1},
		{Protocol: "tcp", State: Listening, Local: end("[::]:22"), UID: 1000, Inode: 78, cookie: 2<<32 | 1},
		{Protocol: "tcp", State: SynSent, Local: end("10.0.0.1:1"), Remote: end("10.0.0.2:2"), UID: 1000, Inode: 79, cookie: 2<<32 | 1},
	}
	if err != nil || r != (diagReply{}) || !slices.Equal(got, want) {
		t.Errorf("%+v, %v\n got %+v\nwant %+v", r, err, got, want)
	}
	for _, tt := range []struct {
		name string
		in   []byte
		want diagReply
	}{
		{"the end", diagEnd(9, nlDone, 0), diagReply{done: true}},
		{"an error", diagEnd(9, nlError, unix.ENOENT), diagReply{done: true, errno: int32(unix.ENOENT)}},
		{"the end of another", diagEnd(8, nlDone, 0), diagReply{}},
		{"interrupted", interrupted, diagReply{interrupted: true}},
	} {
		if r, err := parseDiag(tt.in, 9, "tcp", take); err != nil || r != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, r, err)
		}
	}
	short := slices.Clone(one[:diagAnswer-4])
	binary.NativeEndian.PutUint32(short, diagAnswer-4)
	family := slices.Clone(one)
	family[diagHeader] = 1
	for _, bad := range [][]byte{one[:40], one[:diagHeader-1], short, family, make([]byte, diagHeader)} {
		if r, err := parseDiag(bad, 9, "tcp", take); err == nil {
			t.Errorf("%x: %+v", bad, r)
		}
	}
}

func FuzzParseDiag(f *testing.F) {
	end := netip.MustParseAddrPort
	f.Add(slices.Concat(diagSample(9, familyIPv4, Established, end("10.0.0.1:40000"), end("10.0.0.2:443"), 77), diagEnd(9, nlDone, 0)))
	f.Add(diagSample(9, familyIPv6, Listening, end("[::]:22"), netip.AddrPort{}, 78))
	f.Fuzz(func(t *testing.T, p []byte) {
		count := 0
		_, _ = parseDiag(p, 9, "tcp", func(s *Socket) {
			count++
			if !s.Local.IsValid() || s.Local.Addr().Is4In6() {
				t.Errorf("socket: %+v", s)
			}
		})
		if count > len(p)/diagAnswer {
			t.Errorf("%d sockets in %d bytes", count, len(p))
		}
	})
}
