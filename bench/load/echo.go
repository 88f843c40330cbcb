package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// Echo is the least that a server can do for the generator: it reads packets,
// answers each at once, and knows and keeps nothing. What it reaches is what
// TLS, the packets and the generator leave room for on a machine.
type Echo struct {
	TLS *tls.Config
	// Answer is the payload of the answers to twin requests.
	Answer []byte
	// Status is their status.
	Status string
}

// Serve serves every connection of ln until ctx is done; it closes ln.
func (e *Echo) Serve(ctx context.Context, ln net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	for {
		nc, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		wg.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
			e.serve(&Conn{nc: tls.Server(nc, e.TLS)})
		})
	}
}

// serve ends when the client goes, which is how every client of it ends.
func (e *Echo) serve(c *Conn) {
	defer func() { _ = c.Close() }()
	var out []byte
	for {
		out = out[:0]
		for {
			f, ok, err := c.next()
			if err != nil {
				return
			}
			if !ok {
				break
			}
			if out, err = e.answer(out, f); err != nil {
				return
			}
		}
		if len(out) > 0 {
			if err := c.Send(out); err != nil {
				return
			}
		}
		if err := c.read(); err != nil {
			return
		}
	}
}

func (e *Echo) answer(dst []byte, f packet.Frame) ([]byte, error) {
	switch f.Type {
	case packet.CONNECT:
		return packet.Connack{}.Append(dst), nil
	case packet.SUBSCRIBE:
		s, err := packet.DecodeSubscribe(f)
		if err != nil {
			return dst, err
		}
		a := packet.Suback{ID: s.ID, Codes: make([]byte, len(s.Filters))}
		return a.Append(dst), nil
	case packet.PUBLISH:
		p, err := packet.DecodePublish(f)
		if err != nil {
			return dst, err
		}
		if p.QoS == 1 {
			return packet.AppendPuback(dst, p.ID), nil
		}
		_, rid, ok := bytes.Cut(p.Topic, []byte("$rid="))
		if !ok {
			return dst, nil
		}
		var topic [128]byte
		t := append(append(append(topic[:0], answerTopic...), e.Status...), "/?$rid="...)
		a := packet.Publish{Topic: append(t, rid...), Payload: e.Answer}
		return a.Append(dst), nil
	default:
		return dst, errors.New("an echo does not take " + f.Type.String())
	}
}
