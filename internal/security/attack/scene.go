package attack

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// scene collects the events of one message.
type scene struct {
	now    time.Time
	r      *rand.Rand
	pid    int64
	events []event.Event
}

// add adds an event. Events are half a second apart; the last one is now.
func (s *scene) add(items ...event.Item) {
	s.events = append(s.events, event.Event{ID: guid(s.r), Kind: items[0].Kind(), Type: event.Security, Items: items})
}

// body returns the message.
func (s *scene) body(agent string) []byte {
	for i := range s.events {
		e := &s.events[i]
		e.Stated = s.now.Add(-time.Duration(len(s.events)-1-i) * time.Second / 2)
		e.Time = e.Stated
	}
	return schema.Append(nil, &event.Message{AgentID: agent, AgentVersion: "1.0.0", Events: s.events})
}

// user is an account with its number.
type user struct{ name, id string }

var (
	root = user{"root", "0"}
	pump = user{"pump", "1000"}
	web  = user{"www-data", "33"}
)

// process adds a process that u starts; the executable is that of the first
// word unless it is given.
func (s *scene) process(u user, line string, executable ...string) {
	program, _, _ := strings.Cut(line, " ")
	if len(executable) > 0 {
		program = executable[0]
	} else if !strings.Contains(program, "/") {
		program = "/usr/bin/" + program
	}
	s.pid += 1 + s.r.Int64N(20)
	s.add(&event.ProcessCreate{
		Executable: program, CommandLine: line, UserID: u.id, UserName: u.name, ProcessID: s.pid, ParentProcessID: s.pid - 1 - s.r.Int64N(200),
	})
}

// ordinary adds what the device does all day.
func (s *scene) ordinary(n int) {
	lines := [...]string{
		"/usr/bin/mosquitto_pub -h 10.20.0.5 -t site1/pump7/pressure -m 3.1", "cat /proc/loadavg", "df -P /", "/bin/date +%s",
		"/usr/bin/python3 /opt/pump/measure.py", "logger -t pump ok", "systemctl is-active pumpd", "grep -c error /var/log/pump.log",
	}
	for range n {
		if s.r.IntN(3) == 0 {
			s.connection("/usr/bin/mosquitto_pub", "10.20.0.5", "8883")
			continue
		}
		s.process([]user{root, pump}[s.r.IntN(2)], lines[s.r.IntN(len(lines))])
	}
}

// connection adds a connection that a program makes.
func (s *scene) connection(executable, address, port string) {
	s.pid += 1 + s.r.Int64N(20)
	s.add(&event.ConnectionCreate{
		RemoteAddress: address, RemotePort: port, LocalAddress: "10.20.0.17", LocalPort: "5" + digits(s.r, 4),
		Direction: "Out", Protocol: "tcp", Executable: executable, UserID: "0", ProcessID: s.pid,
	})
}

// login adds an attempt to log in; from is empty for one at the device itself.
func (s *scene) login(name, from string, success bool) {
	s.pid += 1 + s.r.Int64N(20)
	l := &event.Login{UserName: name, Operation: "PAM:authentication", Executable: "/usr/sbin/sshd", RemoteAddress: from, Result: "Fail", ProcessID: s.pid}
	if from == "" {
		l.Executable = "/usr/bin/login"
	} else {
		l.RemotePort, l.LocalPort = "4"+digits(s.r, 4), "22"
	}
	if success {
		l.Result = "Success"
	}
	s.add(l)
}

func digits(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + r.IntN(10))
	}
	return string(b)
}

// guid returns a random GUID.
func guid(r *rand.Rand) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], r.Uint64())
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
