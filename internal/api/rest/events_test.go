package rest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
)

// TestEvents: events are framed as browsers read them.
func TestEvents(t *testing.T) {
	t.Parallel()
	b := newBench(rest.Route{Method: http.MethodGet, Pattern: "/live", Own: true, Stream: true, Handle: func(c *rest.Call) error {
		return c.Events(func(_ context.Context, emit func(rest.Event) error) error {
			for _, e := range []rest.Event{
				{Name: "reset", Forget: true, Data: []byte(`{"reason":"x"}`)},
				{Name: "entered", ID: "c1", Data: []byte(`{"n":1}`)},
				{ID: "c2"},
				{},
			} {
				if err := emit(e); err != nil {
					return err
				}
			}
			return tvilling.Errorf(tvilling.TooLarge, "Too many.")
		})
	}})
	w, cut := b.get(t, "/live", "Authorization", "x")
	want := "event: reset\nid\ndata: {\"reason\":\"x\"}\n\n" +
		"event: entered\nid: c1\ndata: {\"n\":1}\n\n" +
		"id: c2\n\n" +
		":\n\n" +
		"event: fault\ndata: {\"error\":{\"code\":\"TooLarge\",\"message\":\"Too many.\",\"trackingId\":\""
	if got := w.Body.String(); cut || !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\"}}\n\n") {
		t.Errorf("got %s", got)
	}
	if got := w.Header().Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Errorf("the type is %s", got)
	}
}

// TestStreamRevoked: a stream ends, and says why, when the policy of its reader
// loses the key that opened it.
func TestStreamRevoked(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]func(*rest.Call) error{
		"lines": func(c *rest.Call) error {
			return c.Stream(func(ctx context.Context, _ func([]byte) error) error {
				<-ctx.Done()
				return ctx.Err()
			})
		},
		"events": func(c *rest.Call) error {
			return c.Events(func(ctx context.Context, _ func(rest.Event) error) error {
				<-ctx.Done()
				return ctx.Err()
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(rest.Route{Method: http.MethodGet, Pattern: "/stream", Own: true, Stream: true, Handle: handle})
				go func() {
					synctest.Wait()
					b.door.revoked.Store(true)
				}()
				w, cut := b.get(t, "/stream", "Authorization", "x")
				if got := w.Body.String(); cut || !strings.Contains(got, `"code":"Unauthorized"`) || !strings.Contains(got, "policy x") {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}
