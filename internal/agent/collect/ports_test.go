//go:build linux

package collect_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/security/event"
)

// The main thread, which /proc/net is about, stays out of the network namespaces
// into which other tests take the threads that they get.
func init() { runtime.LockOSThread() } //nolint:gochecknoinits // only there the main thread is certain

const netHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

// row is a line of /proc/net, of a machine with the least byte first.
func row(local, remote, state string, inode int) string {
	return fmt.Sprintf("   0: %s %s %s 00000000:00000000 00:00000000 00000000     0        0 %d 1 0000000000000000 100 0 0 10 0\n", local, remote, state, inode)
}

const (
	any4, any6 = "00000000:", "00000000000000000000000000000000:"
	none4      = "00000000:0000"
	none6      = "00000000000000000000000000000000:0000"
	mapped     = "0000000000000000FFFF00000100007F:" // ::ffff:127.0.0.1
)

func TestPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := fstest.MapFS{
			"proc/net/tcp": {Data: []byte(netHead +
				row(any4+"0016", none4, "0A", 1) +
				row("0100007F:0016", none4, "0A", 2) +
				row("0500000A:0016", "046433C6:9C56", "01", 3) + // a connection
				row(any4+"0016", none4, "0A", 4))}, // SO_REUSEPORT
			"proc/net/tcp6": {Data: []byte(netHead + row(any6+"0016", none6, "0A", 5) + row(mapped+"0016", none6, "0A", 6) + row(any6+"1F90", none6, "0A", 7))},
			"proc/net/udp": {Data: []byte(netHead +
				row(any4+"0044", none4, "07", 8) +
				row("0500000A:0045", "046433C6:0035", "01", 9) + // connected
				row(any4+"0000", none4, "07", 10) + // not bound
				row(any4+"9C56", none4, "07", 11) + // 40022: a client's, maybe
				row(any4+"CA6C", none4, "07", 0))}, // 51820: the kernel's own
			"proc/net/raw6":                         {Data: []byte(netHead + row(any6+"003A", none6, "07", 12))},
			"proc/sys/net/ipv4/ip_local_port_range": {Data: []byte("32768\t60999\n")},
		}
		p := collect.NewPorts(fsys, collect.PortOptions{
			Owners: func(inodes map[uint64]int32) (int, error) {
				for i := range inodes {
					if i != 8 {
						inodes[i] = int32(100 + i)
					}
				}
				return 3, nil
			},
			Executable: func(pid int32) string {
				if pid == 107 {
					return ""
				}
				return fmt.Sprintf("/bin/%d", pid)
			},
		})
		port := func(protocol, address, port string, inode int) *event.ListeningPorts {
			it := &event.ListeningPorts{Protocol: protocol, LocalAddress: address, LocalPort: port, RemoteAddress: "0.0.0.0", RemotePort: "*"}
			if strings.Contains(address, ":") {
				it.RemoteAddress = "::"
			}
			if inode > 0 {
				it.Extra = event.Details{{Name: "Pid", Value: fmt.Sprint(100 + inode)}}
				if inode != 7 {
					it.Extra = append(it.Extra, event.Detail{Name: "Executable", Value: fmt.Sprintf("/bin/%d", 100+inode)})
				}
			}
			return it
		}
		client := port("udp", "0.0.0.0", "40022", 11)
		want := []event.Item{
			port("raw", "::", "58", 12),
			port("tcp", "0.0.0.0", "22", 1), port("tcp", "127.0.0.1", "22", 2), port("tcp", "::", "22", 5), port("tcp", "::", "8080", 7),
			port("udp", "0.0.0.0", "68", 0), client, port("udp", "0.0.0.0", "51820", 0),
		}
		for _, c := range []struct {
			after time.Duration
			young bool
		}{{0, true}, {59 * time.Second, true}, {time.Second, false}, {time.Hour, false}} {
			<-time.After(c.after)
			items, err := p.Take(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := want
			if c.young {
				want = append(append([]event.Item(nil), want[:6]...), want[7])
			}
			if d := cmp.Diff(want, items); d != "" {
				t.Errorf("%v later: %s", c.after, d)
			}
			if s := p.Sight(); s.Extent != collect.Partial || !strings.Contains(s.Why, "which process") {
				t.Errorf("%+v", s)
			}
		}
		// The port is another client's now.
		fsys["proc/net/udp"].Data = []byte(netHead + row(any4+"9C56", none4, "07", 13))
		items, err := p.Take(t.Context())
		if err != nil || len(items) != 5 {
			t.Errorf("%v, %v", items, err)
		}
		if s := p.Sight(); s.Extent != collect.Partial || !strings.HasPrefix(s.Why, "1 UDP socket") {
			t.Errorf("%+v", s)
		}
		delete(fsys, "proc/net/udp")
		if _, err = p.Take(t.Context()); err != nil || p.Sight().Extent != collect.Full {
			t.Errorf("%v, %+v", err, p.Sight())
		}
		fsys["proc/net/udp"] = &fstest.MapFile{Data: []byte(netHead + "x: y z\n" + row(any4+"0035", none4, "07", 14))}
		if items, err = p.Take(t.Context()); err != nil || len(items) != 6 || p.Sight().Extent != collect.Partial {
			t.Errorf("with a malformed line: %v, %v, %+v", items, err, p.Sight())
		}
	})
}

func TestPortsAtTheLimits(t *testing.T) {
	var rows strings.Builder
	rows.WriteString(netHead)
	for i := range 5000 { // many pieces
		rows.WriteString(row(fmt.Sprintf("%08X:%04X", 0x0a000000+i, 80), none4, "0A", i+1))
	}
	nobody := func(map[uint64]int32) (int, error) { return 0, nil }
	fsys := fstest.MapFS{"proc/net/tcp": {Data: []byte(rows.String())}}
	p := collect.NewPorts(fsys, collect.PortOptions{Owners: nobody})
	items, err := p.Take(t.Context())
	if err != nil || len(items) != 4096 || !strings.Contains(p.Sight().Why, "904 endpoints more") {
		t.Errorf("%d, %v, %+v", len(items), err, p.Sight())
	}
	if items, err := collect.NewPorts(fstest.MapFS{}, collect.PortOptions{Owners: nobody}).Take(t.Context()); err == nil {
		t.Errorf("without /proc/net: %v", items)
	}
	broken := errors.New("broken")
	if _, err := collect.NewPorts(fsys, collect.PortOptions{Owners: func(map[uint64]int32) (int, error) { return 0, broken }}).Take(t.Context()); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// Of the ports of this machine that which this test listens at is there, with
// this process, and that which may be a client's is not.
func TestPortsHere(t *testing.T) {
	var lc net.ListenConfig
	tcp, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	client, err := lc.ListenPacket(t.Context(), "udp", "127.0.0.1:0") // as a client's
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	items, err := collect.NewPorts(os.DirFS("/"), collect.PortOptions{}).Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(tcp.Addr().(*net.TCPAddr).Port)
	want := &event.ListeningPorts{
		Protocol: "tcp", LocalAddress: "127.0.0.1", LocalPort: port, RemoteAddress: "0.0.0.0", RemotePort: "*",
		Extra: event.Details{{Name: "Pid", Value: fmt.Sprint(os.Getpid())}, {Name: "Executable", Value: me}},
	}
	var mine []event.Item
	for _, it := range items {
		p := it.(*event.ListeningPorts)
		if p.LocalPort == port && p.Protocol == "tcp" || p.LocalPort == fmt.Sprint(client.LocalAddr().(*net.UDPAddr).Port) && p.Protocol == "udp" {
			mine = append(mine, it)
		}
	}
	if d := cmp.Diff([]event.Item{want}, mine); d != "" {
		t.Error(d)
	}
}
