package rest

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
	// recheck is how often it is seen to that the one who reads a stream still may.
	recheck = 5 * time.Second
)

// Producer makes the lines of a stream: it calls emit for each, which keeps
// what it is given. emit fails when the client has gone or the handler stops.
type Producer func(ctx context.Context, emit func(line []byte) error) error

// Stream answers with one JSON value a line, each sent as soon as no further
// one waits. An error of the producer becomes the last line,
// {"error":{"code":…,"message":…}}: the status has long been sent.
func (c *Call) Stream(produce Producer) error {
	return c.stream(streamType, linesAhead, produce, appendStreamFault)
}

// stream sends what the producer makes, and in the end its error as fault
// writes it.
func (c *Call) stream(contentType string, ahead int, produce Producer, fault func(dst []byte, f fault, tracking string) []byte) error {
	taken, failure := c.send(contentType, ahead, produce)
	defer c.hurry(0)
	if !taken || failure == nil || c.Context().Err() != nil {
		return nil // the end, of the stream or of who reads it
	}
	f := translate(failure)
	c.tracking, c.failed = trackingID(), f.name
	c.Log(levelOf(f), "stream ended", ErrorAttr(failure))
	c.hurry(slowest)
	_, _ = c.W.Write(fault(nil, f, c.tracking))
	_ = c.flush()
	return nil
}

// Export answers with a file that is made while it is sent. When it cannot be
// finished, because of an error or since the handler stops, the connection is
// cut, so that nobody takes the part for the whole.
func (c *Call) Export(contentType, name string, produce Producer) error {
	c.W.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	taken, failure := c.send(contentType, linesAhead, produce)
	defer c.hurry(0)
	if !taken {
		return context.Canceled // the client has gone
	}
	return failure
}

// send starts the producer, writes what it makes, and waits for its end. It
// reports whether the client took everything, and the error of the producer, which
// is at most ahead lines in front of the client.
func (c *Call) send(contentType string, ahead int, produce Producer) (taken bool, failure error) {
	ctx, cancel := context.WithCancelCause(c.Context())
	lines := make(chan []byte, ahead)
	c.wrote, c.status = true, http.StatusOK // the producer may log
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() { c.guard(ctx, cancel) })
	wg.Go(func() {
		defer close(lines)
		defer func() {
			if v := recover(); v != nil {
				failed = &tvilling.Error{Code: tvilling.Internal, Op: "stream", Subject: c.R.URL.Path, Err: fmt.Errorf("panic: %v\n%s", v, debug.Stack())}
			}
		}()
		failed = produce(ctx, func(line []byte) error {
			select {
			case lines <- line:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	header := c.W.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-store")
	c.hurry(slowest)
	c.W.WriteHeader(http.StatusOK)
	taken = c.flush() == nil && c.pump(lines)
	cancel(nil) // before the wait: the producer may stand in emit
	wg.Wait()
	if revoked, ok := errors.AsType[*tvilling.Error](context.Cause(ctx)); ok && c.Context().Err() == nil {
		failed = revoked
	}
	return taken, failed
}

// guard cancels a stream once the policy of whoever reads it has lost the key
// or the permissions that it was opened with.
func (c *Call) guard(ctx context.Context, cancel context.CancelCauseFunc) {
	if c.Who.Policy == "" {
		return
	}
	again := time.NewTicker(recheck)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			if !c.handler.opt.Auth.StillServes(c.Who) {
				cancel(tvilling.Errorf(tvilling.Unauthorized, "The key or the permissions of the policy %s were changed; open the stream anew with those it has now.", c.Who.Policy))
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// hurry gives the client some time to take what is written from now on; 0 is
// no limit, for whatever the connection is used for next.
func (c *Call) hurry(d time.Duration) {
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = c.control.SetWriteDeadline(deadline) // a recorder in a test knows no deadlines
}

// pump writes lines until there are no more, and reports whether the client
// took them all. While it waits for a line nothing is to be sent, and no time
// runs: in HTTP/2 a stream is reset when its deadline passes, written to or not.
func (c *Call) pump(lines <-chan []byte) bool {
	unsent := 0
	c.hurry(0)
	for line := range lines {
		c.hurry(slowest)
		if _, err := c.W.Write(line); err != nil {
			return false
		}
		unsent += len(line)
		if len(lines) > 0 && unsent < flushBytes {
			continue
		}
		if err := c.flush(); err != nil {
			return false
		}
		c.hurry(0)
		unsent = 0
	}
	c.hurry(slowest)
	return c.flush() == nil
}

// flush sends what was written. A writer that cannot flush sends by itself.
func (c *Call) flush() error {
	if err := c.control.Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// appendStreamFault appends the line that tells of an error inside a stream.
func appendStreamFault(dst []byte, f fault, tracking string) []byte {
	dst = append(dst, `{"error":{"code":`...)
	dst = AppendString(dst, string(f.code))
	dst = append(dst, `,"message":`...)
	dst = AppendString(dst, f.message)
	if tracking != "" {
		dst = append(dst, `,"trackingId":`...)
		dst = AppendString(dst, tracking)
	}
	return append(dst, "}}\n"...)
}

// Missing is the line of a stream that stands for something that is not there.
func Missing(err error) []byte { return appendStreamFault(nil, translate(err), "") }

// Damaged turns what is corrupt in a store into a line of a stream, which then
// goes on; it leaves other errors alone.
func Damaged(err error) ([]byte, error) {
	if tvilling.CodeOf(err) != tvilling.Corrupt {
		return nil, err
	}
	return Missing(err), nil
}
