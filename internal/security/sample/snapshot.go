package sample

import (
	"fmt"
	"strconv"

	"github.com/tvilling/tvilling/internal/security/event"
)

func (s *Source) snapshot(d *device) []event.Item {
	switch p := s.r.IntN(20); {
	case p < 6:
		return listening(d)
	case p < 9:
		return users(d)
	case p < 12:
		return firewall(d)
	case p < 15:
		return []event.Item{s.system(d)}
	case p < 16:
		return baseline(d)
	case p < 18:
		return []event.Item{
			&event.DroppedEventsStatistics{Queue: "High", CollectedEvents: int64(s.r.IntN(4000))},
			&event.DroppedEventsStatistics{Queue: "Low", CollectedEvents: int64(s.r.IntN(9000)), DroppedEvents: int64(max(0, s.r.IntN(60)-50))},
		}
	default:
		n := int64(1 + s.r.IntN(300))
		return []event.Item{&event.MessageStatistics{MessagesSent: n, MessagesUnder4KB: n * int64(s.r.IntN(30)) / 100}}
	}
}

func listening(d *device) []event.Item {
	items := make([]event.Item, 0, len(d.ports))
	for _, p := range d.ports {
		items = append(items, &event.ListeningPorts{
			Protocol: p.protocol, LocalAddress: p.address, LocalPort: p.port, RemoteAddress: "0.0.0.0", RemotePort: "*",
			Extra: event.Details{{Name: "Pid", Value: p.pid}},
		})
	}
	return items
}

func users(d *device) []event.Item {
	items := make([]event.Item, 0, len(d.accounts))
	for _, a := range d.accounts {
		items = append(items, &event.LocalUsers{UserID: a.id, UserName: a.name, GroupIDs: a.groupIDs, GroupNames: a.groups})
	}
	return items
}

// firewall lets the site in and nobody else.
func firewall(d *device) []event.Item {
	site := d.gateway[:len(d.gateway)-1] + "0/24"
	rule := func(chain, direction, action string, more event.FirewallConfiguration) *event.FirewallConfiguration {
		more.HasPriority, more.Enabled = true, true
		more.ChainName, more.Direction, more.Action = chain, direction, action
		return &more
	}
	rules := []*event.FirewallConfiguration{
		rule("INPUT", "In", "Allow", event.FirewallConfiguration{SourceAddress: "127.0.0.0/8"}),
		rule("INPUT", "In", "Allow", event.FirewallConfiguration{SourceAddress: site, DestinationPort: "22", Protocol: "tcp"}),
	}
	for _, p := range d.ports {
		if p.port == "502" {
			rules = append(rules, rule("INPUT", "In", "Allow", event.FirewallConfiguration{SourceAddress: site, DestinationPort: p.port, Protocol: p.protocol}))
		}
	}
	rules = append(rules,
		rule("INPUT", "In", "Deny", event.FirewallConfiguration{}),
		rule("FORWARD", "", "Deny", event.FirewallConfiguration{}),
		rule("OUTPUT", "Out", "Allow", event.FirewallConfiguration{DestinationAddress: "52.224.0.0/12"}),
		rule("OUTPUT", "Out", "Allow", event.FirewallConfiguration{DestinationAddress: site}),
		rule("OUTPUT", "Out", "Deny", event.FirewallConfiguration{}),
	)
	items := make([]event.Item, len(rules))
	for i, r := range rules {
		r.Priority = int64(i + 1)
		items[i] = r
	}
	return items
}

func (s *Source) system(d *device) event.Item {
	return &event.SystemInformation{
		OSName: "Linux", OSVersion: fmt.Sprintf("5.10.%d-v7l+", 40+d.firmware*17), OSArchitecture: "armv7l",
		HostName: d.name, TotalPhysicalMemory: d.memory, FreePhysicalMemory: d.memory/8 + s.r.Int64N(d.memory/2),
	}
}

// baseline is what does not pass with the device's firmware.
func baseline(d *device) []event.Item {
	var items []event.Item
	for i, c := range checks {
		if (d.firmware+i)%3 != 0 {
			items = append(items, &event.OSBaseline{Description: c[0], CceID: c[1], Result: "Fail", Error: c[2], Severity: c[3]})
		}
	}
	return items
}

var checks = [][4]string{
	{"Core dumps must be off.", "CCE-4247-7", "fs.suid_dumpable is 1", "Warning"},
	{"The nodev option must be set for /tmp.", "CCE-14412-1", "no line for /tmp in /etc/fstab", "Important"},
	{"Only root may write to /boot.", "CCE-3923-4", "mode is 0777", "Critical"},
	{"IP forwarding must be off.", "CCE-3561-8", "net.ipv4.ip_forward is 1", "Important"},
	{"Redirects must not be sent.", "CCE-4155-2", "net.ipv4.conf.all.send_redirects is 1", "Warning"},
	{"Passwords must be hashed with SHA-512.", "CCE-14063-2", "ENCRYPT_METHOD is MD5", "Informational"},
}

// other makes an event of the kinds that are neither frequent nor snapshots.
func (s *Source) other(d *device) event.Item {
	switch s.r.IntN(3) {
	case 0:
		return &event.ProcessTerminate{Executable: one(s, commands).program, ProcessID: int64(1000 + s.r.IntN(31000)), ExitStatus: int64(s.r.IntN(2))}
	case 1:
		return &event.ConnectedHardware{HardwareCategory: "USB", HardwareSubCategory: "Adapter", HardwareName: "Serial adapter " + strconv.Itoa(d.firmware)}
	default:
		return &event.Diagnostic{
			CorrelationID: s.guid(), Severity: "Information", ProcessID: int64(300 + s.r.IntN(1500)), ThreadID: int64(300 + s.r.IntN(1500)),
			Message: fmt.Sprintf("sent message of %d bytes in %d ms", 2000+s.r.IntN(200000), 20+s.r.IntN(900)),
		}
	}
}
