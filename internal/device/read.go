package device

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// read handles what the hub sends until the connection ends. It also keeps the
// connection alive: the read deadline is when the hub is to hear of the client,
// or when its answer is due.
func (c *Client) read() {
	err := c.readAll()
	c.fail(err)
	c.in.release()
}

func (c *Client) readAll() error {
	patience := cmp.Or(c.opt.Patience, c.opt.KeepAlive)
	waiting := false // for a PINGRESP, since pinged
	var pinged time.Time
	for {
		for {
			f, ok, err := c.in.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if f.Type == packet.PINGRESP {
				waiting = false
			}
			if err := c.handle(f); err != nil {
				return err
			}
		}
		until := c.quietUntil()
		if waiting {
			until = pinged.Add(patience)
		}
		if err := c.nc.SetReadDeadline(until); err != nil {
			return err
		}
		err := c.in.fill(c.nc)
		switch {
		case err == nil:
		case isTimeout(err) && c.Err() == nil:
			if waiting {
				return tvilling.Errorf(tvilling.Unavailable, "The hub has not answered for %s.", patience)
			}
			if now := time.Now(); !now.Before(c.quietUntil()) { // else something was written meanwhile
				waiting, pinged = true, now
				c.send(packet.AppendPingreq(nil))
			}
		case errors.Is(err, io.EOF):
			return tvilling.Errorf(tvilling.Unavailable, "The hub closed the connection.")
		default:
			return err
		}
	}
}

// quietUntil is when the hub is to hear of the client [MQTT-3.1.2-23].
func (c *Client) quietUntil() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spoke.Add(c.opt.KeepAlive)
}

func (c *Client) handle(f packet.Frame) error {
	switch f.Type {
	case packet.PUBACK, packet.UNSUBACK:
		id, err := packet.DecodeID(f)
		if err != nil {
			return err
		}
		c.acknowledged(id, nil)
		return nil
	case packet.SUBACK:
		s, err := packet.DecodeSuback(f)
		if err != nil {
			return err
		}
		if bytes.IndexByte(s.Codes, packet.SubackFailure) >= 0 {
			err = tvilling.Errorf(tvilling.InvalidArgument, "The hub refused the subscription.")
		}
		c.acknowledged(s.ID, err)
		return nil
	case packet.PUBLISH:
		return c.delivered(f)
	case packet.PINGRESP:
		return packet.DecodeEmpty(f)
	default:
		return fmt.Errorf("the hub sent %s, which servers do not send now", f.Type)
	}
}

// delivered handles a PUBLISH of the hub.
func (c *Client) delivered(f packet.Frame) error {
	p, err := packet.DecodePublish(f)
	if err != nil {
		return err
	}
	if p.QoS == 1 {
		c.send(packet.AppendPuback(nil, p.ID))
	}
	topic := string(p.Topic)
	if r, ok := parseResponse(topic); ok {
		c.mu.Lock()
		done := c.answers[r.rid]
		delete(c.answers, r.rid)
		c.mu.Unlock()
		if done != nil {
			<-c.places
			done(r.status, r.version, bytes.Clone(p.Payload), nil)
		}
		return nil
	}
	if version, ok := parseDesired(topic); ok && c.opt.OnDesired != nil {
		c.opt.OnDesired(version, bytes.Clone(p.Payload))
	}
	return nil // methods and cloud-to-device messages are nobody's here
}

func (c *Client) acknowledged(id uint16, err error) {
	c.mu.Lock()
	done := c.acks[id]
	delete(c.acks, id)
	c.mu.Unlock()
	if done != nil {
		<-c.places
		done(err)
	}
}

// fail ends the connection: the first reason counts, and everything that waits
// for the hub fails with it.
func (c *Client) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	if c.closing {
		err = ErrClosed // whatever the hub makes of a DISCONNECT
	}
	c.err = err
	acks, answers := c.acks, c.answers
	c.acks, c.answers, c.out = nil, nil, nil
	c.mu.Unlock()
	close(c.done)
	_ = c.nc.Close()
	for _, done := range acks {
		<-c.places
		done(err)
	}
	for _, done := range answers {
		<-c.places
		done(0, 0, nil, err)
	}
}
