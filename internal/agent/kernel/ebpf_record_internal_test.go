package kernel

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ringRecord writes the head of a record, and rest behind it.
func ringRecord(k Kind, flags byte, half uint16, word uint32, ports [4]byte, rest string) []byte {
	p := []byte{byte(k), flags}
	p = binary.NativeEndian.AppendUint16(p, half)
	p = binary.NativeEndian.AppendUint32(p, 42)
	p = binary.NativeEndian.AppendUint64(p, uint64(90*time.Second))
	p = binary.NativeEndian.AppendUint32(p, 7)
	p = binary.NativeEndian.AppendUint32(p, 1000)
	p = binary.NativeEndian.AppendUint32(p, word)
	p = append(p, ports[:]...)
	p = append(p, "a name\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	return append(p, rest...)
}

var (
	ports   = [4]byte{0x1f, 0x90, 0xc0, 0x01} // 8080, 49153
	zero12  = strings.Repeat("\x00", 12)
	loop4   = "\x7f\x00\x00\x01" + zero12 + "\x0a\x00\x00\x02" + zero12
	loop6   = zero12 + "\x00\x00\x00\x01" + "\x20\x01\x0d\xb8" + zero12
	mapped6 = zero12[:10] + "\xff\xff\x7f\x00\x00\x01" + zero12[:10] + "\xff\xff\x0a\x00\x00\x02"
)

func TestDecodeRecord(t *testing.T) {
	t.Parallel()
	boot := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	base := Happening{At: boot.Add(90 * time.Second), PID: 42, ParentPID: 7, Name: []byte("a name")}
	with := func(f func(*Happening)) Happening {
		h := base
		f(&h)
		return h
	}
	ends := func(k Kind, local, remote string) Happening {
		return with(func(h *Happening) {
			h.Kind, h.Protocol = k, "tcp"
			h.Local = netip.MustParseAddrPort(local)
			if remote != "" {
				h.Remote = netip.MustParseAddrPort(remote)
			}
		})
	}
	for _, tt := range []struct {
		name string
		p    []byte
		want Happening
	}{
		{"a fork", ringRecord(Fork, 0, 0, 0, [4]byte{}, ""), with(func(h *Happening) { h.Kind = Fork })},
		{"an exit", ringRecord(Exit, 0, 0, 0x8b, [4]byte{}, ""), with(func(h *Happening) { h.Kind, h.Status = Exit, 0x8b })},
		{"an exec", ringRecord(Exec, flagUID|flagArgsCut, 8, 8, [4]byte{}, "/bin/ls\x00ls\x00-la\x00x\x00more"), with(func(h *Happening) {
			h.Kind, h.UID, h.HasUID, h.Path, h.Args, h.ArgsCut = Exec, 1000, true, []byte("/bin/ls"), []byte("ls\x00-la\x00x"), true
		})},
		{"an exec of nothing known", ringRecord(Exec, flagArgsMissing, 0, 0, [4]byte{}, ""), with(func(h *Happening) {
			h.Kind, h.ArgsMissing, h.Path, h.Args = Exec, true, []byte{}, []byte{}
		})},
		{"IPv4", ringRecord(Connect, 0, familyInet, 0, ports, loop4), ends(Connect, "127.0.0.1:8080", "10.0.0.2:49153")},
		{"IPv6", ringRecord(Accept, 0, familyInet6, 0, ports, loop6), ends(Accept, "[::1]:8080", "[2001:db8::]:49153")},
		{"IPv4 in IPv6", ringRecord(Refused, 0, familyInet6, 0, ports, mapped6), ends(Refused, "127.0.0.1:8080", "10.0.0.2:49153")},
		{"listening", ringRecord(Listen, 0, familyInet, 0, ports, loop4), ends(Listen, "127.0.0.1:8080", "")},
		{"no longer listening", ringRecord(Unlisten, 0, familyInet, 0, ports, loop4), ends(Unlisten, "127.0.0.1:8080", "")},
	} {
		var got Happening
		if err := decodeRecord(tt.p, boot, &got); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if d := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	t.Parallel()
	for name, p := range map[string][]byte{
		"nothing":            nil,
		"a short head":       ringRecord(Fork, 0, 0, 0, [4]byte{}, "")[:recHead-1],
		"no kind":            ringRecord(0, 0, 0, 0, [4]byte{}, ""),
		"an unknown kind":    ringRecord(Unlisten+1, 0, 0, 0, [4]byte{}, loop4),
		"a path too long":    ringRecord(Exec, 0, 9, 0, [4]byte{}, "/bin/ls\x00"),
		"arguments too long": ringRecord(Exec, 0, 8, 1, [4]byte{}, "/bin/ls\x00"),
		"huge arguments":     ringRecord(Exec, 0, 0, 0xffffffff, [4]byte{}, loop4),
		"a short socket":     ringRecord(Connect, 0, familyInet, 0, ports, loop4[:31]),
		"another family":     ringRecord(Connect, 0, 1, 0, ports, loop4),
	} {
		if err := decodeRecord(p, time.Time{}, new(Happening)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(ringRecord(Fork, 0, 0, 0, [4]byte{}, ""))
	f.Add(ringRecord(Exec, flagUID, 8, 8, [4]byte{}, "/bin/ls\x00ls\x00-la\x00\x00"))
	f.Add(ringRecord(Connect, 0, familyInet, 0, ports, loop4))
	f.Add(ringRecord(Accept, 0, familyInet6, 0, ports, mapped6))
	f.Fuzz(func(t *testing.T, p []byte) {
		var h Happening
		if decodeRecord(p, time.Unix(0, 0), &h) != nil {
			return
		}
		if h.Kind < Fork || h.Kind > Unlisten || len(h.Args) > argsBytes || len(h.Name) > nameBytes || h.Remote.Addr().Is4In6() || h.Local.Addr().Is4In6() {
			t.Errorf("%x is %+v", p, h)
		}
	})
}
