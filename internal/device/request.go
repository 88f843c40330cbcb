package device

import (
	"context"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// Twin returns the twin as devices see it: {"desired":{…},"reported":{…}},
// each section with its $version.
func (c *Client) Twin(ctx context.Context) ([]byte, error) {
	if err := c.subscribe(ctx, responseFilter); err != nil {
		return nil, err
	}
	type result struct {
		body []byte
		err  error
	}
	got := make(chan result, 1)
	if err := c.TwinAsync(ctx, func(body []byte, err error) { got <- result{body, err} }); err != nil {
		return nil, err
	}
	select {
	case r := <-got:
		return r.body, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Report merges a patch into the reported properties and returns their new
// version once it is durable.
func (c *Client) Report(ctx context.Context, patch []byte) (version int64, err error) {
	return c.ReportIf(ctx, patch, -1)
}

// ReportIf is Report on condition that the reported properties have version
// base; a negative base is no condition.
func (c *Client) ReportIf(ctx context.Context, patch []byte, base int64) (version int64, err error) {
	if err := c.subscribe(ctx, responseFilter); err != nil {
		return 0, err
	}
	type result struct {
		version int64
		err     error
	}
	got := make(chan result, 1)
	if err := c.report(ctx, patch, base, func(version int64, err error) { got <- result{version, err} }); err != nil {
		return 0, err
	}
	select {
	case r := <-got:
		return r.version, r.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// Send sends a message and returns once the hub has made it durable. The
// message's sender is this client, whatever From says.
func (c *Client) Send(ctx context.Context, m *tvilling.Message) error {
	got := make(chan error, 1)
	if err := c.SendAsync(ctx, m, func(err error) { got <- err }); err != nil {
		return err
	}
	select {
	case err := <-got:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// MarkSecurity makes m a security message.
func MarkSecurity(m *tvilling.Message) {
	m.System = append(m.System, tvilling.Property{Name: "iothub-interface-id", Value: tvilling.SecurityInterface})
}

// SubscribeResponses makes the hub answer twin requests. Twin and Report do it
// when needed; TwinAsync and ReportAsync need it done before.
func (c *Client) SubscribeResponses(ctx context.Context) error {
	return c.subscribe(ctx, responseFilter)
}

// SubscribeDesired makes the hub tell OnDesired of changes.
func (c *Client) SubscribeDesired(ctx context.Context) error {
	return c.subscribe(ctx, desiredFilter)
}

// SubscribeTwin is SubscribeResponses and SubscribeDesired in one packet, or in
// none where both are done.
func (c *Client) SubscribeTwin(ctx context.Context) error {
	return c.subscribe(ctx, responseFilter, desiredFilter)
}

// SendAsync sends a message. It waits while too much is in flight; an error
// means that nothing was sent and done will not be called. done is called once,
// from the client's goroutine, when the hub has made the message durable or
// the connection has ended before. It must not wait for the client.
func (c *Client) SendAsync(ctx context.Context, m *tvilling.Message, done func(error)) error {
	topic, err := appendBag([]byte(c.events), m)
	if err != nil {
		return err
	}
	if len(topic) > packet.MaxString {
		return tvilling.Errorf(tvilling.TooLarge, "The properties of the message make a topic of %d bytes; %d are allowed.", len(topic), packet.MaxString)
	}
	return c.acked(ctx, done, func(dst []byte, id uint16) []byte {
		p := packet.Publish{Topic: topic, QoS: 1, ID: id, Payload: m.Body}
		return p.Append(dst)
	})
}

// ReportAsync is Report with a callback; see SendAsync for both's rules.
func (c *Client) ReportAsync(ctx context.Context, patch []byte, done func(version int64, err error)) error {
	return c.report(ctx, patch, -1, done)
}

// TwinAsync is Twin with a callback; see SendAsync for both's rules.
func (c *Client) TwinAsync(ctx context.Context, done func(body []byte, err error)) error {
	return c.answered(ctx, func(dst []byte, rid uint64) []byte {
		p := packet.Publish{Topic: strconv.AppendUint([]byte(getPrefix), rid, 16)}
		return p.Append(dst)
	}, func(status int, _ int64, body []byte, err error) {
		if err == nil && status >= 300 {
			err = refusedRequest("get twin", c.opt.ID, status, body)
		}
		if err != nil {
			body = nil
		}
		done(body, err)
	})
}

func (c *Client) report(ctx context.Context, patch []byte, base int64, done func(int64, error)) error {
	return c.answered(ctx, func(dst []byte, rid uint64) []byte {
		topic := strconv.AppendUint([]byte(reportPrefix), rid, 16)
		if base >= 0 {
			topic = strconv.AppendInt(append(topic, "&$version="...), base, 10)
		}
		p := packet.Publish{Topic: topic, Payload: patch}
		return p.Append(dst)
	}, func(status int, version int64, body []byte, err error) {
		if err == nil && status >= 300 {
			err = refusedRequest("patch reported", c.opt.ID, status, body)
		}
		done(version, err)
	})
}

// subscribe subscribes to filters, each once.
func (c *Client) subscribe(ctx context.Context, filters ...string) error {
	s := packet.Subscribe{}
	c.mu.Lock()
	for _, f := range filters {
		if !c.topics[f] {
			s.Filters = append(s.Filters, packet.Filter{Topic: []byte(f)})
		}
	}
	c.mu.Unlock()
	if len(s.Filters) == 0 {
		return nil
	}
	got := make(chan error, 1)
	err := c.acked(ctx, func(err error) { got <- err }, func(dst []byte, id uint16) []byte {
		s.ID = id
		return s.Append(dst)
	})
	if err != nil {
		return err
	}
	select {
	case err := <-got:
		if err == nil {
			c.mu.Lock()
			for _, f := range filters {
				c.topics[f] = true
			}
			c.mu.Unlock()
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// place takes a place for a request in flight.
func (c *Client) place(ctx context.Context) error {
	select {
	case c.places <- struct{}{}:
		return nil
	case <-c.done:
		return c.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// acked sends a packet that the hub acknowledges by its identifier.
func (c *Client) acked(ctx context.Context, done func(error), add func(dst []byte, id uint16) []byte) error {
	if err := c.place(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	if c.err != nil {
		err := c.err
		c.mu.Unlock()
		<-c.places
		return err
	}
	for c.packetID++; c.packetID == 0 || c.acks[c.packetID] != nil; c.packetID++ {
	}
	c.acks[c.packetID] = done
	c.out = add(c.out, c.packetID)
	c.kick()
	c.mu.Unlock()
	return nil
}

// answered sends a twin request.
func (c *Client) answered(ctx context.Context, add func(dst []byte, rid uint64) []byte, done func(status int, version int64, body []byte, err error)) error {
	if err := c.place(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	if c.err != nil {
		err := c.err
		c.mu.Unlock()
		<-c.places
		return err
	}
	c.rid++
	c.answers[c.rid] = done
	c.out = add(c.out, c.rid)
	c.kick()
	c.mu.Unlock()
	return nil
}
