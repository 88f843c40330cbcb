//go:build linux

package collect_test

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/security/event"
)

func TestSystem(t *testing.T) {
	release := "# a comment\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME='Debian GNU/Linux'\nVERSION_ID=\"12\"\nID=debian\n"
	for _, c := range []struct {
		name     string
		files    []string
		override map[string]string
		want     event.SystemInformation
	}{
		{
			"a server",
			[]string{
				"etc/os-release->../usr/lib/os-release", "usr/lib/os-release=" + release,
				"sys/class/dmi/id/sys_vendor=Advantech\n", "sys/class/dmi/id/product_name=UNO-2271G\n", "sys/class/dmi/id/product_serial=X1\n",
				"sys/class/dmi/id/bios_vendor=AMI\n", "sys/class/dmi/id/bios_version=5.13 \n",
				"proc/cmdline=BOOT_IMAGE=/vmlinuz root=UUID=1234 ro quiet -- root=/dev/no\n",
			},
			nil,
			event.SystemInformation{OSVendor: "Debian GNU/Linux", BIOSVersion: "5.13", BootDevice: "UUID=1234", Extra: event.Details{
				{Name: "OsId", Value: "debian"},
				{Name: "OsVersionId", Value: "12"},
				{Name: "OsPrettyName", Value: "Debian GNU/Linux 12 (bookworm)"},
				{Name: "HardwareVendor", Value: "Advantech"},
				{Name: "HardwareModel", Value: "UNO-2271G"},
				{Name: "FirmwareVendor", Value: "AMI"},
			}},
		},
		{
			"a board, with overrides",
			[]string{
				"usr/lib/os-release=ID=poky\n", "sys/firmware/devicetree/base/model=Raspberry Pi 4 Model B Rev 1.4\x00",
				"proc/cmdline=console=serial0\n",
				"proc/self/mountinfo=22 1 179:2 / / rw - ext4 /dev/root rw\n25 22 0:21 / /proc rw - proc proc rw\n26 1 179:2 / / rw,relatime shared:1 - ext4 /dev/mmcblk0p2 rw\n",
			},
			map[string]string{"HardwareVendor": "ACME", "HardwareSerialNumber": "77", "FirmwareVersion": "u-boot 2024.01", "Other": "no"},
			event.SystemInformation{OSVendor: "poky", BIOSVersion: "u-boot 2024.01", BootDevice: "/dev/mmcblk0p2", Extra: event.Details{
				{Name: "OsId", Value: "poky"},
				{Name: "HardwareVendor", Value: "ACME"},
				{Name: "HardwareModel", Value: "Raspberry Pi 4 Model B Rev 1.4"},
				{Name: "HardwareSerialNumber", Value: "77"},
			}},
		},
		{"a container", []string{"proc/self/mountinfo=1 0 0:3 / / rw - overlay overlay rw\n"}, nil, event.SystemInformation{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := collect.NewSystem(sysTree(c.files...), func() map[string]string { return c.override })
			items, err := s.Take(t.Context())
			if err != nil || len(items) != 1 {
				t.Fatalf("got %v, %v", items, err)
			}
			readable(t, event.SystemInformationKind, items)
			got := *items[0].(*event.SystemInformation)
			ignore := cmpopts.IgnoreFields(event.SystemInformation{}, "OSName", "OSVersion", "OSArchitecture", "HostName", "TotalPhysicalMemory", "FreePhysicalMemory", "TotalVirtualMemory", "FreeVirtualMemory")
			if d := cmp.Diff(c.want, got, ignore); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestSystemHere(t *testing.T) {
	items, err := collect.NewSystem(os.DirFS("/"), nil).Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := items[0].(*event.SystemInformation)
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if got.OSName != "Linux" || got.OSVersion != strings.TrimSpace(string(release)) || got.HostName != host {
		t.Errorf("got %+v", got)
	}
	if runtime.GOARCH == "amd64" && got.OSArchitecture != "x86_64" {
		t.Errorf("architecture %q", got.OSArchitecture)
	}
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, d := range strings.Fields(string(meminfo))[1] {
		total = total*10 + int64(d-'0')
	}
	if got.TotalPhysicalMemory != total || got.FreePhysicalMemory <= 0 || got.TotalVirtualMemory < total {
		t.Errorf("memory %d of %d KiB, virtual %d; /proc/meminfo says %d", got.FreePhysicalMemory, got.TotalPhysicalMemory, got.TotalVirtualMemory, total)
	}
}

func FuzzSystemFiles(f *testing.F) {
	f.Add("ID=debian\nNAME=\"a \\\"b\\\"\"\n")
	f.Add("root=/dev/sda1 -- x")
	f.Add("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n")
	f.Add("=\n'=\"\nA='\nB=\"\nC=\\")
	f.Fuzz(func(t *testing.T, s string) {
		for k, v := range collect.OSRelease(s) {
			if k == "" || len(k)+len(v) > len(s) {
				t.Errorf("%q gives %q=%q", s, k, v)
			}
		}
		if d := collect.RootMount(s); d != "" && !strings.HasPrefix(d, "/dev/") {
			t.Errorf("%q is mounted from %q", s, d)
		}
		if len(collect.RootParameter(s)) > len(s) {
			t.Errorf("%q", s)
		}
	})
}
