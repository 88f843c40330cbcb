package mqtt

import (
	"net"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// writeSize is how much is written at a time. Each piece has its own deadline:
// a slow client is one that reads, a stuck one does not.
const writeSize = 64 << 10

// outbox holds the packets that wait to be sent. It is guarded by conn.mu.
type outbox struct {
	buf     *buffer // borrowed while something waits
	sending int     // bytes that a writer has taken and not sent yet
	writing bool    // somebody is in conn.flush
	// corked keeps what waits from being sent while the reader handles what
	// it has read, so that all answers leave together.
	corked bool
}

// waiting is how many bytes the client has not taken yet.
func (o *outbox) waiting() int {
	if o.buf == nil {
		return o.sending
	}
	return len(o.buf.b) + o.sending
}

// bytes returns what waits, to append to; set puts it back.
func (o *outbox) bytes() []byte {
	if o.buf == nil {
		o.buf = takeBuffer()
		o.buf.b = o.buf.b[:0]
	}
	return o.buf.b
}

func (o *outbox) set(b []byte) { o.buf.b = b }

func (o *outbox) drop() {
	if o.buf != nil {
		giveBuffer(o.buf)
		o.buf = nil
	}
}

// enqueue lets add append packets to the outbox, n of them, and has them sent.
// It never blocks. It reports whether the connection takes packets still.
func (c *conn) enqueue(add func(dst []byte) (_ []byte, n int)) bool {
	c.mu.Lock()
	ok := c.enqueueLocked(add)
	c.mu.Unlock()
	if !ok {
		c.overflowed()
	}
	return ok
}

// enqueueLocked is enqueue with mu held. When it returns false the caller
// calls overflowed after giving mu up.
func (c *conn) enqueueLocked(add func(dst []byte) (_ []byte, n int)) bool {
	if c.ended != nil {
		return false
	}
	b, n := add(c.out.bytes())
	c.out.set(b)
	if len(b) == 0 {
		c.out.drop()
		return true
	}
	c.srv.stats.Sent.Add(int64(n))
	if c.out.waiting() > c.srv.limits.Outbox {
		return false
	}
	c.kick()
	return true
}

// overflowed closes the connection because its outbox is full. It does nothing
// to one that is closed already.
func (c *conn) overflowed() {
	c.shut(&ended{EndOverflow, tvilling.Errorf(tvilling.Throttled,
		"More than %d bytes wait for a client that does not read them.", c.srv.limits.Outbox)})
}

// kick has a writer send what waits, unless one does or it is not to be sent
// yet. mu is held.
func (c *conn) kick() {
	if c.out.writing || c.out.corked || c.out.buf == nil {
		return
	}
	c.out.writing = true
	c.srv.writers.start(c)
}

// cork holds packets back until uncork, which sends them from the goroutine
// that calls it.
func (c *conn) cork() {
	c.mu.Lock()
	c.out.corked = true
	c.mu.Unlock()
}

func (c *conn) uncork() {
	c.mu.Lock()
	c.out.corked = false
	mine := !c.out.writing && c.out.buf != nil
	if mine {
		c.out.writing = true
	}
	c.mu.Unlock()
	if mine {
		c.flush()
	}
}

// flush sends until nothing waits or the reader holds it back. Whoever set
// writing calls it.
func (c *conn) flush() {
	for {
		c.mu.Lock()
		b := c.out.buf
		if b == nil || c.out.corked || c.ended != nil {
			c.out.writing = false
			c.mu.Unlock()
			return
		}
		c.out.buf, c.out.sending = nil, len(b.b)
		c.mu.Unlock()

		for piece := range slices.Chunk(b.b, writeSize) {
			if err := c.write(piece); err != nil {
				c.shut(sendEnd(err, c.srv.limits.Write))
				break
			}
			c.srv.stats.SentBytes.Add(int64(len(piece)))
			c.mu.Lock()
			c.out.sending -= len(piece)
			c.change.Broadcast()
			c.mu.Unlock()
		}
		giveBuffer(b)
	}
}

func (c *conn) write(b []byte) error {
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.srv.limits.Write)); err != nil {
		return err
	}
	if c.closed.Load() { // see shut
		return net.ErrClosed
	}
	_, err := c.nc.Write(b)
	return err
}

func sendEnd(err error, limit time.Duration) *ended {
	if isTimeout(err) {
		return &ended{EndStuck, tvilling.Errorf(tvilling.Throttled, "The client did not read what was sent to it for %s.", limit)}
	}
	return &ended{EndLost, err}
}

// sendDesired enqueues a change of desired properties, at QoS 0: it is worth
// nothing to a client that reads the whole twin after a reconnect.
func (c *conn) sendDesired(version int64, patch []byte) bool {
	return c.enqueue(func(dst []byte) ([]byte, int) {
		var topic [64]byte
		p := packet.Publish{Topic: appendDesiredTopic(topic[:0], version), Payload: patch}
		return p.Append(dst), 1
	})
}

// admit lets the reader go on with a request of some weight, and opens a slot
// for its PUBACK. While too much of the client is unanswered it waits: not
// reading on is what slows the client down. ok is false when the connection
// has ended meanwhile.
func (c *conn) admit(p *packet.Publish, weight int) (r receipt, ok bool) {
	c.mu.Lock()
	if c.tooMuch(weight) {
		c.mu.Unlock()
		c.submit() // what waits in the batch could never be answered otherwise
		c.uncork()
		c.srv.stats.Stalls.Add(1)
		c.mu.Lock()
		for c.tooMuch(weight) {
			c.change.Wait()
		}
		c.out.corked = true
	}
	defer c.mu.Unlock()
	if c.ended != nil {
		return receipt{}, false
	}
	c.inFlight += weight
	r = receipt{weight: weight}
	if p.QoS > 0 {
		r.slot, r.acked = c.acks.add(p.ID), true
	}
	return r, true
}

func (c *conn) tooMuch(weight int) bool {
	have := c.inFlight + c.out.waiting()
	return c.ended == nil && have > 0 && have+weight > c.srv.limits.InFlight
}

// receipt is a request that was admitted and is to be settled.
type receipt struct {
	weight int
	slot   uint64
	acked  bool // there is a slot
}

// settle ends requests: their PUBACKs go out, as far as their turn has come,
// after the answer, if there is one.
func (c *conn) settle(answer *packet.Publish, receipts ...receipt) {
	c.mu.Lock()
	for _, r := range receipts {
		c.inFlight -= r.weight
		if r.acked {
			c.acks.complete(r.slot)
		}
	}
	c.change.Broadcast()
	ok := c.enqueueLocked(func(dst []byte) ([]byte, int) {
		sent := 0
		if answer != nil {
			dst = answer.Append(dst)
			sent++
		}
		dst, n := c.acks.flush(dst)
		return dst, sent + n
	})
	c.mu.Unlock()
	if !ok {
		c.overflowed()
	}
}
