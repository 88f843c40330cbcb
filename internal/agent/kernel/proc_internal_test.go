//go:build linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const sampleStat = "1234 (a (b) c) S 7 1234 1234 0 -1 4194560 90 0 0 0 5 6 0 0 20 0 3 0 123456 7000000 800 18446744073709551615 94000 95000 140000 0 0 0 0\n"

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, err := parseStat([]byte(sampleStat))
	if err != nil {
		t.Fatal(err)
	}
	if got.pid != 1234 || got.ppid != 7 || string(got.comm) != "a (b) c" || got.threads != 3 || got.kernel() ||
		got.started() != 1234560*time.Millisecond || got.code != 94000 || got.stack != 140000 {
		t.Errorf("got %+v", got)
	}
	thread, err := parseStat([]byte("9 (kworker/0:1-events) I 2 0 0 0 -1 69238880 0 0 0 0 0 0 0 0 20 0 1 0 40 0 0 18446744073709551615 0 0 0 0 0\n"))
	if err != nil || !thread.kernel() {
		t.Errorf("a thread of the kernel is %+v, %v", thread, err)
	}
	for _, bad := range []string{"", "1 (", ") (", "x (a) S 1", "1 (a) S 1 2 3", "-1" + sampleStat[4:], strings.Replace(sampleStat, "123456", "x", 1)} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	got, err := parseStatus([]byte("Name:\tmy prog\nUmask:\t0022\nState:\tS (sleeping)\nPPid:\t17\nUid:\t1000\t0\t0\t0\nGid:\t5\t5\t5\t5\n"))
	if err != nil || string(got.name) != "my prog" || got.ppid != 17 || got.uid != 1000 {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "Name:\tx\n", "Uid:\n", "Uid:\t-1\n", "PPid:\tx\nUid:\t0\n"} {
		if got, err := parseStatus([]byte(bad)); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}

func TestCutArgs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", argsBytes)
	for _, tt := range []struct {
		name, in, want string
		cut            bool
	}{
		{"none", "", "", false},
		{"whole", "a\x00b\x00", "a\x00b\x00", false},
		{"without an end", "a b", "a b\x00", false},
		{"at the limit", long[1:] + "\x00", long[1:] + "\x00", false},
		{"at the limit without an end", long, long[1:] + "\x00", true},
		{"one over", long + "\x00", long[1:] + "\x00", true},
	} {
		if got, cut := cutArgs([]byte(tt.in)); string(got) != tt.want || cut != tt.cut {
			t.Errorf("%s: %d bytes, cut %v", tt.name, len(got), cut)
		}
	}
}

func dirent(name string) []byte {
	n := (direntName + len(name) + 1 + 7) &^ 7
	p := make([]byte, n)
	binary.NativeEndian.PutUint16(p[direntLength:], uint16(n))
	copy(p[direntName:], name)
	return p
}

func TestParseDirents(t *testing.T) {
	t.Parallel()
	all := slices.Concat(dirent("."), dirent(".."), dirent("1"), dirent("self"), dirent("4194304"))
	var got []string
	more, err := parseDirents(all, func(name []byte) bool { got = append(got, string(name)); return true })
	if !more || err != nil || !slices.Equal(got, []string{"1", "self", "4194304"}) {
		t.Errorf("got %q, %v, %v", got, more, err)
	}
	if more, err := parseDirents(all, func([]byte) bool { return false }); more || err != nil {
		t.Errorf("went on: %v, %v", more, err)
	}
	short, zero, noEnd := dirent("1"), dirent("1"), bytes.Repeat([]byte("x"), 24)
	binary.NativeEndian.PutUint16(zero[direntLength:], 0)
	binary.NativeEndian.PutUint16(noEnd[direntLength:], 24)
	for _, bad := range [][]byte{short[:len(short)-1], zero, short[:5], noEnd} {
		if _, err := parseDirents(bad, func([]byte) bool { return true }); err == nil {
			t.Errorf("%x was taken", bad)
		}
	}
}

func TestProcessOfThisMachine(t *testing.T) {
	t.Parallel()
	self, err := Process(int32(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	exe, deleted := strings.CutSuffix(exe, " (deleted)")
	if int(self.PPID) != os.Getppid() || int(self.UID) != os.Getuid() || self.Exe != exe || self.Deleted != deleted || self.Kernel ||
		!strings.HasPrefix(exe, "/") || !strings.HasPrefix(string(self.Args), os.Args[0]+"\x00") || self.Comm == "" {
		t.Errorf("this process is %+v", self)
	}
	if age := time.Since(self.Start); age < -time.Second || age > time.Hour {
		t.Errorf("this process started %v ago", age)
	}
	if _, err := Process(math.MaxInt32); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that cannot be: %v", err)
	}
	found := false
	err = Processes(func(p Proc) bool {
		found = found || p.PID == self.PID && p.Start.Sub(self.Start).Abs() < time.Second && p.Exe == self.Exe
		return !found
	})
	if err != nil || !found {
		t.Errorf("this process is not among all: %v", err)
	}
}

const sampleTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000000000000000 100 0 0 10 0                     
   1: 0100007F:9C40 0200A8C0:01BB 01 00000000:00000000 02:000A7214 00000000     0        0 678 2 0000000000000000 20 4 30 10 -1
`

const sampleTCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0000000000000000 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 778 1 0000000000000000 100 0 0 10 0
   2: B80D0120000000000000000001000000:0035 000080FE000000000000000002000000:0036 02 00000000:00000000 00:00000000 00000000    33        0 0 1 0000000000000000 100 0 0 10 0
`

func TestParseNet(t *testing.T) {
	t.Parallel()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the samples are of a little endian machine")
	}
	end := netip.MustParseAddrPort
	want := []Socket{
		{Protocol: "tcp", State: Listening, Local: end("127.0.0.1:22"), UID: 1000, Inode: 12345},
		{Protocol: "tcp", State: Established, Local: end("127.0.0.1:40000"), Remote: end("192.168.0.2:443"), Inode: 678},
		{Protocol: "tcp", State: Listening, Local: end("[::]:8080"), Inode: 777},
		{Protocol: "tcp", State: Established, Local: end("127.0.0.1:8080"), Remote: end("127.0.0.1:32768"), Inode: 778},
		{Protocol: "tcp", State: SynSent, Local: end("[2001:db8::1]:53"), Remote: end("[fe80::2]:54"), UID: 33},
	}
	var got []Socket
	take := func(s *Socket) bool { got = append(got, *s); return true }
	if err := errors.Join(ParseNet([]byte(sampleTCP), "tcp", take), ParseNet([]byte(sampleTCP6), "tcp", take)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	got = nil
	err := ParseNet([]byte(strings.Replace(sampleTCP, ":0016", ":0x16", 1)), "tcp", take)
	if err == nil || !strings.Contains(err.Error(), "line 2") || !slices.Equal(got, want[1:2]) {
		t.Errorf("with a malformed line: %+v, %v", got, err)
	}
	got = nil
	if err := ParseNet([]byte(sampleTCP), "tcp", func(s *Socket) bool { take(s); return false }); err != nil || len(got) != 1 {
		t.Errorf("went on: %+v, %v", got, err)
	}
}

// TestReadNet has files that are longer than what is read at a time.
func TestReadNet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	head, line, _ := strings.Cut(sampleTCP, "\n")
	line, _, _ = strings.Cut(line, "\n")
	const count = 1000
	if err := os.Mkdir(filepath.Join(dir, "net"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"tcp":  head + "\n" + strings.Repeat(line+"\n", count) + line[:20], // the last line is being written
		"tcp6": strings.Repeat("x", 3*netBuffer),
		"udp":  "",
	} {
		if err := os.WriteFile(filepath.Join(dir, "net", name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := openProc(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for name, want := range map[string]int{"tcp": count, "tcp6": 0, "udp": 0} {
		got := 0
		if err := p.readNet(name, func(s *Socket) bool { got++; return s.Inode == 12345 }); err != nil || got != want {
			t.Errorf("%s: %d sockets, want %d; %v", name, got, want, err)
		}
	}
	if err := p.readNet("udp6", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestOwnersOfThisMachine(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := portOf(l.Addr())
	var mine Socket
	if err := ReadNet("tcp", func(s *Socket) bool {
		if s.State == Listening && s.Local.Port() == port {
			mine = *s
		}
		return mine.Inode == 0
	}); err != nil {
		t.Fatal(err)
	}
	if mine.Local.String() != l.Addr().String() || int(mine.UID) != os.Getuid() {
		t.Fatalf("the socket is %+v, want it at %v", mine, l.Addr())
	}
	owners := map[uint64]int32{mine.Inode: 0, math.MaxUint64: 0}
	if _, err := Owners(owners); err != nil {
		t.Fatal(err)
	}
	if int(owners[mine.Inode]) != os.Getpid() || owners[math.MaxUint64] != 0 {
		t.Errorf("the owners are %v, want %d", owners, os.Getpid())
	}
}

func FuzzProcFiles(f *testing.F) {
	for _, s := range []string{sampleStat, "Name:\tx\nPPid:\t1\nUid:\t0\t0\n", sampleTCP, sampleTCP6, "socket:[12]", "a\x00b\x00", string(dirent("12"))} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if s, err := parseStat(p); err == nil && (s.pid <= 0 || s.started() < 0) {
			t.Errorf("stat: %+v", s)
		}
		if s, err := parseStatus(p); err == nil && len(s.name) > len(p) {
			t.Errorf("status: %+v", s)
		}
		if args, _ := cutArgs(p); len(args) > argsBytes || len(args) > 0 && args[len(args)-1] != 0 {
			t.Errorf("%d bytes of arguments, the last of which is no NUL", len(args))
		}
		_ = ParseNet(p, "tcp", func(s *Socket) bool {
			if !s.Local.IsValid() || s.Local.Addr().Is4In6() {
				t.Errorf("socket: %+v", s)
			}
			return true
		})
		if n, ok := parseSocketLink(p); ok && n == 0 && !bytes.Contains(p, []byte("0")) {
			t.Errorf("link: %d", n)
		}
		if n, ok := parsePID(p); ok && strconv.Itoa(int(n)) != string(p) {
			t.Errorf("%q is %d", p, n)
		}
		_, _ = parseDirents(p, func(name []byte) bool {
			if len(name) == cap(name) || name[:len(name)+1][len(name)] != 0 {
				t.Errorf("no NUL follows %q", name)
			}
			return true
		})
	})
}
