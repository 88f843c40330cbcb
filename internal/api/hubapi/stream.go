package hubapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
)

const (
	streamType = "application/x-ndjson; charset=utf-8"
	// linesAhead bounds the lines that wait for a client. The reader of the log
	// then waits: nothing is dropped, and memory stays flat.
	linesAhead = 64
	// flushBytes is how much is gathered before it is sent while more lines wait.
	flushBytes = 32 << 10
	// slowest is how long a client may take to accept what was sent before the
	// stream is cut.
	slowest = 30 * time.Second
)

// stream answers with one JSON value a line. produce calls emit for each line,
// which is sent as soon as no further one waits; emit fails when the client
// has gone or the handler stops. An error of produce becomes the last line,
// {"error":{"code":…,"message":…}}: the status has long been sent.
func (c *call) stream(h *Handler, produce func(ctx context.Context, emit func([]byte) error) error) error {
	ctx, cancel := context.WithCancel(c.context())
	defer cancel()
	lines := make(chan []byte, linesAhead)
	var failure error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(lines)
		defer func() {
			if v := recover(); v != nil {
				failure = &tvilling.Error{Code: tvilling.Internal, Op: "stream", Subject: c.r.URL.Path, Err: fmt.Errorf("panic: %v\n%s", v, debug.Stack())}
			}
		}()
		failure = produce(ctx, func(line []byte) error {
			select {
			case lines <- line:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	defer wg.Wait()
	defer cancel() // before the wait: the producer may stand in emit
	header := c.w.Header()
	header.Set("Content-Type", streamType)
	header.Set("Cache-Control", "no-store")
	c.wrote, c.status = true, http.StatusOK
	c.hurry(slowest)
	c.w.WriteHeader(http.StatusOK)
	if c.flush() != nil || !c.pump(lines) {
		return nil // the client has gone
	}
	defer c.hurry(0)
	// lines is closed, so failure is set.
	if failure == nil || ctx.Err() != nil {
		return nil // the end, of the stream or of who reads it
	}
	f := translate(failure)
	c.tracking, c.failed = trackingID(), f.name
	c.log(h.logger, levelOf(f), "stream ended", errorAttr(failure))
	c.hurry(slowest)
	_, _ = c.w.Write(appendStreamFault(nil, f, c.tracking))
	_ = c.flush()
	return nil
}

// hurry gives the client some time to take what is written from now on; 0 is
// no limit, for whatever the connection is used for next.
func (c *call) hurry(d time.Duration) {
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = c.control.SetWriteDeadline(deadline) // a recorder in a test knows no deadlines
}

// pump writes lines until there are no more, and reports whether the client
// took them all.
func (c *call) pump(lines <-chan []byte) bool {
	unsent := 0
	for line := range lines {
		c.hurry(slowest)
		if _, err := c.w.Write(line); err != nil {
			return false
		}
		unsent += len(line)
		if len(lines) > 0 && unsent < flushBytes {
			continue
		}
		if err := c.flush(); err != nil {
			return false
		}
		unsent = 0
	}
	return c.flush() == nil
}

// flush sends what was written. A writer that cannot flush sends by itself.
func (c *call) flush() error {
	if err := c.control.Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// appendStreamFault appends the line that tells of an error inside a stream.
func appendStreamFault(dst []byte, f fault, tracking string) []byte {
	dst = append(dst, `{"error":{"code":`...)
	dst = appendString(dst, string(f.code))
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, f.message)
	if tracking != "" {
		dst = append(dst, `,"trackingId":`...)
		dst = appendString(dst, tracking)
	}
	return append(dst, "}}\n"...)
}

// after reads the query string's after: a sequence, or "latest" for what comes
// from now on.
func (c *call) after(head func() uint64) (uint64, error) {
	if c.query.Get("after") == "latest" {
		return head(), nil
	}
	return c.number("after", 0)
}

// filter is what a stream is narrowed to.
type filter struct {
	device tvilling.DeviceID
	module tvilling.ModuleID
}

func (c *call) filter() filter {
	return filter{device: tvilling.DeviceID(c.query.Get("device")), module: tvilling.ModuleID(c.query.Get("module"))}
}

func (f filter) takes(id tvilling.Identity) bool {
	return (f.device == "" || f.device == id.Device) && (f.module == "" || f.module == id.Module)
}
