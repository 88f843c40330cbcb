package mqtt_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

func TestNewNeedsItsHub(t *testing.T) {
	h := newHub()
	whole := mqtt.Options{Auth: h, Sessions: h, Twins: h, Messages: h, Log: slog.New(slog.DiscardHandler)}
	for name, take := range map[string]func(*mqtt.Options){
		"Auth":     func(o *mqtt.Options) { o.Auth = nil },
		"Sessions": func(o *mqtt.Options) { o.Sessions = nil },
		"Twins":    func(o *mqtt.Options) { o.Twins = nil },
		"Messages": func(o *mqtt.Options) { o.Messages = nil },
		"Log":      func(o *mqtt.Options) { o.Log = nil },
	} {
		o := whole
		take(&o)
		if _, err := mqtt.New(o); err == nil {
			t.Errorf("a server was made without %s", name)
		}
	}
	if _, err := mqtt.New(whole); err != nil {
		t.Error(err)
	}
}

// failing fails to accept as often as errs says, then is the listener below.
type failing struct {
	*pipes
	errs []error
}

func (f *failing) Accept() (net.Conn, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, err
	}
	return f.pipes.Accept()
}

// A process that is out of file descriptors goes on accepting later.
func TestServeAfterAcceptErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		full := &net.OpError{Op: "accept", Err: syscall.EMFILE}
		ln := &failing{pipes: newPipes(), errs: []error{full, full, full}}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		served := make(chan error, 1)
		began := time.Now()
		go func() { served <- g.srv.Serve(ctx, ln) }()
		c := newClient(t, ln.dial(t))
		if got, want := time.Since(began), 35*time.Millisecond; got != want { // 5 + 10 + 20
			t.Errorf("accepted after %v, want %v", got, want)
		}
		p := hello(device)
		c.send(p.Append(nil))
		c.next(packet.CONNACK)
		if got := g.srv.Stats().AcceptErrors.Load(); got != 3 {
			t.Errorf("accept errors: %d, want 3", got)
		}
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
		c.send(packet.AppendPingreq(nil)) // a connection outlives Serve
		c.next(packet.PINGRESP)
	})
}

func TestServeEndsWithItsListener(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		ln := newPipes()
		served := make(chan error, 1)
		go func() { served <- g.srv.Serve(t.Context(), ln) }()
		synctest.Wait()
		_ = ln.Close()
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve = %v, want %v: nobody asked for the end", err, net.ErrClosed)
		}
	})
}

func TestServeAfterShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		if err := g.srv.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		ln := newPipes()
		if err := g.srv.Serve(t.Context(), ln); err != nil {
			t.Errorf("Serve = %v", err)
		}
		select {
		case <-ln.done:
		default:
			t.Error("the listener is still open")
		}
	})
}

// Shutdown does not wait for ever for a hub that does not answer.
func TestShutdownGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device, responses)
		s := g.session(device)
		s.seq <- struct{}{}
		c.send(publish("$iothub/twin/GET/?$rid=1", 0, 0, ""))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v, want %v", err, context.DeadlineExceeded)
		}
		<-s.seq
	})
}

func TestLostWill(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c, _ := g.connect(t, device, func(p *packet.Connect) { p.Will = &packet.Will{Topic: []byte(events)} })
		g.appendErr = tvilling.Errorf(tvilling.Unavailable, "The disk is full.")
		_ = c.nc.Close()
		g.ended(t, mqtt.EndLost)
		if got := g.srv.Stats().LostWills.Load(); got != 1 {
			t.Errorf("lost wills: %d, want 1", got)
		}
	})
}
