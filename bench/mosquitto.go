package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tvilling/tvilling/bench/load"
)

// startMosquitto starts a broker with a hub's certificate and settings in its
// favour: no delay of small packets, no limit on messages in flight, nothing
// persistent.
func (b *bench) startMosquitto(ctx context.Context) (p *process, data, addr string, err error) {
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		// Debian installs it where only root's path looks.
		if program, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			return nil, "", "", skip("mosquitto is not installed")
		}
	}
	if data, err = b.certified(ctx); err != nil {
		return nil, "", "", err
	}
	if addr, err = freeAddr(); err != nil {
		return nil, "", "", err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", "", err
	}
	conf := fmt.Sprintf("per_listener_settings false\nallow_anonymous true\npersistence false\nlog_type error\nset_tcp_nodelay true\n"+
		"max_inflight_messages 0\nmax_queued_messages 0\nlistener %s 127.0.0.1\ncertfile %s\nkeyfile %s\ntls_version tlsv1.3\n",
		port, filepath.Join(data, "server.pem"), filepath.Join(data, "server.key"))
	if os.Getuid() == 0 { // or it could not read the key
		conf = "user root\n" + conf
	}
	file := filepath.Join(b.dir, "mosquitto.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, "", "", err
	}
	p, err = startProcess(b.dir, exec.Command(program, "-c", file)) //nolint:gosec,noctx // stopped by a signal
	if err != nil {
		return nil, "", "", err
	}
	p.discard()
	for range 100 {
		nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return p, data, addr, nc.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, "", "", errors.Join(errors.New("mosquitto did not take connections within 5 s"), p.stop(syscall.SIGTERM))
}

// freeAddr finds a port that nobody listens on.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// dialMosquitto connects n clients, with their sessions kept as the hub's are.
func dialMosquitto(ctx context.Context, data, addr string, n int, filters ...string) ([]*load.Conn, error) {
	conf, err := trust(data)
	if err != nil {
		return nil, err
	}
	return load.DialAll(ctx, n, func(i int) (load.DialOptions, error) {
		return load.DialOptions{Addr: addr, TLS: conf, ClientID: string(deviceID(i)), Filters: filters}, nil
	})
}

func runTelemetryMosquitto(ctx context.Context, b *bench) (err error) {
	p, data, addr, err := b.startMosquitto(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop(syscall.SIGTERM)) }()
	plan := b.telemetry()
	if plan.Conns, err = dialMosquitto(ctx, data, addr, b.scale.Publishers); err != nil {
		return err
	}
	defer load.CloseAll(plan.Conns)
	return b.drive(ctx, p, plan, Figure{}, Figure{})
}

func runIdleMosquitto(ctx context.Context, b *bench) (err error) {
	p, data, addr, err := b.startMosquitto(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop(syscall.SIGTERM)) }()
	pid := p.cmd.Process.Pid
	nothing := func() error { return nil }
	var m memory
	if m.before, err = settle(ctx, pid, nothing); err != nil {
		return err
	}
	conns, err := dialMosquitto(ctx, data, addr, b.scale.Idle, desiredFilter)
	if err != nil {
		return err
	}
	defer load.CloseAll(conns)
	if m.after, err = settle(ctx, pid, nothing); err != nil {
		return err
	}
	m.peak = peak(pid)
	b.reportMemory(m, Figure{})
	return nil
}
