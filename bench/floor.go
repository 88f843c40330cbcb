package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tvilling/tvilling/bench/load"
)

// echoRole is the first argument of the process that serves the floor.
const echoRole = "echo-server"

// runEcho is that process.
func runEcho(args []string) error {
	f := flag.NewFlagSet(echoRole, flag.ContinueOnError)
	cert := f.String("cert", "", "server certificate `file`")
	key := f.String("key", "", "its key `file`")
	status := f.String("status", "200", "`status` of answers")
	size := f.Int("size", 0, "`bytes` of answers")
	if err := f.Parse(args); err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(*cert, *key)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it listens until the process is told to end
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("ready " + ln.Addr().String())
	e := &load.Echo{
		TLS:    &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13},
		Answer: make([]byte, *size), Status: *status,
	}
	return e.Serve(ctx, ln)
}

// driveFloor runs a plan against the echo, with answers of a size.
func (b *bench) driveFloor(ctx context.Context, conns, size int, status string, plan load.Plan) (err error) {
	data, err := b.certified(ctx)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program, echoRole, "-cert", filepath.Join(data, "server.pem"), "-key", filepath.Join(data, "server.key"), //nolint:gosec,noctx // this program
		"-status", status, "-size", strconv.Itoa(size))
	p, err := startProcess(b.dir, cmd)
	if err != nil {
		return err
	}
	line, err := p.line(ctx, "ready ")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop(syscall.SIGTERM)) }()
	conf, err := trust(data)
	if err != nil {
		return err
	}
	plan.Conns, err = load.DialAll(ctx, conns, func(i int) (load.DialOptions, error) {
		return load.DialOptions{
			Addr: strings.TrimPrefix(line, "ready "), TLS: conf, ClientID: string(deviceID(i)), Filters: []string{answersFilter},
		}, nil
	})
	if err != nil {
		return err
	}
	defer load.CloseAll(plan.Conns)
	return b.drive(ctx, p, plan, Figure{}, Figure{})
}

// certified returns the data directory of a hub that has made its certificates.
func (b *bench) certified(ctx context.Context) (data string, err error) {
	data = filepath.Join(b.dir, "certificates")
	if _, err := os.Stat(filepath.Join(data, "server.pem")); err == nil {
		return data, nil
	}
	h, err := b.startHub(ctx, data)
	if err != nil {
		return "", err
	}
	return data, h.stop()
}

func runPatchFloor(ctx context.Context, b *bench) error {
	return b.driveFloor(ctx, b.scale.Connections, 0, "204", load.Plan{InFlight: inFlight, Work: patches})
}

func runGetFloor(ctx context.Context, b *bench) error {
	d := makeDocument(0)
	size := len(d.whole()) - len(d.tags) // what a device gets has no tags
	return b.driveFloor(ctx, b.scale.Connections, size, "200", load.Plan{InFlight: inFlight, Work: gets})
}

func runTelemetryFloor(ctx context.Context, b *bench) error {
	return b.driveFloor(ctx, b.scale.Publishers, 0, "200", b.telemetry())
}

// runDisk measures what a file can be made durable at: appending, which has to
// grow the file each time, and overwriting, as a log does that was written
// ahead of itself.
func runDisk(ctx context.Context, b *bench) error {
	for _, c := range []struct {
		name   string
		size   int
		append bool
	}{{"4 KiB append + fdatasync", 4 << 10, true}, {"4 KiB overwrite + fdatasync", 4 << 10, false}, {"512 KiB append + fdatasync", 512 << 10, true}, {"512 KiB overwrite + fdatasync", 512 << 10, false}} {
		r, err := b.sync(ctx, c.size, c.append)
		if err != nil {
			return err
		}
		b.figure(Figure{Metric: c.name, Value: r.Rate(), Unit: "/s"})
		b.figure(Figure{Metric: c.name + ", p99", Value: ms(r.Quantile(0.99)), Unit: "ms", Less: true})
	}
	return nil
}

func (b *bench) sync(ctx context.Context, size int, grow bool) (_ *load.Result, err error) {
	f, err := os.Create(filepath.Join(b.dir, "sync"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	const region = 64 << 20
	block := make([]byte, size)
	for i := range block {
		block[i] = byte(i * 7)
	}
	if !grow {
		for off := int64(0); off < region; off += int64(size) {
			if _, err := f.WriteAt(block, off); err != nil {
				return nil, err
			}
		}
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	r := &load.Result{}
	began := time.Now()
	for off := int64(0); r.Took < b.scale.Measure/6 && ctx.Err() == nil; off += int64(size) {
		if !grow {
			off %= region
		}
		start := time.Now()
		if _, err := f.WriteAt(block, off); err != nil {
			return nil, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return nil, err
		}
		r.Add(time.Since(start))
		r.Took = time.Since(began)
	}
	return r, ctx.Err()
}
