//go:build linux

package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Hardware takes the connected parts (asc §3.5 ConnectedHardware) from /sys:
// the devices on USB and PCI, drives, network interfaces, serial ports. The
// category is "USB", "PCI", "Block", "Network" or "Serial", the sub-category the
// name of the device's class. ExtraDetails have VendorId and ProductId (four
// hexadecimal digits) and Port, the place where it is connected. Serial numbers
// and addresses of hardware are not told: they name people's belongings.
// Devices that are made of software alone (loop, bridges, lo) are left out.
type Hardware struct{ root fs.FS }

// NewHardware returns the snapshot of the parts in the sys folder of root, such
// as os.DirFS("/").
func NewHardware(root fs.FS) *Hardware { return &Hardware{root} }

// Kind returns [event.ConnectedHardwareKind].
func (h *Hardware) Kind() event.Kind { return event.ConnectedHardwareKind }

// Sight says whether there is a /sys to look at.
func (h *Hardware) Sight() Sight {
	s := Sight{Name: "hardware", Extent: Full, Source: "/sys"}
	if err := h.there(); err != nil {
		s.Extent, s.Why = Nothing, "There is no /sys, or nothing in it, as in some containers."
		s.Remedy = "Mount sysfs at /sys, or give the agent's container the host's /sys to read."
	}
	return s
}

func (h *Hardware) there() error {
	for _, dir := range []string{"sys/bus", "sys/class"} {
		if list, err := fs.ReadDir(h.root, dir); err == nil && len(list) > 0 {
			return nil
		}
	}
	return errors.New("hardware: /sys has no devices: mount sysfs there")
}

// maxHardware bounds the items of a snapshot.
const maxHardware = 1000

// Take returns the parts, in the order of the categories and of their ports.
func (h *Hardware) Take(ctx context.Context) ([]event.Item, error) {
	if err := h.there(); err != nil {
		return nil, err
	}
	var items []event.Item
	for _, c := range []struct {
		dir  string
		read func(dir string) (*event.ConnectedHardware, error)
	}{
		{"sys/bus/usb/devices", h.usb},
		{"sys/bus/pci/devices", h.pci},
		{"sys/class/block", h.block},
		{"sys/class/net", h.network},
		{"sys/class/tty", h.serial},
	} {
		names, err := h.list(c.dir)
		if err != nil {
			return nil, fmt.Errorf("hardware: %w", err)
		}
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			it, err := c.read(path.Join(c.dir, name))
			if err != nil {
				return nil, fmt.Errorf("hardware: %w", err)
			}
			if it == nil {
				continue
			}
			if len(items) == maxHardware {
				items = append(items, &event.ConnectedHardware{HardwareCategory: "Other", HardwareSubCategory: "More", HardwareName: fmt.Sprintf("more than %d parts; the rest is not told", maxHardware)})
				return items, nil
			}
			it.Extra = append(it.Extra, event.Detail{Name: "Port", Value: name})
			items = append(items, it)
		}
	}
	return items, nil
}

// list returns the names in a folder of /sys in a stable order: by length
// first, so that 1-10 is behind 1-9. A folder that is not there is empty.
func (h *Hardware) list(dir string) ([]string, error) {
	entries, err := fs.ReadDir(h.root, dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	return names, nil
}

// usb reads a device on USB. Interfaces ("1-1:1.0") are parts of a device.
func (h *Hardware) usb(dir string) (*event.ConnectedHardware, error) {
	if strings.Contains(path.Base(dir), ":") {
		return nil, nil
	}
	t, err := h.texts(dir, "bDeviceClass", "manufacturer", "product", "idVendor", "idProduct")
	if err != nil || t[3] == "" {
		return nil, err
	}
	class := t[0]
	if class == "00" || class == "ef" {
		// The interfaces say what it is; the first one of a device names it.
		names, err := h.list(dir)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if !strings.HasPrefix(n, path.Base(dir)+":") {
				continue
			}
			c, err := textOf(h.root, path.Join(dir, n, "bInterfaceClass"))
			if err != nil {
				return nil, err
			}
			if c != "" {
				class = c
				break
			}
		}
	}
	return &event.ConnectedHardware{
		HardwareCategory: "USB", HardwareSubCategory: usbClass(class),
		HardwareName: cmp.Or(strings.TrimSpace(t[1]+" "+t[2]), t[3]+":"+t[4]), Extra: hardwareIDs(t[3], t[4]),
	}, nil
}

func (h *Hardware) pci(dir string) (*event.ConnectedHardware, error) {
	t, err := h.texts(dir, "class", "vendor", "device", "label")
	if err != nil || t[1] == "" {
		return nil, err
	}
	vendor, device := strings.TrimPrefix(t[1], "0x"), strings.TrimPrefix(t[2], "0x")
	return &event.ConnectedHardware{
		HardwareCategory: "PCI", HardwareSubCategory: pciClass(strings.TrimPrefix(t[0], "0x")),
		HardwareName: cmp.Or(t[3], vendor+":"+device), Extra: hardwareIDs(vendor, device),
	}, nil
}

// block reads a drive; partitions are parts of one, and drives without a device
// below them are software.
func (h *Hardware) block(dir string) (*event.ConnectedHardware, error) {
	if virtual, err := h.virtual(dir); virtual || err != nil {
		return nil, err
	}
	t, err := h.texts(dir, "partition", "removable", "device/vendor", "device/model", "device/name", "queue/rotational")
	if err != nil || t[0] != "" {
		return nil, err
	}
	sub := "Solid state drive"
	switch name := path.Base(dir); {
	case strings.HasPrefix(name, "sr"):
		sub = "Optical drive"
	case strings.HasPrefix(name, "mmcblk"):
		sub = "Memory card"
	case t[1] == "1":
		sub = "Removable drive"
	case strings.HasPrefix(name, "vd"), strings.HasPrefix(name, "xvd"):
		sub = "Virtual drive"
	case t[5] == "1":
		sub = "Hard drive"
	}
	maker := t[2]
	if strings.HasPrefix(maker, "0x") {
		maker = "" // virtio has a number there
	}
	return &event.ConnectedHardware{
		HardwareCategory: "Block", HardwareSubCategory: sub,
		HardwareName: cmp.Or(strings.TrimSpace(maker+" "+cmp.Or(t[3], t[4])), path.Base(dir)),
	}, nil
}

// network reads a network interface that has hardware below it.
func (h *Hardware) network(dir string) (*event.ConnectedHardware, error) {
	if virtual, err := h.virtual(dir); virtual || err != nil {
		return nil, err
	}
	t, err := h.texts(dir, "type", "device/uevent", "uevent")
	if err != nil || t[0] == "" {
		return nil, err
	}
	sub := "Other"
	switch kind := ueventVariable(t[2], "DEVTYPE"); {
	case kind == "wlan":
		sub = "Wireless"
	case kind == "wwan":
		sub = "Mobile network"
	case t[0] == "1": // ARPHRD_ETHER
		sub = "Ethernet"
	case t[0] == "280": // ARPHRD_CAN
		sub = "CAN"
	case t[0] == "512": // ARPHRD_PPP
		sub = "PPP"
	}
	name := path.Base(dir)
	if d := ueventVariable(t[1], "DRIVER"); d != "" {
		name += " (" + d + ")"
	}
	return &event.ConnectedHardware{HardwareCategory: "Network", HardwareSubCategory: sub, HardwareName: name}, nil
}

// serial reads a serial port. The ports that a driver has in store without
// hardware behind them have type 0 (PORT_UNKNOWN) and are left out.
func (h *Hardware) serial(dir string) (*event.ConnectedHardware, error) {
	if virtual, err := h.virtual(dir); virtual || err != nil {
		return nil, err
	}
	t, err := h.texts(dir, "type", "device/uevent")
	if err != nil {
		return nil, err
	}
	name := path.Base(dir)
	usb := strings.HasPrefix(name, "ttyUSB") || strings.HasPrefix(name, "ttyACM")
	if !usb && (t[0] == "" || t[0] == "0") {
		return nil, nil
	}
	sub := "Serial port"
	if usb {
		sub = "USB serial port"
	}
	if d := ueventVariable(t[1], "DRIVER"); d != "" {
		name += " (" + d + ")"
	}
	return &event.ConnectedHardware{HardwareCategory: "Serial", HardwareSubCategory: sub, HardwareName: name}, nil
}

// virtual reports whether a device of a class is software: it is kept below
// /sys/devices/virtual.
func (h *Hardware) virtual(dir string) (bool, error) {
	to, err := fs.ReadLink(h.root, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil // it was just taken away
	case errors.Is(err, fs.ErrInvalid), errors.Is(err, unix.EINVAL):
		return false, nil // a folder and no link, as old kernels have it
	case err != nil:
		return false, err
	}
	return strings.Contains(to, "/devices/virtual/"), nil
}

// texts returns the texts of files in dir, "" for those that are not there.
func (h *Hardware) texts(dir string, names ...string) ([]string, error) {
	t := make([]string, len(names))
	for i, n := range names {
		var err error
		if t[i], err = textOf(h.root, path.Join(dir, n)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func hardwareIDs(vendor, product string) event.Details {
	return event.Details{{Name: "VendorId", Value: vendor}, {Name: "ProductId", Value: product}}
}

// ueventVariable returns a variable of a uevent file.
func ueventVariable(uevent, name string) string {
	for line := range strings.Lines(uevent) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && k == name {
			return v
		}
	}
	return ""
}
