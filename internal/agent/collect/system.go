//go:build linux

package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tvilling/tvilling/internal/security/event"
)

// System takes what the device is: its kernel, distribution, memory, firmware
// and the device that it started from (asc §3.5 SystemInformation).
//
// OSName and OSVersion are the kernel's, as the original agents sent them;
// OSVendor is the distribution's name, whose ID, version and full name are
// in ExtraDetails as OsId, OsVersionId and OsPrettyName. Virtual memory is
// setMemory and swap.
type System struct {
	root     fs.FS
	override func() map[string]string
}

// NewSystem returns the snapshot of the device whose file system is root, such
// as os.DirFS("/"). override, if not nil, is asked at each snapshot for what
// to tell in place of what the firmware says: HardwareVendor, HardwareModel,
// HardwareSerialNumber, FirmwareVendor, FirmwareVersion (asc §12.3).
func NewSystem(root fs.FS, override func() map[string]string) *System {
	return &System{root, override}
}

// Kind returns [event.SystemInformationKind].
func (s *System) Kind() event.Kind { return event.SystemInformationKind }

// Sight is always full: what the firmware does not say is not there.
func (s *System) Sight() Sight {
	return Sight{Name: "system information", Extent: Full, Source: "uname, /etc/os-release, /sys"}
}

// Take returns the one item that there is.
func (s *System) Take(context.Context) ([]event.Item, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, fmt.Errorf("system information: uname: %w", err)
	}
	var si unix.Sysinfo_t
	if err := unix.Sysinfo(&si); err != nil {
		return nil, fmt.Errorf("system information: sysinfo: %w", err)
	}
	it := &event.SystemInformation{
		OSName: unix.ByteSliceToString(u.Sysname[:]), OSVersion: unix.ByteSliceToString(u.Release[:]),
		OSArchitecture: unix.ByteSliceToString(u.Machine[:]), HostName: unix.ByteSliceToString(u.Nodename[:]),
	}
	setMemory(it, &si)
	if err := s.describe(it); err != nil {
		return nil, fmt.Errorf("system information: %w", err)
	}
	return []event.Item{it}, nil
}

// setMemory sets the sizes of it, in KiB.
func setMemory(it *event.SystemInformation, si *unix.Sysinfo_t) {
	unit := uint64(max(si.Unit, 1))
	kib := func(n uint64) int64 { return int64(n * unit / 1024) }
	// The fields are 32 bits wide on 32-bit machines.
	total, free := uint64(si.Totalram), uint64(si.Freeram)      //nolint:unconvert // as above
	swap, freeSwap := uint64(si.Totalswap), uint64(si.Freeswap) //nolint:unconvert // as above
	it.TotalPhysicalMemory, it.FreePhysicalMemory = kib(total), kib(free)
	it.TotalVirtualMemory, it.FreeVirtualMemory = kib(total+swap), kib(free+freeSwap)
}

// firmware says where the kernel tells what the device is made of: the tables
// of DMI, or the name in the device tree on boards that have none.
var firmware = []struct {
	name  string
	files []string
}{
	{"HardwareVendor", []string{"sys/class/dmi/id/sys_vendor"}},
	{"HardwareModel", []string{"sys/class/dmi/id/product_name", "sys/firmware/devicetree/base/model"}},
	// The serial number is told only where the configuration gives one.
	{"HardwareSerialNumber", nil},
	{"FirmwareVendor", []string{"sys/class/dmi/id/bios_vendor"}},
	{"FirmwareVersion", []string{"sys/class/dmi/id/bios_version"}},
}

// describe sets what files tell.
func (s *System) describe(it *event.SystemInformation) error {
	release, err := s.release()
	if err != nil {
		return err
	}
	it.OSVendor = cmp.Or(release["NAME"], release["ID"])
	for _, d := range [][2]string{{"OsId", "ID"}, {"OsVersionId", "VERSION_ID"}, {"OsPrettyName", "PRETTY_NAME"}} {
		if v := release[d[1]]; v != "" {
			it.Extra = append(it.Extra, event.Detail{Name: d[0], Value: v})
		}
	}
	var over map[string]string
	if s.override != nil {
		over = s.override()
	}
	for _, f := range firmware {
		v := over[f.name]
		for _, name := range f.files {
			if v != "" {
				break
			}
			if v, err = textOf(s.root, name); err != nil {
				return err
			}
		}
		switch {
		case v == "":
		case f.name == "FirmwareVersion":
			it.BIOSVersion = v
		default:
			it.Extra = append(it.Extra, event.Detail{Name: f.name, Value: v})
		}
	}
	line, err := textOf(s.root, "proc/cmdline")
	if err != nil {
		return err
	}
	mounts, err := textOf(s.root, "proc/self/mountinfo")
	if err != nil {
		return err
	}
	it.BootDevice = cmp.Or(rootParameter(line), rootMount(mounts))
	return nil
}

func (s *System) release() (map[string]string, error) {
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		text, err := textOf(s.root, name)
		if err != nil {
			return nil, err
		}
		if text != "" {
			return osRelease(text), nil
		}
	}
	return nil, nil
}

// osRelease reads the assignments of an os-release file (os-release(5)), which
// are those of a shell without any expansion. Lines that are none are passed over.
func osRelease(text string) map[string]string {
	m := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || name == "" || name[0] == '#' {
			continue
		}
		m[name] = shellWord(value)
	}
	return m
}

// shellWord takes the quotes and backslashes of a shell word away.
func shellWord(s string) string {
	if n := len(s); n >= 2 && s[0] == '\'' && s[n-1] == '\'' {
		return s[1 : n-1]
	}
	if n := len(s); n >= 2 && s[0] == '"' && s[n-1] == '"' {
		s = s[1 : n-1]
	}
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// rootParameter returns the root= of a kernel's command line: a device, or
// UUID=…, PARTUUID=… and the like.
func rootParameter(line string) string {
	root := ""
	for f := range strings.FieldsSeq(line) {
		if f == "--" {
			break // the rest is for init
		}
		if v, ok := strings.CutPrefix(f, "root="); ok {
			root = strings.Trim(v, `"`) // the last one counts
		}
	}
	return root
}

// rootMount returns the device that / is mounted from, by the lines of
// /proc/self/mountinfo (proc_pid_mountinfo(5)); "" if it is none, as in a
// container.
func rootMount(mounts string) string {
	dev := ""
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if ok && len(f) >= 5 && f[4] == "/" && len(g) >= 2 && strings.HasPrefix(g[1], "/dev/") {
			dev = g[1] // the last mount covers the others
		}
	}
	return dev
}

// maxText bounds what is read of one file of /proc and /sys.
const maxText = 64 << 10

// textOf returns the text of a file without the spaces and NULs around it, ""
// if there is no such file or no right to read it.
func textOf(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxText))
	if err != nil {
		// Files of /sys whose device is gone, or never answers, say so when read.
		if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EIO) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODATA) {
			return "", nil
		}
		return "", err
	}
	return strings.ToValidUTF8(strings.Trim(string(b), " \t\r\n\x00"), "\uFFFD"), nil
}
