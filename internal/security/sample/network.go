package sample

import (
	"fmt"
	"strconv"

	"github.com/tvilling/tvilling/internal/security/event"
)

// peer is what a device talks to.
type peer struct {
	program, line, port, protocol string
	// root says that the program runs as root.
	root bool
}

var peers = []peer{
	{"/opt/app/bin/uplink", "/opt/app/bin/uplink --config /etc/app/uplink.toml", "8883", "tcp", false},
	{"/opt/app/bin/uplink", "/opt/app/bin/uplink --config /etc/app/uplink.toml", "443", "tcp", false},
	{"/usr/sbin/chronyd", "/usr/sbin/chronyd -F 1", "123", "udp", true},
	{"/usr/bin/curl", "", "443", "tcp", false},
	{"/lib/systemd/systemd-resolved", "/lib/systemd/systemd-resolved", "53", "udp", true},
	{"/usr/bin/rsync", "", "22", "tcp", false},
}

func (s *Source) connectionCreate(d *device) event.Item {
	it := &event.ConnectionCreate{LocalAddress: d.address, Protocol: "tcp", ProcessID: int64(400 + s.r.IntN(31000))}
	ephemeral := strconv.Itoa(32768 + s.r.IntN(28232))
	if s.r.IntN(4) == 0 {
		it.Direction, it.RemoteAddress, it.RemotePort = "In", d.neighbour(s), ephemeral
		it.LocalPort, it.Executable, it.CommandLine, it.UserID = "502", "/opt/app/bin/modbusd", "/opt/app/bin/modbusd --listen :502", d.service.id
		if s.r.IntN(3) == 0 {
			it.LocalPort, it.Executable, it.CommandLine, it.UserID = "22", "/usr/sbin/sshd", "/usr/sbin/sshd -D", "0"
		}
	} else {
		p := one(s, peers)
		it.Direction, it.RemotePort, it.LocalPort, it.Protocol = "Out", p.port, ephemeral, p.protocol
		it.Executable, it.CommandLine, it.UserID = p.program, p.line, d.service.id
		if p.root {
			it.UserID = "0"
		}
		switch p.port {
		case "53", "22":
			it.RemoteAddress = d.gateway
		default:
			it.RemoteAddress = s.cloud()
		}
		switch p.program {
		case "/usr/bin/curl":
			it.CommandLine = commands[2].line(s, d)
		case "/usr/bin/rsync":
			it.CommandLine = commands[10].line(s, d)
		}
	}
	if s.r.IntN(3) == 0 {
		it.Extra = s.aggregate(it.Extra, d)
		it.ProcessID = 0
		if it.Direction == "Out" {
			it.LocalPort = "0"
		} else {
			it.RemotePort = "0"
		}
	}
	return it
}

// neighbour is another machine of the device's site.
func (d *device) neighbour(s *Source) string {
	return d.gateway[:len(d.gateway)-1] + strconv.Itoa(2+s.r.IntN(250))
}

// cloud is one of the some hundred thousand addresses that lie in ranges of
// large operators, as those have that devices talk to. They are made up.
func (s *Source) cloud() string {
	switch s.r.IntN(8) {
	case 0:
		return fmt.Sprintf("2603:1020:%x:%x::%x", s.r.IntN(8), s.r.IntN(16), 1+s.r.IntN(64))
	case 1, 2, 3:
		return fmt.Sprintf("20.%d.%d.%d", 40+s.r.IntN(8), s.r.IntN(32), 1+s.r.IntN(254))
	default:
		return fmt.Sprintf("52.%d.%d.%d", 224+s.r.IntN(12), s.r.IntN(32), 1+s.r.IntN(254))
	}
}

func (s *Source) login(d *device) event.Item {
	it := &event.Login{
		ProcessID: int64(1000 + s.r.IntN(31000)), Executable: "/usr/sbin/sshd", Operation: "PAM:authentication",
		RemoteAddress: d.gateway[:len(d.gateway)-1] + strconv.Itoa(10+s.r.IntN(8)), RemotePort: strconv.Itoa(32768 + s.r.IntN(28232)),
		LocalPort: "22", Result: "Success", UserName: d.accounts[len(d.accounts)-1-s.r.IntN(2)].name,
	}
	switch s.r.IntN(10) {
	case 0, 1:
		it.Executable, it.Operation, it.RemoteAddress, it.RemotePort, it.LocalPort = "/usr/sbin/cron", "PAM:session_open", "", "", ""
		it.UserName = "root"
	case 2, 3, 4:
		it.Operation = "login"
		it.UserID = d.service.id
	case 5:
		it.Result = "Fail"
	}
	return it
}
