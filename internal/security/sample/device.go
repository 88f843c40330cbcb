package sample

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// device is what stays the same about a device from message to message.
type device struct {
	name, agent, version string
	// zone is how far its local time is from UTC.
	zone time.Duration
	// fine says that its agent writes time stamps as the C# agent does, else
	// as the C agent does (asc §3.3).
	fine     bool
	address  string
	gateway  string
	firmware int
	accounts []account
	// service is the account that the device's work is done by.
	service account
	ports   []endpoint
	memory  int64
}

type account struct{ id, name, groupIDs, groups string }

type endpoint struct{ protocol, address, port, pid string }

// device works out what the device is from the seed and its name, so that a
// fleet of any size takes no memory.
func (s *Source) device(name string) *device {
	//nolint:gosec // G404: samples must be the same for the same seed
	r := rand.New(rand.NewPCG(mix(s.seed, name), 1))
	d := &device{
		name:     name,
		version:  [...]string{"0.0.5", "0.0.6", "1.0.0"}[r.IntN(3)],
		zone:     time.Duration(r.IntN(25)-12) * time.Hour,
		fine:     r.IntN(2) == 0,
		firmware: r.IntN(6),
		memory:   []int64{254_476, 507_904, 1_013_340, 2_048_000, 3_884_360}[r.IntN(5)] - int64(r.IntN(900)),
	}
	var id [16]byte
	binary.LittleEndian.PutUint64(id[0:], r.Uint64())
	binary.LittleEndian.PutUint64(id[8:], r.Uint64())
	d.agent = guidOf(id)
	site := fmt.Sprintf("10.%d.%d.", r.IntN(200), r.IntN(256))
	d.address, d.gateway = site+strconv.Itoa(2+r.IntN(250)), site+"1"
	d.accounts = accounts(r)
	d.service = d.accounts[len(d.accounts)-1]
	d.ports = ports(r)
	return d
}

// stamp writes the times of an event as the device's agent does.
func (d *device) stamp(e *event.Event, at time.Time) {
	if d.fine {
		e.Stated = at.UTC().Truncate(100 * time.Nanosecond)
		e.Local = e.Stated.Add(d.zone).Format("2006-01-02T15:04:05.9999999")
		return
	}
	e.Stated = at.UTC().Truncate(time.Second)
	e.Local = e.Stated.Add(d.zone).Format("2006-01-02T15:04:05Z")
}

// accounts are those of a small system or of a Debian, and the device's own.
func accounts(r *rand.Rand) []account {
	all := small
	if r.IntN(3) == 0 {
		all = debian
	}
	own := make([]account, len(all), len(all)+3)
	copy(own, all)
	if r.IntN(2) == 0 {
		n := people[r.IntN(len(people))]
		own = append(own, account{"1001", n, "1001;27", n + ";sudo"})
	}
	n := services[r.IntN(len(services))]
	return append(own, account{"1000", n, "1000;20", n + ";dialout"})
}

// ports are what the device listens on.
func ports(r *rand.Rand) []endpoint {
	pid := func() string { return strconv.Itoa(300 + r.IntN(1500)) }
	all := []endpoint{{"tcp", "0.0.0.0", "22", pid()}, {"udp", "0.0.0.0", "68", pid()}, {"udp", "127.0.0.1", "323", pid()}}
	for _, more := range []endpoint{
		{"tcp", "127.0.0.1", "1883", pid()},
		{"tcp", "0.0.0.0", "502", pid()},
		{"tcp", "127.0.0.1", "8080", pid()},
		{"udp", "0.0.0.0", "5353", pid()},
		{"udp", "0.0.0.0", strconv.Itoa(32768 + r.IntN(28000)), pid()},
	} {
		if r.IntN(2) == 0 {
			all = append(all, more)
		}
	}
	return all
}

var small = []account{
	{"0", "root", "0", "root"},
	{"1", "daemon", "1", "daemon"},
	{"2", "bin", "2", "bin"},
	{"8", "mail", "8", "mail"},
	{"33", "www-data", "33", "www-data"},
	{"996", "messagebus", "993", "messagebus"},
	{"997", "sshd", "995", "sshd"},
	{"65534", "nobody", "65534", "nogroup"},
}

var debian = []account{
	{"0", "root", "0", "root"},
	{"1", "daemon", "1", "daemon"},
	{"2", "bin", "2", "bin"},
	{"3", "sys", "3", "sys"},
	{"4", "sync", "65534", "nogroup"},
	{"5", "games", "60", "games"},
	{"6", "man", "12", "man"},
	{"7", "lp", "7", "lp"},
	{"8", "mail", "8", "mail"},
	{"9", "news", "9", "news"},
	{"13", "proxy", "13", "proxy"},
	{"33", "www-data", "33", "www-data"},
	{"34", "backup", "34", "backup"},
	{"38", "list", "38", "list"},
	{"100", "_apt", "65534", "nogroup"},
	{"101", "systemd-network", "102", "systemd-network"},
	{"102", "systemd-resolve", "103", "systemd-resolve"},
	{"103", "messagebus", "106", "messagebus"},
	{"104", "sshd", "65534", "nogroup"},
	{"65534", "nobody", "65534", "nogroup"},
}

var (
	people   = []string{"anna", "bjorn", "carla", "deniz", "ewa", "farid", "greta", "hiro", "installer", "service"}
	services = []string{"pump", "gateway", "sensor", "meter", "plc", "kiosk", "camera", "charger"}
)
