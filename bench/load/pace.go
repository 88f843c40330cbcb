package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// maxPaced bounds the messages of one connection in a [Pace]: their packet
// identifiers must not repeat.
const maxPaced = 65535

// senders is how many goroutines send what is due. Each has connections of its
// own: one that is slow to take a message holds up an eighth of them.
const senders = 8

// Pace is a load of QoS 1 messages that are sent when they are due, whether or
// not earlier ones have been acknowledged: devices do not wait for each other.
// Message i goes over connection i modulo their number.
type Pace struct {
	Conns []*Conn
	// Count is how many messages are sent, Every how far apart they are due.
	Count int
	Every time.Duration
	// Message returns the topic and the payload of a message; it is called by
	// several goroutines.
	Message func(i int) (topic, payload []byte)
	// Due, if set, is told when a message is due, before it is sent.
	Due func(i int, at time.Time)
	// Patience is how long after the last message its acknowledgement may come.
	Patience time.Duration
}

// PaceResult is what a [Pace] measured.
type PaceResult struct {
	// Acks are the times from when a message was due to its acknowledgement,
	// Late those to when the generator sent it.
	Acks, Late Histogram
	// Took is the time from the first message to when the last was sent,
	// Answered that to the last acknowledgement.
	Took, Answered time.Duration
}

type pace struct {
	Pace
	start    time.Time
	result   PaceResult
	acked    atomic.Int64
	stopping atomic.Bool
	all      chan struct{}
	failOnce sync.Once
	err      error
	failed   chan struct{}
}

// RunPace sends messages at a pace. Every one is acknowledged when it returns
// without an error.
func RunPace(ctx context.Context, o Pace) (*PaceResult, error) {
	if len(o.Conns) == 0 || o.Count <= 0 || o.Count > maxPaced*len(o.Conns) {
		return nil, fmt.Errorf("%d messages over %d connections cannot be sent", o.Count, len(o.Conns))
	}
	p := &pace{Pace: o, start: time.Now(), all: make(chan struct{}), failed: make(chan struct{})}
	var readers, writers sync.WaitGroup
	for i, c := range o.Conns {
		readers.Go(func() { p.serve(i, c) })
	}
	for w := range min(senders, len(o.Conns)) {
		writers.Go(func() { p.send(ctx, w) })
	}
	writers.Wait()
	p.result.Took = time.Since(p.start)
	select {
	case <-p.all:
	case <-p.failed:
	case <-ctx.Done():
		p.fail(context.Cause(ctx))
	case <-time.After(o.Patience):
		p.fail(fmt.Errorf("%d of %d messages were not acknowledged %s after the last", int64(o.Count)-p.acked.Load(), o.Count, o.Patience))
	}
	p.result.Answered = time.Since(p.start)
	p.stopping.Store(true)
	for _, c := range o.Conns {
		if err := c.nc.SetReadDeadline(time.Unix(1, 0)); err != nil {
			p.fail(err)
		}
	}
	readers.Wait()
	for _, c := range o.Conns {
		if err := c.nc.SetReadDeadline(time.Time{}); err != nil {
			p.fail(err)
		}
	}
	return &p.result, p.err
}

func (p *pace) due(i int) time.Time { return p.start.Add(time.Duration(i) * p.Every) }

// send sends what goes over the connections of one sender.
func (p *pace) send(ctx context.Context, w int) {
	var b []byte
	n := min(senders, len(p.Conns))
	for i := range p.Count {
		conn := i % len(p.Conns)
		if conn%n != w {
			continue
		}
		at := p.due(i)
		if wait := time.Until(at); wait > 0 {
			select {
			case <-time.After(wait):
			case <-p.failed:
				return
			case <-ctx.Done():
				p.fail(context.Cause(ctx))
				return
			}
		}
		if p.Due != nil {
			p.Due(i, at)
		}
		topic, payload := p.Message(i)
		m := packet.Publish{QoS: 1, ID: uint16(i/len(p.Conns) + 1), Topic: topic, Payload: payload} //nolint:gosec // at most maxPaced
		p.result.Late.Add(time.Since(at))
		b = m.Append(b[:0])
		if err := p.Conns[conn].Send(b); err != nil {
			p.fail(fmt.Errorf("send message %d: %w", i, err))
			return
		}
	}
}

func (p *pace) fail(err error) {
	p.failOnce.Do(func() {
		p.err = err
		close(p.failed)
	})
}

// serve takes the acknowledgements of a connection, which come in order.
func (p *pace) serve(conn int, c *Conn) {
	next := conn // the message that is acknowledged next
	for {
		for {
			f, ok, err := c.next()
			if err != nil {
				p.fail(err)
				return
			}
			if !ok {
				break
			}
			if err := p.take(f, next); err != nil {
				p.fail(err)
				return
			}
			next += len(p.Conns)
		}
		if err := c.read(); err != nil {
			var timeout net.Error
			if !p.stopping.Load() || !errors.As(err, &timeout) {
				p.fail(fmt.Errorf("connection %d: %w", conn, err))
			}
			return
		}
	}
}

func (p *pace) take(f packet.Frame, i int) error {
	if f.Type != packet.PUBACK {
		return fmt.Errorf("got %s instead of PUBACK", f.Type)
	}
	id, err := packet.DecodeID(f)
	if err != nil {
		return err
	}
	if want := i/len(p.Conns) + 1; int(id) != want {
		return fmt.Errorf("message %d was acknowledged instead of %d", id, want)
	}
	p.result.Acks.Add(time.Since(p.due(i)))
	if p.acked.Add(1) == int64(p.Count) {
		close(p.all)
	}
	return nil
}
