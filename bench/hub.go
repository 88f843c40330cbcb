package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tvilling/tvilling/bench/load"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

// hub is a hub that runs.
type hub struct {
	*process
	data               string
	mqtt, https, admin string
}

// startHub starts a hub over a data directory and waits until it is ready.
func (b *bench) startHub(ctx context.Context, data string, args ...string) (*hub, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	args = append([]string{"serve", "--data", data, "--mqtt", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)
	cmd := exec.Command(b.hub, args...) //nolint:gosec,noctx // what the run was told to measure; stopped by a signal
	p, err := startProcess(b.dir, cmd)
	if err != nil {
		return nil, fmt.Errorf("start the hub: %w", err)
	}
	line, err := p.line(ctx, "ready ")
	if err != nil {
		return nil, err
	}
	h := &hub{process: p, data: data}
	for field := range strings.FieldsSeq(line) {
		name, value, _ := strings.Cut(field, "=")
		u, err := url.Parse(value)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read the line %q: %w", line, err), h.stop())
		}
		switch name {
		case "mqtt":
			h.mqtt = u.Host
		case "https":
			h.https = u.Host
		case "admin":
			h.admin = u.Host
		}
	}
	if h.mqtt == "" || h.https == "" || h.admin == "" {
		return nil, errors.Join(fmt.Errorf("the line %q lacks an endpoint", line), h.stop())
	}
	return h, nil
}

func (h *hub) stop() error { return h.process.stop(syscall.SIGTERM) }

// loadedHub starts a hub over the filled store.
func (b *bench) loadedHub(ctx context.Context) (*hub, error) {
	data := filepath.Join(b.dir, "data")
	if !b.loaded {
		if err := b.fill(ctx, data); err != nil {
			return nil, fmt.Errorf("fill the store: %w", err)
		}
		b.loaded = true
	}
	return b.startHub(ctx, data)
}

// dial connects n devices of the filled store, spread over all of it.
func (b *bench) dial(ctx context.Context, h *hub, n int, filters ...string) ([]*load.Conn, error) {
	return b.dialSome(ctx, h, 0, n, n, filters...)
}

// dialSome connects n of the devices that dial would connect for a total.
func (b *bench) dialSome(ctx context.Context, h *hub, from, n, total int, filters ...string) ([]*load.Conn, error) {
	return b.dialEvery(ctx, h, b.scale.Devices/total, from, n, filters...)
}

// dialEvery connects n devices of the store, step apart.
func (b *bench) dialEvery(ctx context.Context, h *hub, step, from, n int, filters ...string) ([]*load.Conn, error) {
	conf, err := trust(h.data)
	if err != nil {
		return nil, err
	}
	expires := time.Now().Add(24 * time.Hour)
	return load.DialAll(ctx, n, func(i int) (load.DialOptions, error) {
		id := string(deviceID((from + i) * step))
		token, err := auth.Sign("localhost/devices/"+id, deviceKey(id), "", expires)
		return load.DialOptions{
			Addr: h.mqtt, TLS: conf, ClientID: id, Username: "localhost/" + id + "/?api-version=2021-04-12",
			Password: token, Filters: filters,
		}, err
	})
}

// spread is the i-th of n devices, evenly over the store.
func (b *bench) spread(i, n int) int { return i * (b.scale.Devices / n) }

// profiled runs f with profiles of the hub's processor time and allocations
// taken from when begin is called, if profiles are wanted.
func (b *bench) profiled(h *hub, f func(begin func()) error) error {
	if b.profile == "" {
		return f(func() {})
	}
	var wg sync.WaitGroup
	var cpu, allocs error
	begin := func() {
		seconds := max(int(b.scale.Measure.Seconds())-1, 1)
		wg.Go(func() { cpu = b.saveProfile(h, fmt.Sprintf("profile?seconds=%d", seconds), "cpu") })
		wg.Go(func() { allocs = b.saveProfile(h, fmt.Sprintf("allocs?seconds=%d", seconds), "allocs") })
	}
	ran := f(begin)
	wg.Wait()
	return errors.Join(ran, cpu, allocs)
}

// saveProfile leaves a profile in the directory for them.
func (b *bench) saveProfile(h *hub, what, kind string) (err error) {
	body, err := h.debug(what)
	if err != nil {
		return err
	}
	name := strings.ReplaceAll(b.case_, "/", "-") + "-" + kind + ".pprof"
	return os.WriteFile(filepath.Join(b.profile, name), body, 0o644) //nolint:gosec // no secret
}

// debug reads below the admin address's /debug/pprof/.
func (h *hub) debug(what string) ([]byte, error) { return h.get("debug/pprof/" + what) }

// get reads from the admin address.
func (h *hub) get(what string) (_ []byte, err error) {
	answer, err := http.Get("http://" + h.admin + "/" + what) //nolint:noctx // it ends with the hub
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: %s", what, answer.Status)
	}
	return body, err
}
