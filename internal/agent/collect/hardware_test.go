//go:build linux

package collect_test

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// sysTree makes a file system of lines "path=text"; "path->target" is a link.
func sysTree(lines ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for _, l := range lines {
		if from, to, ok := strings.Cut(l, "->"); ok {
			m[from] = &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink | 0o777}
			continue
		}
		name, text, _ := strings.Cut(l, "=")
		m[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o444}
	}
	return m
}

func hardwarePart(category, sub, name, port string, ids ...string) *event.ConnectedHardware {
	h := &event.ConnectedHardware{HardwareCategory: category, HardwareSubCategory: sub, HardwareName: name}
	if len(ids) == 2 {
		h.Extra = event.Details{{Name: "VendorId", Value: ids[0]}, {Name: "ProductId", Value: ids[1]}}
	}
	h.Extra = append(h.Extra, event.Detail{Name: "Port", Value: port})
	return h
}

// readable fails unless the hub reads items as they are.
func readable(t *testing.T, kind event.Kind, items []event.Item) {
	t.Helper()
	payload := []byte{'['}
	for i, it := range items {
		if i > 0 {
			payload = append(payload, ',')
		}
		payload = schema.AppendItem(payload, it)
	}
	got, err := schema.Items(kind, append(payload, ']'))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(items, got); d != "" {
		t.Errorf("the hub reads it differently: %s", d)
	}
}

func TestHardware(t *testing.T) {
	root := sysTree(
		"sys/bus/usb/devices/usb1/bDeviceClass=09\n", "sys/bus/usb/devices/usb1/idVendor=1d6b\n", "sys/bus/usb/devices/usb1/idProduct=0002\n",
		"sys/bus/usb/devices/usb1/manufacturer=Linux 6.1 xhci-hcd\n", "sys/bus/usb/devices/usb1/product=xHCI Host Controller\n", "sys/bus/usb/devices/usb1/serial=0000:01:00.0\n",
		"sys/bus/usb/devices/1-10/bDeviceClass=00\n", "sys/bus/usb/devices/1-10/idVendor=0403\n", "sys/bus/usb/devices/1-10/idProduct=6001\n",
		"sys/bus/usb/devices/1-10/1-10:1.0/bInterfaceClass=ff\n", "sys/bus/usb/devices/1-10/serial=A1B2C3\n",
		"sys/bus/usb/devices/1-2/bDeviceClass=00\n", "sys/bus/usb/devices/1-2/idVendor=0781\n", "sys/bus/usb/devices/1-2/idProduct=5567\n",
		"sys/bus/usb/devices/1-2/product=Cruzer Blade\n", "sys/bus/usb/devices/1-2/1-2:1.0/bInterfaceClass=08\n",
		"sys/bus/usb/devices/1-2:1.0/bInterfaceClass=08\n",
		"sys/bus/pci/devices/0000:00:1f.0/class=0x020000\n", "sys/bus/pci/devices/0000:00:1f.0/vendor=0x8086\n", "sys/bus/pci/devices/0000:00:1f.0/device=0x15bb\n",
		"sys/devices/x/sda/removable=0\n", "sys/devices/x/sda/device/vendor=ATA     \n", "sys/devices/x/sda/device/model=WDC WD10EZEX\n", "sys/devices/x/sda/queue/rotational=1\n",
		"sys/devices/x/sda/sda1/partition=1\n", "sys/devices/x/mmcblk0/device/name=SC16G\n",
		"sys/devices/virtual/loop0/removable=0\n",
		"sys/class/block/sda->../../devices/x/sda", "sys/class/block/sda1->../../devices/x/sda/sda1", "sys/class/block/mmcblk0->../../devices/x/mmcblk0",
		"sys/class/block/loop0->../../devices/virtual/loop0",
		"sys/devices/y/eth0/type=1\n", "sys/devices/y/eth0/device/uevent=DRIVER=e1000e\nPCI_CLASS=20000\n", "sys/devices/y/eth0/address=00:11:22:33:44:55\n",
		"sys/devices/y/wlan0/type=1\n", "sys/devices/y/wlan0/uevent=DEVTYPE=wlan\nINTERFACE=wlan0\n", "sys/devices/virtual/net/lo/type=772\n",
		"sys/class/net/eth0->../../devices/y/eth0", "sys/class/net/wlan0->../../devices/y/wlan0", "sys/class/net/lo->../../devices/virtual/net/lo",
		"sys/devices/z/ttyS0/type=4\n", "sys/devices/z/ttyS1/type=0\n", "sys/devices/z/ttyUSB0/device/uevent=DRIVER=ftdi_sio\n",
		"sys/class/tty/ttyS0->../../devices/z/ttyS0", "sys/class/tty/ttyS1->../../devices/z/ttyS1", "sys/class/tty/ttyUSB0->../../devices/z/ttyUSB0",
	)
	h := collect.NewHardware(root)
	if s := h.Sight(); s.Extent != collect.Full {
		t.Errorf("sight %+v", s)
	}
	got, err := h.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	readable(t, event.ConnectedHardwareKind, got)
	want := []event.Item{
		hardwarePart("USB", "Mass storage", "Cruzer Blade", "1-2", "0781", "5567"),
		hardwarePart("USB", "Vendor specific", "0403:6001", "1-10", "0403", "6001"),
		hardwarePart("USB", "Hub", "Linux 6.1 xhci-hcd xHCI Host Controller", "usb1", "1d6b", "0002"),
		hardwarePart("PCI", "Ethernet controller", "8086:15bb", "0000:00:1f.0", "8086", "15bb"),
		hardwarePart("Block", "Hard drive", "ATA WDC WD10EZEX", "sda"),
		hardwarePart("Block", "Memory card", "SC16G", "mmcblk0"),
		hardwarePart("Network", "Ethernet", "eth0 (e1000e)", "eth0"),
		hardwarePart("Network", "Wireless", "wlan0", "wlan0"),
		hardwarePart("Serial", "Serial port", "ttyS0", "ttyS0"),
		hardwarePart("Serial", "USB serial port", "ttyUSB0 (ftdi_sio)", "ttyUSB0"),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestHardwareWithoutSys(t *testing.T) {
	h := collect.NewHardware(sysTree("etc/passwd="))
	if s := h.Sight(); s.Extent != collect.Nothing || s.Why == "" || s.Remedy == "" {
		t.Errorf("sight %+v", s)
	}
	if items, err := h.Take(t.Context()); err == nil || len(items) > 0 {
		t.Errorf("got %v, %v, want an error", items, err)
	}
}

// TestHardwareHere compares with what the folders of this machine hold.
func TestHardwareHere(t *testing.T) {
	h := collect.NewHardware(os.DirFS("/"))
	if h.Sight().Extent == collect.Nothing {
		t.Skip("no /sys here")
	}
	items, err := h.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, it := range items {
		if it.(*event.ConnectedHardware).HardwareCategory == "PCI" {
			n++
		}
		if it.(*event.ConnectedHardware).HardwareName == "" {
			t.Errorf("no name: %+v", it)
		}
	}
	if there, _ := os.ReadDir("/sys/bus/pci/devices"); len(there) != n {
		t.Errorf("%d parts on PCI, want %d", n, len(there))
	}
	again, err := h.Take(t.Context())
	if err != nil || !cmp.Equal(items, again) {
		t.Errorf("the second snapshot differs: %v\n%s", err, cmp.Diff(items, again))
	}
}

func TestHardwareChange(t *testing.T) {
	for _, c := range []struct {
		message string
		want    bool
	}{
		{"add@/devices/pci0000:00/usb1/1-2\x00ACTION=add\x00SUBSYSTEM=usb\x00SEQNUM=7\x00", true},
		{"remove@/devices/platform/net/eth1\x00SUBSYSTEM=net\x00", true},
		{"change@/devices/pci0000:00/usb1/1-2\x00SUBSYSTEM=usb\x00", false},
		{"add@/devices/virtual/net/veth1\x00SUBSYSTEM=net\x00", false},
		{"add@/module/x\x00SUBSYSTEM=module\x00", false},
		{"add@/devices/x", false},
		{"", false},
	} {
		if got := collect.HardwareChange([]byte(c.message)); got != c.want {
			t.Errorf("%q: got %v", c.message, got)
		}
	}
}

func FuzzHardwareChange(f *testing.F) {
	f.Add([]byte("add@/devices/x\x00SUBSYSTEM=usb\x00"))
	f.Add([]byte("libudev\x00\xfe\xed\xca\xfe"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if collect.HardwareChange(b) && !strings.Contains(string(b), "SUBSYSTEM=") {
			t.Errorf("%q is told as a change", b)
		}
	})
}

// TestHardwareChangesEnd hears the kernel until it is told to stop.
func TestHardwareChangesEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- collect.HardwareChanges(ctx, func() {}) }()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
