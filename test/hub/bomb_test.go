package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
)

// metric reads one of the hub's figures, without labels.
func metric(t testing.TB, h *apptest.Hub, name string) float64 {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.Admin()+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	a, err := (&http.Client{Transport: tr, Timeout: patience}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// bombs are queries that are made to be expensive, each with the code of its
// refusal, "" for an answer.
func bombs() map[string]struct {
	text string
	code tvilling.Code
} {
	list := func(n int, item func(i int) string, between string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = item(i)
		}
		return strings.Join(parts, between)
	}
	const from = "SELECT deviceId FROM devices WHERE "
	big := "CONCAT(tags.big, tags.big)"
	return map[string]struct {
		text string
		code tvilling.Code
	}{
		"too long":   {from + strings.Repeat(" ", 8192) + "status = 'x'", tvilling.InvalidArgument},
		"too deep":   {from + strings.Repeat("(", 101) + "status = 'x'" + strings.Repeat(")", 101), tvilling.InvalidArgument},
		"deep":       {from + strings.Repeat("NOT ", 98) + "IS_DEFINED(tags.big)", ""},
		"half open":  {from + strings.Repeat("(", 4000), tvilling.InvalidArgument},
		"many in":    {from + "tags.n IN [" + list(1500, strconv.Itoa, ",") + "]", ""},
		"many texts": {from + "UPPER(tags.big) NIN [" + list(500, func(i int) string { return fmt.Sprintf("'%d'", i) }, ",") + "]", ""},
		"many or":    {from + list(250, func(i int) string { return fmt.Sprintf("lastActivityTime='%d'", i) }, " OR "), ""},
		"like":       {from + big + " LIKE '" + strings.Repeat("%a", 126) + "%b'", ""},
		"likes":      {from + list(25, func(int) string { return big + " LIKE '" + strings.Repeat("%a", 120) + "%_b'" }, " OR "), ""},
		"order":      {"SELECT * FROM devices ORDER BY " + list(32, func(i int) string { return fmt.Sprintf("SUBSTRING(%s, %d)", big, i) }, ", "), ""},
		"orders":     {"SELECT * FROM devices ORDER BY " + list(33, func(i int) string { return "tags.n" + strconv.Itoa(i) }, ", "), tvilling.InvalidArgument},
		"groups":     {"SELECT COUNT() FROM devices GROUP BY " + list(8, func(i int) string { return fmt.Sprintf("CONCAT(deviceId, SUBSTRING(%s, %d))", big, 10+i) }, ", "), tvilling.TooLarge},
		"join":       {"SELECT * FROM devices JOIN devices.modules WHERE " + big + " LIKE '%b%' OR modules." + "version > 0 ORDER BY modules.version DESC", ""},
		"numbers":    {from + "tags.n = " + strings.Repeat("9", 7000), tvilling.InvalidArgument},
	}
}

// Queries that are made to be expensive are answered or refused, while others
// go on, with as much memory as any; and whoever goes away stops their work.
func TestQueryBombs(t *testing.T) {
	h, c, key := start(t)
	const devices = 400
	registerMany(t, c, devices)
	var hands sync.WaitGroup
	for hand := range 8 {
		hands.Go(func() {
			for i := hand; i < devices; i += 8 {
				tags := fmt.Sprintf(`{"n":%d,"big":"%s"}`, i, strings.Repeat("a", 3900))
				id := tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%04d", i)))
				if _, err := c.PatchTwin(t.Context(), id, client.TwinPatch{Tags: json.RawMessage(tags)}, tvilling.Match{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	if hands.Wait(); t.Failed() {
		return
	}
	w := connect(t, h, device("d"), key)
	w.subscribe(twinResponses)
	before, goroutines := heap(), runtime.NumGoroutine()

	ctx, stop := context.WithCancel(t.Context())
	writes := 0
	hands.Go(func() {
		for ; ctx.Err() == nil; writes++ {
			if a := w.report(`{"n":` + itoa(writes) + `}`); a.status != 204 {
				t.Errorf("report: %+v", a)
				return
			}
		}
	})
	for name, bomb := range bombs() {
		start := time.Now()
		_, err := c.QueryPage(ctx, bomb.text, 0, "")
		wantCode(t, name, err, bomb.code)
		t.Logf("%s: %v", name, time.Since(start))
	}
	// Many at once, most of whose askers go away.
	var askers sync.WaitGroup
	for i := range 200 {
		askers.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, time.Duration(i%20)*10*time.Millisecond)
			defer cancel()
			_, err := c.QueryPage(ctx, bombs()["likes"].text, 0, "")
			if code := tvilling.CodeOf(err); err != nil && ctx.Err() == nil && code != tvilling.Throttled {
				t.Errorf("a query among many: %v", err)
			}
		})
	}
	askers.Wait()
	eventually(t, "all scans end", func() (bool, any) {
		scans, waiting := metric(t, h, "tvilling_query_scans"), metric(t, h, "tvilling_query_scans_waiting")
		return scans == 0 && waiting == 0, fmt.Sprint(scans, waiting)
	})
	stop()
	hands.Wait()
	if writes < 20 {
		t.Errorf("%d reports went through meanwhile", writes)
	}
	t.Logf("%d reports went through", writes)
	wantFlat(t, before)
	eventually(t, "goroutines end", func() (bool, any) {
		c.Close()
		n := runtime.NumGoroutine()
		return n <= goroutines+10, n
	})
	if got := found(t, c, "SELECT deviceId FROM devices WHERE tags.n = 7"); got != "d0007" {
		t.Errorf("afterwards a query finds %q", got)
	}
}
