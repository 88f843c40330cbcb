package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/bench/load"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/sample"
	"github.com/tvilling/tvilling/internal/security/schema"
	"github.com/tvilling/tvilling/internal/store/messagelog"
)

// perMessage is how many events a security message has.
const perMessage = 20

// securityTopic is where the security module of a device sends its messages.
func securityTopic(id tvilling.DeviceID) []byte {
	return []byte("devices/" + string(id) + "/modules/" + string(tvilling.SecurityModule) +
		"/messages/events/$.ifid=urn%3Aazureiot%3ASecurity%3ASecurityAgent%3A1&$.ct=application%2Fjson&$.ce=utf-8")
}

// dialSecurity connects the security modules of n devices, spread over all.
func (b *bench) dialSecurity(ctx context.Context, h *hub, n int) ([]*load.Conn, error) {
	conf, err := trust(h.data)
	if err != nil {
		return nil, err
	}
	expires := time.Now().Add(24 * time.Hour)
	return load.DialAll(ctx, n, func(i int) (load.DialOptions, error) {
		id := tvilling.Identity{Device: deviceID(b.spread(i, n)), Module: tvilling.SecurityModule}
		token, err := auth.Sign("localhost/devices/"+string(id.Device)+"/modules/"+string(id.Module), deviceKey(id.String()), "", expires)
		return load.DialOptions{
			Addr: h.mqtt, TLS: conf, ClientID: id.String(), Username: "localhost/" + id.String() + "/?api-version=2021-04-12",
			Password: token, Clean: true,
		}, err
	})
}

// attackPath is the program of the n-th attack of a run; its alert names it.
func attackPath(run, n int) string { return fmt.Sprintf("/tmp/bench-%d-%06d/xmrig", run, n) }

// withAttack puts the start of a coin miner in place of the last event of a
// message.
func withAttack(body []byte, program string, now time.Time) ([]byte, error) {
	m, err := schema.Decode(&tvilling.Message{From: tvilling.Device("bench"), Enqueued: now, Body: body}, now)
	if err != nil {
		return nil, err
	}
	last := &m.Events[len(m.Events)-1]
	*last = event.Event{
		ID: randomGUID(), Kind: event.ProcessCreateKind, Name: event.ProcessCreateKind.String(), Type: event.Security, Category: event.Triggered,
		Time: now.UTC(), Stated: now.UTC(),
		Items: []event.Item{&event.ProcessCreate{
			Executable: program, CommandLine: program + " -o stratum+tcp://pool.example:3333 -u wallet", UserID: "0", UserName: "root", ProcessID: 4711, ParentProcessID: 1,
		}},
	}
	return schema.Append(nil, m), nil
}

func randomGUID() string {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], rand.Uint64())  //nolint:gosec // no secret
	binary.LittleEndian.PutUint64(b[8:], rand.Uint64()) //nolint:gosec // no secret
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80         // RFC 9562, version 4
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// stateMessage has what a device is remembered by: failed and good logins,
// its accounts and its open ports.
func stateMessage(i int, now time.Time) []byte {
	at := now.UTC().Add(-time.Minute)
	ev := func(k event.Kind, items ...event.Item) event.Event {
		at = at.Add(time.Second)
		e := event.Event{ID: randomGUID(), Kind: k, Name: k.String(), Type: event.Security, Category: event.Triggered, Time: at, Stated: at, Items: items}
		if k.Snapshot() {
			e.Category = event.Periodic
		}
		return e
	}
	site := fmt.Sprintf("10.%d.%d.", i/256%256, i%256)
	login := func(user, address, result string) *event.Login {
		return &event.Login{
			Executable: "/usr/sbin/sshd", Operation: "PAM:authentication", ProcessID: 700, UserName: user,
			RemoteAddress: address, RemotePort: "50000", LocalPort: "22", Result: result,
		}
	}
	var users, ports []event.Item
	for n, name := range []string{"root", "daemon", "bin", "mail", "www-data", "messagebus", "sshd", "nobody", "service-" + strconv.Itoa(i%50), "operator"} {
		users = append(users, &event.LocalUsers{UserID: strconv.Itoa(n * 10), UserName: name, GroupIDs: strconv.Itoa(n * 10), GroupNames: name})
	}
	for _, p := range []string{"22", "68", "502", "1883", "8080"} {
		ports = append(ports, &event.ListeningPorts{Protocol: "tcp", LocalAddress: site + "7", LocalPort: p, RemoteAddress: "0.0.0.0", RemotePort: "*"})
	}
	return schema.Append(nil, &event.Message{AgentID: randomGUID(), AgentVersion: "0.0.6", Events: []event.Event{
		ev(event.LoginKind, login("operator", site+"20", "Success")),
		ev(event.LoginKind, login("admin", site+"21", "Fail")),
		ev(event.LoginKind, login("operator", site+"22", "Fail")),
		ev(event.LocalUsersKind, users...),
		ev(event.ListeningPortsKind, ports...),
	}})
}

// backlog appends messages, one of each device, to the log of a hub that is
// down, as if the hub had taken them and stopped before it looked at them.
func (b *bench) backlog(ctx context.Context, data string, body func(i int, now time.Time) []byte) (bytes int64, err error) {
	log, err := messagelog.Open(messagelog.Options{Dir: filepath.Join(data, "security")})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	const atOnce = 500
	for from := 0; from < b.scale.Devices; from += atOnce {
		var msgs []*tvilling.Message
		now := time.Now().UTC()
		for i := from; i < min(from+atOnce, b.scale.Devices); i++ {
			m := &tvilling.Message{
				From: tvilling.Identity{Device: deviceID(i), Module: tvilling.SecurityModule}, Enqueued: now, Body: body(i, now),
				System: []tvilling.Property{{Name: "iothub-interface-id", Value: tvilling.SecurityInterface}},
			}
			bytes += int64(len(m.Body))
			msgs = append(msgs, m)
		}
		if err := log.Append(ctx, msgs); err != nil {
			return 0, err
		}
	}
	return bytes, nil
}

// sampleBody makes messages of the mix that all figures are about.
func sampleBody(seed uint64) func(i int, now time.Time) []byte {
	src := sample.New(seed)
	return func(i int, now time.Time) []byte { return src.Message(string(deviceID(i)), perMessage, now) }
}

// metric reads a figure from the admin address.
func (h *hub) metric(name string) (float64, error) {
	v, ok, err := h.metricSum(name)
	if err == nil && !ok {
		err = fmt.Errorf("there is no metric %s", name)
	}
	return v, err
}

// metricSum adds up a figure over its labels; ok is false if there is none.
func (h *hub) metricSum(name string) (sum float64, ok bool, err error) {
	text, err := h.get("metrics")
	if err != nil {
		return 0, false, err
	}
	for line := range strings.Lines(string(text)) {
		rest, is := strings.CutPrefix(strings.TrimSpace(line), name)
		if !is || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, false, fmt.Errorf("read the metric %s: %w", name, err)
		}
		sum, ok = sum+v, true
	}
	return sum, ok, nil
}

// drained waits until the hub has looked at all security messages that it has,
// and returns when that was seen first.
func (h *hub) drained(ctx context.Context, patience time.Duration) (time.Time, error) {
	const look = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		lag, err := h.metric("tvilling_security_lag")
		if err != nil {
			return time.Time{}, err
		}
		if lag == 0 {
			return time.Now(), nil
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%.0f messages still wait after %s", lag, patience)
		}
	}
}
