package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// agentDevice is the device that the agent of a case runs on.
const agentDevice = tvilling.DeviceID("bench-agent")

func agentModule() tvilling.Identity {
	return tvilling.Identity{Device: agentDevice, Module: tvilling.SecurityModule}
}

// agentRun is a hub, a device of it, and the agent of that device, which runs as
// a process of its own and reaches the hub through a proxy that counts.
type agentRun struct {
	b     *bench
	dir   string
	hub   *hub
	proxy *proxy
	owner *client.Client
	agent *process
}

// agentOptions are what differs between cases.
type agentOptions struct {
	// asc are values of the configuration object, own those of tvillingAgent,
	// in the twin before the agent starts.
	asc, own map[string]any
	// hubArgs go to the hub.
	hubArgs []string
}

// agentBinary builds the agent as it is shipped, once for each architecture.
func (b *bench) agentBinary(ctx context.Context, arch string) (string, error) {
	path := filepath.Join(b.dir, "tvilling-agent-"+arch)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./cmd/tvilling-agent") //nolint:gosec // fixed words
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+strings.TrimSuffix(arch, "v7"), "GOARM=7")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build the agent for %s: %w", arch, err)
	}
	return path, nil
}

// startAgent starts a hub of its own, registers a device, enrols the agent and
// runs it. Everything ends with close.
func (b *bench) startAgent(ctx context.Context, o agentOptions) (_ *agentRun, err error) {
	if os.Geteuid() != 0 {
		return nil, skip("the agent sees what it is for as root only")
	}
	r := &agentRun{b: b}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.dir, err = os.MkdirTemp(b.dir, "agent-*"); err != nil {
		return nil, err
	}
	if r.hub, err = b.startHub(ctx, filepath.Join(r.dir, "hub"), o.hubArgs...); err != nil {
		return nil, err
	}
	if r.proxy, err = newProxy(r.hub.mqtt); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(r.hub.data, "owner.connection-string"))
	if err != nil {
		return nil, err
	}
	if r.owner, err = client.New(client.Options{ConnectionString: strings.TrimSpace(string(text)), CAFile: filepath.Join(r.hub.data, "ca.pem"), Addr: r.hub.https}); err != nil {
		return nil, err
	}
	if _, err := r.owner.CreateDevice(ctx, client.Device{DeviceID: agentDevice}); err != nil {
		return nil, err
	}
	if err := r.desire(ctx, o.asc, o.own); err != nil {
		return nil, err
	}
	if err := r.enrol(ctx); err != nil {
		return nil, err
	}
	return r, r.run(ctx)
}

// desire patches what the module's twin asks for. Values of asc are wrapped
// here, as their dialect has it.
func (r *agentRun) desire(ctx context.Context, asc, own map[string]any) error {
	patch := map[string]any{}
	if len(asc) > 0 {
		wrapped := map[string]any{}
		for name, v := range asc {
			wrapped[name] = map[string]any{"value": v}
		}
		patch[agentconfig.Object] = wrapped
	}
	if len(own) > 0 {
		patch[agentconfig.ExtensionObject] = own
	}
	if len(patch) == 0 {
		return nil
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = r.owner.PatchTwin(ctx, agentModule(), client.TwinPatch{Desired: text}, client.Any())
	return err
}

func (r *agentRun) config() string { return filepath.Join(r.dir, "agent.toml") }
func (r *agentRun) socket() string { return filepath.Join(r.dir, "status.sock") }

// enrol writes the local configuration with the agent's own command, from the
// module's connection string.
func (r *agentRun) enrol(ctx context.Context) error {
	program, err := r.b.agentBinary(ctx, nativeArch)
	if err != nil {
		return err
	}
	m, err := r.owner.Module(ctx, agentModule())
	if err != nil {
		return err
	}
	_, https, err := net.SplitHostPort(r.hub.https)
	if err != nil {
		return err
	}
	enroll := exec.CommandContext(ctx, program, "enroll", "--config", r.config(), "--ca-file", filepath.Join(r.hub.data, "ca.pem"), //nolint:gosec // what was built
		"--state-directory", filepath.Join(r.dir, "state"), "--mqtt-port", strconv.Itoa(r.proxy.addr().Port), "--https-port", https)
	enroll.Stdin = strings.NewReader(fmt.Sprintf("HostName=localhost;DeviceId=%s;ModuleId=%s;SharedAccessKey=%s\n", m.DeviceID, m.ModuleID, m.Authentication.SymmetricKey.Primary))
	if out, err := enroll.CombinedOutput(); err != nil {
		return fmt.Errorf("enrol the agent: %w: %s", err, out)
	}
	return r.configure(fmt.Sprintf("status-socket = %q\n", r.socket()))
}

// configure adds to the agent's local configuration.
func (r *agentRun) configure(text string) error {
	f, err := os.OpenFile(r.config(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// run starts the agent and waits until it is connected.
func (r *agentRun) run(ctx context.Context) error {
	program, err := r.b.agentBinary(ctx, nativeArch)
	if err != nil {
		return err
	}
	p, err := startProcess(r.dir, exec.Command(program, "run", "--config", r.config())) //nolint:gosec,noctx // what was built; stopped by a signal
	if err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	p.discard()
	r.agent = p
	return r.until(ctx, "the agent is connected, and its configuration in force", 30*time.Second, func() (bool, error) {
		st, err := r.status(ctx)
		// Until it listens there is nobody to ask.
		return err == nil && st.Connected && st.Configuration.State == "applied", nil
	})
}

// close ends the agent, then the hub.
func (r *agentRun) close() (err error) {
	if r.agent != nil {
		err = r.agent.stop(syscall.SIGTERM)
	}
	if r.owner != nil {
		r.owner.Close()
	}
	if r.proxy != nil {
		err = errors.Join(err, r.proxy.close())
	}
	if r.hub != nil {
		err = errors.Join(err, r.hub.stop())
	}
	return err
}

// agentStatus is what is read here of the answer of "tvilling-agent status".
type agentStatus struct {
	Connected     bool `json:"connected"`
	Configuration struct {
		State   string `json:"state"`
		Version int64  `json:"version"`
	} `json:"configuration"`
	Collectors []struct {
		Name, Source, Extent string
	} `json:"collectors"`
	Queues []struct {
		Priority string
		Events   int
		Dropped  int64
	} `json:"queues"`
	Lost map[string]int64 `json:"lost"`
}

// status asks the agent over its socket.
func (r *agentRun) status(ctx context.Context) (st agentStatus, err error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", r.socket())
	if err != nil {
		return st, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return st, json.NewDecoder(c).Decode(&st)
}

// source says by what means the agent sees processes.
func (s *agentStatus) source() string {
	for _, c := range s.Collectors {
		if c.Name == "processes" {
			return c.Source
		}
	}
	return "nothing"
}

// waiting is how many events wait in the agent's queues, dropped how many those
// had no room for.
func (s *agentStatus) waiting() (n int) {
	for _, q := range s.Queues {
		n += q.Events
	}
	return n
}

func (s *agentStatus) dropped() (n int64) {
	for _, q := range s.Queues {
		n += q.Dropped
	}
	return n
}

// until waits until something is so.
func (r *agentRun) until(ctx context.Context, what string, patience time.Duration, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		ok, err := so()
		if err != nil || ok {
			return err
		}
		select {
		case err := <-r.agent.ended:
			r.agent.ended <- err // for who stops it
			return errors.New("the agent has ended; see " + filepath.Join(r.dir, "tvilling-agent-"+nativeArch+".log"))
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("after %s it was not so that %s", patience, what)
		}
	}
}

// still waits until nothing has gone over the wire for a while.
func (r *agentRun) still(ctx context.Context, quiet time.Duration) error {
	last, since := r.proxy.bytes(), time.Now()
	return r.until(ctx, "nothing is sent for "+quiet.String(), time.Minute+10*quiet, func() (bool, error) {
		if now := r.proxy.bytes(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) >= quiet, nil
	})
}

// sleep waits unless the run ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
