package load

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// Await waits until every connection has been sent a message on a topic that
// begins with prefix, and returns when each had it, in the order of conns. If
// ctx ends first, it says how many had.
func Await(ctx context.Context, conns []*Conn, prefix string) ([]time.Time, error) {
	at := make([]time.Time, len(conns))
	errs := make([]error, len(conns))
	stop := context.AfterFunc(ctx, func() {
		for _, c := range conns {
			_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // wakes its reader; a closed one needs none
		}
	})
	defer stop()
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() { at[i], errs[i] = c.await(prefix) })
	}
	wg.Wait()
	got := 0
	var first error
	for i := range conns {
		if errs[i] == nil {
			got++
		} else if first == nil {
			first = errs[i]
		}
	}
	if first != nil {
		return nil, fmt.Errorf("%d of %d connections were told: %w", got, len(conns), first)
	}
	return at, nil
}

func (c *Conn) await(prefix string) (time.Time, error) {
	for {
		f, ok, err := c.next()
		switch {
		case err != nil:
			return time.Time{}, err
		case ok && f.Type == packet.PUBLISH:
			p, err := packet.DecodePublish(f)
			if err != nil {
				return time.Time{}, err
			}
			if bytes.HasPrefix(p.Topic, []byte(prefix)) {
				return time.Now(), nil
			}
		case ok:
		default:
			if err := c.read(); err != nil {
				return time.Time{}, err
			}
		}
	}
}
