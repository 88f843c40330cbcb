package hubapi_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/hub/live"
)

const labQuery = "SELECT deviceId, tags.floor FROM devices WHERE tags.site = 'lab'"

// liveStream opens a live query and returns a reader of its events.
func (h *hub) liveStream(t *testing.T, s *httptest.Server, text string, header ...string) (events *bufio.Reader, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/tvilling/query/live?query="+url.QueryEscape(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", h.token(t, "service"))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = w.Body.Close()
	})
	if w.StatusCode != http.StatusOK || w.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Fatalf("got %d %s", w.StatusCode, w.Header.Get("Content-Type"))
	}
	return bufio.NewReader(w.Body), cancel
}

// nextEvent reads an event, without its cursor, and returns that beside it.
func nextEvent(t *testing.T, r *bufio.Reader) (event, cursor string) {
	t.Helper()
	for {
		line := next(t, r)
		if line == "\n" {
			return event, cursor
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			cursor = strings.TrimSpace(id)
			continue
		}
		event += line
	}
}

// TestLive: what a query finds comes first, then what happens to it; whoever
// comes back with the id of an event is told what is different.
func TestLive(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	s := h.serve(t)
	patch := func(device, tags string) {
		t.Helper()
		h.must(t, http.StatusOK, "service", http.MethodPatch, "/twins/"+device+"?api-version=2021-04-12", `{"tags":`+tags+`}`)
	}
	expect := func(r *bufio.Reader, want string) string {
		t.Helper()
		got, cursor := nextEvent(t, r)
		if got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
		return cursor
	}
	for _, d := range []string{"d1", "d2"} {
		h.Register(t, tvilling.Device(tvilling.DeviceID(d)))
	}
	patch("d1", `{"site":"lab"}`)
	events, stop := h.liveStream(t, s, labQuery)
	if cursor := expect(events, "event: entered\ndata: {\"deviceId\":\"d1\",\"row\":{\"deviceId\":\"d1\"}}\n"); cursor != "" {
		t.Errorf("the cursor %s comes before all is told", cursor)
	}
	if expect(events, "event: ready\ndata: {\"members\":1}\n") == "" {
		t.Error("no cursor")
	}
	patch("d2", `{"site":"lab","floor":2}`)
	expect(events, "event: entered\ndata: {\"deviceId\":\"d2\",\"row\":{\"deviceId\":\"d2\",\"floor\":2}}\n")
	patch("d2", `{"floor":3}`)
	cursor := expect(events, "event: changed\ndata: {\"deviceId\":\"d2\",\"row\":{\"deviceId\":\"d2\",\"floor\":3}}\n")
	stop()

	patch("d1", `{"site":"roof"}`)
	events, _ = h.liveStream(t, s, labQuery, "Last-Event-ID", cursor)
	expect(events, "event: left\ndata: {\"deviceId\":\"d1\"}\n")
	expect(events, "event: ready\ndata: {\"members\":1}\n")

	modules, _ := h.liveStream(t, s, "SELECT moduleId FROM devices.modules WHERE deviceId = 'd1'")
	expect(modules, "event: entered\ndata: {\"deviceId\":\"d1\",\"moduleId\":\"azureiotsecurity\",\"row\":{\"moduleId\":\"azureiotsecurity\"}}\n")
}

// TestLiveReset: a client that goes on where it cannot is told to forget its
// rows and its cursor.
func TestLiveReset(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	s := h.serve(t)
	h.Register(t, tvilling.Device("d1"))
	const text = "SELECT deviceId FROM devices WHERE connectionState = 'Disconnected'"
	events, _ := h.liveStream(t, s, text)
	nextEvent(t, events)
	_, cursor := nextEvent(t, events)
	h.options.Live = h.live() // as after a start of the hub
	h.handler = hubapi.New(h.options)
	s = h.serve(t)
	events, _ = h.liveStream(t, s, text, "Last-Event-ID", cursor)
	if got, _ := nextEvent(t, events); !strings.HasPrefix(got, "event: reset\nid\ndata: {\"reason\":\"The hub was started anew") {
		t.Errorf("got %s", got)
	}
	if got, _ := nextEvent(t, events); got != "event: entered\ndata: {\"deviceId\":\"d1\",\"row\":{\"deviceId\":\"d1\"}}\n" {
		t.Errorf("got %s", got)
	}
}

// TestLiveRefused: what cannot be followed is refused before a stream begins.
func TestLiveRefused(t *testing.T) {
	t.Parallel()
	h := newHub(t, func(o *hubapi.Options) { o.Live = tooMany{} })
	for _, target := range []string{"?query=x", "?query=x&cursor=y"} {
		w := h.must(t, http.StatusTooManyRequests, "service", http.MethodGet, "/tvilling/query/live"+target, "")
		if w.Header().Get("Retry-After") == "" {
			t.Error("it does not say when to try again")
		}
	}
	h = newHub(t)
	h.must(t, http.StatusBadRequest, "service", http.MethodGet, "/tvilling/query/live", "")
	for text, word := range map[string]string{
		"SELECT TOP 1 * FROM devices":      "TOP is not followed",
		"SELECT * FROM devices WHERE":      "line 1, column 28",
		"SELECT COUNT() AS n FROM devices": "count those",
	} {
		w := h.must(t, http.StatusBadRequest, "service", http.MethodGet, "/tvilling/query/live?query="+url.QueryEscape(text), "")
		if !strings.Contains(w.Body.String(), word) {
			t.Errorf("%s: %s", text, w.Body)
		}
	}
	h.must(t, http.StatusBadRequest, "service", http.MethodGet, "/tvilling/query/live?cursor=x&query="+url.QueryEscape(labQuery), "")
}

// tooMany opens none.
type tooMany struct{}

func (tooMany) Open(context.Context, string, string) (*live.Subscription, error) {
	return nil, tvilling.Errorf(tvilling.Throttled, "There are too many.")
}
