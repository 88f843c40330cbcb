package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"html/template"
	"net/http"
	"reflect"
	"time"
)

// Fragment is a part of a page that is kept current: HTML of one element with
// this id, which takes the place of the element with the same id.
type Fragment struct {
	ID   string
	HTML template.HTML
}

// Stream keeps fragments of an open page current.
type Stream struct {
	// Changed are channels that have a value, or are closed, when something may
	// have changed. Each is asked for anew after every time.
	Changed []func() <-chan struct{}
	// Every has the fragments made at least so often, 0 only when something
	// has changed.
	Every time.Duration
	// Fragments makes them. Those that are as they were are not sent again.
	Fragments func(ctx context.Context) ([]Fragment, error)
}

const (
	// pace is the least time between two looks for one page: what is on screen
	// is to be current within a second, the look and the way included.
	pace = 700 * time.Millisecond
	// beat is the longest time without a sign of life.
	beat = 15 * time.Second
	// again is how often the session of an open page is looked at.
	again = 15 * time.Second
	// writeTime is how long a browser may take to read.
	writeTime = 10 * time.Second
)

// Stream answers with fragments as server-sent events, until the browser goes,
// the session ends, or the hub stops.
func (c *Call) Stream(s Stream) error {
	control := http.NewResponseController(c.W)
	h := c.W.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	c.wrote, c.status = true, http.StatusOK
	send := func(b []byte) error {
		// A recorder in a test knows no deadlines; a real connection does. One
		// that is left behind would end an HTTP/2 stream that has nothing to say.
		_ = control.SetWriteDeadline(time.Now().Add(writeTime))
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
		if _, err := c.W.Write(b); err != nil {
			return err
		}
		return control.Flush()
	}
	sent := make(map[string][sha256.Size]byte)
	checked := time.Now()
	for {
		waits := make([]<-chan struct{}, len(s.Changed))
		for i, changed := range s.Changed {
			waits[i] = changed()
		}
		list, err := s.Fragments(c.Context())
		if err != nil {
			if c.over() {
				return nil
			}
			t, _ := c.Trouble(err)
			// Whether the browser still reads it or not: the stream ends here.
			_ = send(event("trouble", []byte(t.Message+" ("+t.Code+")")))
			return err
		}
		part := difference(list, sent)
		if part == nil {
			part = []byte(": \n\n")
		}
		rest := time.Now().Add(pace)
		for next := time.Now().Add(s.Every); ; {
			if err := send(part); err != nil {
				return nil //nolint:nilerr // the browser went away
			}
			if time.Since(checked) > again {
				if checked = time.Now(); c.gone() {
					return nil
				}
			}
			until := time.Now().Add(beat)
			if s.Every > 0 && next.Before(until) {
				until = next
			}
			if c.wait(waits, rest, until) || s.Every > 0 && !time.Now().Before(next) {
				break
			}
			if c.over() {
				return nil
			}
			part = []byte(": \n\n")
		}
	}
}

// over reports whether nobody is to be answered any more.
func (c *Call) over() bool { return c.Context().Err() != nil || c.site.ending.Err() != nil }

// gone reports whether the session has ended, or its user may no longer see
// what the stream shows.
func (c *Call) gone() bool {
	cookie, err := c.R.Cookie(Cookie)
	if err != nil {
		return true
	}
	who, err := c.site.opt.Accounts.Session(c.Context(), cookie.Value)
	return err != nil || !who.May(c.Route.Role)
}

// wait returns true when one of the channels says so, but not before rest has
// come, and false when it is over or until has come.
func (c *Call) wait(waits []<-chan struct{}, rest, until time.Time) bool {
	done := func(ch <-chan struct{}) reflect.SelectCase {
		return reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ch)}
	}
	pause := time.NewTimer(max(0, time.Until(rest)))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-c.Context().Done():
		return false
	case <-c.site.ending.Done():
		return false
	}
	timer := time.NewTimer(max(0, time.Until(until)))
	defer timer.Stop()
	cases := []reflect.SelectCase{
		done(c.Context().Done()), done(c.site.ending.Done()),
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(timer.C)},
	}
	ends := len(cases)
	for _, ch := range waits {
		cases = append(cases, done(ch))
	}
	chosen, _, _ := reflect.Select(cases)
	return chosen >= ends
}

// difference is an event for each fragment that is not as it was sent; nil if all
// are. One event each, since a browser reads what is in one as the content of
// one element, and a row of a table is none where a section may stand.
func difference(list []Fragment, sent map[string][sha256.Size]byte) []byte {
	var b bytes.Buffer
	for _, f := range list {
		sum := sha256.Sum256([]byte(f.HTML))
		if old, ok := sent[f.ID]; ok && old == sum {
			continue
		}
		sent[f.ID] = sum
		b.Write(event("patch", []byte(f.HTML)))
	}
	return b.Bytes()
}

// event is one server-sent event. A carriage return would end a line of it.
func event(name string, data []byte) []byte {
	var b bytes.Buffer
	b.WriteString("event: " + name + "\n")
	data = bytes.ReplaceAll(data, []byte("\r"), []byte("&#13;"))
	for line := range bytes.Lines(bytes.TrimRight(data, "\n")) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.Bytes()
}
