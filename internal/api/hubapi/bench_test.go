package hubapi_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// BenchmarkTwinGet is one GET of a 2 KiB twin through the whole handler.
func BenchmarkTwinGet(b *testing.B) {
	h := benchHub(b, 1)
	ask := h.asker(b, http.MethodGet, "/twins/d00000?api-version=2021-04-12", "")
	b.ReportAllocs()
	for b.Loop() {
		ask()
	}
}

// BenchmarkQueryScan is a query that looks at 2,000 twins of 2 KiB and finds none.
func BenchmarkQueryScan(b *testing.B) {
	const n = 2000
	h := benchHub(b, n)
	ask := h.asker(b, http.MethodPost, "/devices/query?api-version=2021-04-12", `{"query":"SELECT * FROM devices WHERE tags.site = 'nowhere' AND properties.desired.k10 > 5"}`)
	b.ReportAllocs()
	for b.Loop() {
		ask()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/twin")
}

// BenchmarkQueryPage is a page of 100 whole twins of 2 KiB.
func BenchmarkQueryPage(b *testing.B) {
	h := benchHub(b, 101)
	ask := h.asker(b, http.MethodPost, "/devices/query?api-version=2021-04-12", `{"query":"SELECT * FROM devices"}`)
	b.ReportAllocs()
	for b.Loop() {
		ask()
	}
}

func benchHub(b *testing.B, n int) *hub {
	b.Helper()
	h := newHub(b, func(o *hubapi.Options) { o.Logger = slog.New(slog.DiscardHandler) })
	h.Registry.SetCompanion(nil)
	var desired strings.Builder
	for i := range 40 {
		fmt.Fprintf(&desired, `,"k%d":"%s"`, i, strings.Repeat("v", 40))
	}
	patch := hubtest.Patch(b, doc.Desired, "{"+desired.String()[1:]+"}")
	tags := hubtest.Patch(b, doc.Tags, `{"site":"north","floor":3}`)
	for i := range n {
		id := tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%05d", i)))
		h.Register(b, id)
		if _, err := h.Twins.Patch(b.Context(), id, twin.Update{Tags: tags, Desired: patch}, tvilling.Match{}, "bench"); err != nil {
			b.Fatal(err)
		}
	}
	return h
}

// asker returns a function that sends a request as the policy service.
func (h *hub) asker(b *testing.B, method, target, body string) func() {
	b.Helper()
	token := h.token(b, "service")
	return func() {
		r := httptest.NewRequestWithContext(b.Context(), method, target, strings.NewReader(body))
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
}
