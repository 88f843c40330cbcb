package sample

import (
	"crypto/sha1" //nolint:gosec // G505: agents send the SHA-1 that IMA has of a program
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// command makes one kind of command line.
type command struct {
	program string
	root    bool
	line    func(s *Source, d *device) string
}

var commands = []command{
	{"/usr/bin/mosquitto_pub", false, func(s *Source, d *device) string {
		return fmt.Sprintf("mosquitto_pub -h 127.0.0.1 -t plant/%s/%s -m %d.%02d -q 1", d.name, one(s, quantities), s.r.IntN(120), s.r.IntN(100))
	}},
	{"/usr/bin/python3.9", false, func(s *Source, _ *device) string {
		return fmt.Sprintf("/usr/bin/python3 /opt/app/bin/poll.py --bus /dev/ttyUSB%d --unit %d --start %d --count %d", s.r.IntN(3), 1+s.r.IntN(32), 100*s.r.IntN(400), 1+s.r.IntN(64))
	}},
	{"/usr/bin/curl", false, func(s *Source, d *device) string {
		return fmt.Sprintf("curl -sS --max-time %d -o /var/lib/app/in/%s.json https://api.plant.example/v2/devices/%s/jobs?since=%d", 5+s.r.IntN(30), s.hex(6), d.name, 1_580_000_000+s.r.IntN(200_000_000))
	}},
	{"/bin/sh", true, func(s *Source, _ *device) string {
		return "/bin/sh -c " + one(s, []string{"/usr/sbin/logrotate /etc/logrotate.conf", "test -x /usr/sbin/anacron || run-parts --report /etc/cron.daily", "cd / && run-parts --report /etc/cron.hourly"})
	}},
	{"/usr/bin/find", true, func(s *Source, _ *device) string {
		return fmt.Sprintf("find /var/lib/app/%s -type f -mmin +%d -delete", one(s, folders), 30+s.r.IntN(3000))
	}},
	{"/bin/tar", false, func(s *Source, _ *device) string {
		return fmt.Sprintf("tar -czf /var/lib/app/out/%s-%s.tgz -C /var/lib/app %s", one(s, folders), s.hex(4), one(s, folders))
	}},
	{"/bin/systemctl", true, func(s *Source, _ *device) string {
		return "systemctl " + one(s, []string{"is-active", "show --property=ActiveState", "status --no-pager"}) + " " + one(s, units)
	}},
	{"/sbin/ip", true, func(s *Source, _ *device) string {
		return "ip -o " + one(s, []string{"-4 addr show", "link show", "route get", "neigh show"}) + " " + one(s, []string{"eth0", "wlan0", "ppp0", "wwan0"})
	}},
	{"/bin/ping", true, func(s *Source, d *device) string {
		return fmt.Sprintf("ping -c %d -W 2 %s", 1+s.r.IntN(4), d.gateway)
	}},
	{"/bin/date", false, func(s *Source, _ *device) string {
		return fmt.Sprintf("date -u -d @%d.%03d +%%Y-%%m-%%dT%%H:%%M:%%SZ", 1_580_000_000+s.r.IntN(200_000_000), s.r.IntN(1000))
	}},
	{"/usr/bin/rsync", false, func(s *Source, d *device) string {
		return fmt.Sprintf("rsync -a --timeout=%d --bwlimit=%d /var/lib/app/out/ %s@%s:/srv/in/%s/", 30+s.r.IntN(90), 64*(1+s.r.IntN(16)), d.service.name, d.gateway, d.name)
	}},
	{"/usr/sbin/sshd", true, func(*Source, *device) string { return "/usr/sbin/sshd -D -R" }},
	{"/bin/grep", false, func(s *Source, _ *device) string {
		return fmt.Sprintf("grep -c -e %q /var/log/app/%s.log", one(s, []string{"ERROR", "timeout", "retry", "CRC", "reconnect"})+" "+s.hex(2), one(s, folders))
	}},
	{"/usr/bin/stat", false, func(s *Source, _ *device) string {
		return fmt.Sprintf("stat -c %%s /var/lib/app/%s/%s.bin", one(s, folders), s.hex(8))
	}},
	{"/opt/app/bin/controller", false, func(s *Source, _ *device) string {
		return fmt.Sprintf("/opt/app/bin/controller --loop %d --kp %d.%03d --ki 0.%04d --setpoint %d.%d", s.r.IntN(8), s.r.IntN(9), s.r.IntN(1000), s.r.IntN(10000), s.r.IntN(150), s.r.IntN(10))
	}},
	{"/usr/bin/sqlite3", false, func(s *Source, _ *device) string {
		return fmt.Sprintf("sqlite3 /var/lib/app/history.db \"DELETE FROM %s WHERE t < %d;\"", one(s, quantities), 1_580_000_000+s.r.IntN(200_000_000))
	}},
}

var (
	quantities = []string{"temperature", "pressure", "flow", "level", "voltage", "current", "speed", "humidity", "vibration"}
	folders    = []string{"in", "out", "cache", "spool", "history", "events", "state"}
	units      = []string{"mosquitto.service", "app.service", "chronyd.service", "sshd.service", "ModemManager.service", "NetworkManager.service"}
)

func (s *Source) processCreate(d *device) event.Item {
	c := one(s, commands)
	it := &event.ProcessCreate{Executable: c.program, CommandLine: c.line(s, d)}
	it.UserID, it.UserName = d.service.id, d.service.name
	if c.root {
		it.UserID, it.UserName = "0", "root"
	}
	if d.firmware%2 == 0 { // devices with IMA
		it.Extra = event.Details{{Name: "Hash", Value: hash(c.program, d.firmware)}}
	}
	if s.r.IntN(4) == 0 {
		it.Extra = s.aggregate(it.Extra, d)
		return it
	}
	it.ProcessID = int64(1000 + s.r.IntN(31000))
	it.ParentProcessID = int64(300 + s.r.IntN(1500))
	if s.r.IntN(3) == 0 {
		it.ParentProcessID = it.ProcessID - 1 - int64(s.r.IntN(3))
	}
	return it
}

// hash is that of a program in one version of the firmware.
func hash(program string, firmware int) string {
	//nolint:gosec // G401: as above
	sum := sha1.Sum([]byte(program + " of " + strconv.Itoa(firmware)))
	return "sha1:" + hex.EncodeToString(sum[:])
}

// aggregate adds what agents say of events that they counted for an hour.
func (s *Source) aggregate(extra event.Details, d *device) event.Details {
	end := s.at.Add(-time.Duration(s.r.IntN(120)) * time.Second).UTC()
	layout := "2006-01-02T15:04:05Z"
	if d.fine {
		layout = "01/02/2006 15:04:05"
	}
	form := func(t time.Time) string { return t.Format(layout) }
	return append(extra,
		event.Detail{Name: event.HitCount, Value: strconv.Itoa(1 + s.r.IntN(240))},
		event.Detail{Name: "StartTimeLocal", Value: form(end.Add(d.zone - time.Hour))},
		event.Detail{Name: "StartTimeUtc", Value: form(end.Add(-time.Hour))},
		event.Detail{Name: "EndTimeLocal", Value: form(end.Add(d.zone))},
		event.Detail{Name: "EndTimeUtc", Value: form(end)},
	)
}

// hex returns n random bytes as text.
func (s *Source) hex(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.r.Uint32())
	}
	return hex.EncodeToString(b)
}
