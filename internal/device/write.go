package device

import "time"

// spareSize is the largest buffer that a client keeps between writes.
const spareSize = 1 << 10

// send enqueues a packet.
func (c *Client) send(b []byte) {
	c.mu.Lock()
	if c.err == nil {
		c.out = append(c.out, b...)
		c.kick()
	}
	c.mu.Unlock()
}

// kick has a goroutine write what waits, unless one does. mu is held and the
// connection has not ended.
func (c *Client) kick() {
	if c.writing || len(c.out) == 0 {
		return
	}
	c.writing = true
	c.wg.Go(c.write)
}

// write sends until nothing waits. What comes while it is sending leaves
// together, next.
func (c *Client) write() {
	for {
		c.mu.Lock()
		b := c.out
		if len(b) == 0 || c.err != nil {
			c.writing = false
			c.idle.Broadcast()
			c.mu.Unlock()
			return
		}
		c.out, c.spare = c.spare[:0], nil
		c.spoke = time.Now()
		limited := c.opt.Patience > 0 && !c.closing
		c.mu.Unlock()
		if limited {
			_ = c.nc.SetWriteDeadline(c.spoke.Add(c.opt.Patience))
		}
		_, err := c.nc.Write(b)
		c.mu.Lock()
		if cap(b) <= spareSize {
			c.spare = b[:0]
		}
		c.mu.Unlock()
		if err != nil {
			c.fail(err)
		}
	}
}
