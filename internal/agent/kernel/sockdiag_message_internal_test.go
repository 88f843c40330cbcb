//go:build linux

package kernel

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

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
