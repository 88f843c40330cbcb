package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

func all[T any](seq func(func(T, error) bool)) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

// asking is a call and the request it makes, below the path of the interface.
type asking struct {
	name string
	call func(ctx context.Context, c *client.Client) error
	want string
}

func (tt asking) try(t *testing.T) {
	t.Helper()
	f := &far{answer: func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/feed") || r.URL.Query().Get("follow") != "" {
			return
		}
		_, _ = io.WriteString(w, "{}")
	}}
	if err := tt.call(t.Context(), newClient(t, f)); err != nil {
		t.Errorf("%s: %v", tt.name, err)
		return
	}
	want := strings.Replace(strings.Replace(tt.want, "V", "api-version=2021-04-12", 1), " /", " https://hub.example/tvilling/security/", 1)
	if len(f.asked) != 1 || f.asked[0] != want {
		t.Errorf("%s: asked\n%q, want\n%q", tt.name, f.asked, want)
	}
}

func TestAlertRequests(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	filter := client.AlertFilter{Device: "d", Type: "T", Severity: []string{"low", "high"}, Status: []string{"open"}, Owner: "ann", From: at, To: at.Add(time.Hour)}
	said := filter
	said.Text = "a b"
	advice := client.RecommendationFilter{Device: "d", Type: "T", Severity: []string{"low"}, State: "active"}
	for _, tt := range []asking{
		{"alerts", func(ctx context.Context, c *client.Client) error {
			return all(c.Alerts(ctx, filter, client.Paging{After: "a&b", PageSize: 7}))
		}, "GET /alerts?after=a%26b&V&device=d&from=2026-01-02T02%3A04%3A05Z&owner=ann&severity=low&severity=high&status=open&to=2026-01-02T03%3A04%3A05Z&top=7&type=T"},
		{"alerts that say", func(ctx context.Context, c *client.Client) error {
			return all(c.Alerts(ctx, said, client.Paging{}))
		}, "GET /alerts?V&device=d&from=2026-01-02T02%3A04%3A05Z&owner=ann&severity=low&severity=high&status=open&text=a+b&to=2026-01-02T03%3A04%3A05Z&type=T"},
		{"page", func(ctx context.Context, c *client.Client) error {
			_, _, err := c.AlertPage(ctx, client.AlertFilter{}, client.Paging{})
			return err
		}, "GET /alerts?V"},
		{"alert", func(ctx context.Context, c *client.Client) error { return second(c.Alert(ctx, "a/1")) }, "GET /alerts/a%2F1?V"},
		{"update", func(ctx context.Context, c *client.Client) error {
			return second(c.UpdateAlert(ctx, "a", client.AlertChange{Status: new("dismissed"), Reason: new("benign"), Note: new(""), DismissedUntil: new(at.UTC())}, client.IfTag("MQ==")))
		}, `PATCH /alerts/a?V If-Match: "MQ==" {"status":"dismissed","reason":"benign","note":"","dismissedUntil":"2026-01-02T02:04:05Z"}`},
		{"for good", func(ctx context.Context, c *client.Client) error {
			return second(c.UpdateAlert(ctx, "a", client.AlertChange{DismissedUntil: new(time.Time{})}, tvilling.Match{}))
		}, `PATCH /alerts/a?V {"dismissedUntil":null}`},
		{"many", func(ctx context.Context, c *client.Client) error {
			return second(c.UpdateAlerts(ctx, []string{"a", "b"}, client.AlertChange{Owner: new("ann")}))
		}, `POST /alerts/update?V {"change":{"owner":"ann"},"ids":["a","b"]}`},
		{"history", func(ctx context.Context, c *client.Client) error { return second(c.AlertHistory(ctx, "a")) }, "GET /alerts/a/history?V"},
		{"explain", func(ctx context.Context, c *client.Client) error { return second(c.ExplainAlert(ctx, "a")) }, "GET /alerts/a/explain?V"},
		{"summary", func(ctx context.Context, c *client.Client) error {
			return second(c.AlertSummary(ctx, client.AlertFilter{Owner: "ann"}, "type", "day"))
		}, "GET /alerts/summary?V&by=type&by=day&owner=ann"},
		{"recommendations", func(ctx context.Context, c *client.Client) error {
			return all(c.Recommendations(ctx, advice, client.Paging{}))
		}, "GET /recommendations?V&device=d&severity=low&state=active&type=T"},
		{"recommendation", func(ctx context.Context, c *client.Client) error { return second(c.Recommendation(ctx, "T", "d#1")) }, "GET /recommendations/T/d%231?V"},
		{"apply", func(ctx context.Context, c *client.Client) error { return second(c.ApplyRecommendation(ctx, "T", "d")) }, "POST /recommendations/T/d/apply?V"},
		{"recommendation summary", func(ctx context.Context, c *client.Client) error {
			return second(c.RecommendationSummary(ctx, client.RecommendationFilter{}, "state"))
		}, "GET /recommendations/summary?V&by=state"},
		{"types", func(ctx context.Context, c *client.Client) error { return second(c.RecommendationTypes(ctx)) }, "GET /recommendations/types?V"},
	} {
		tt.try(t)
	}
}

func TestEventRequests(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	events := client.EventFilter{Device: "d", Names: []string{"Login", "Heartbeat"}, Type: "Security", From: at, Where: []string{"A = 1", "B = 2"}}
	for _, tt := range []asking{
		{"detections", func(ctx context.Context, c *client.Client) error { return second(c.Detections(ctx)) }, "GET /detections?V"},
		{"detection", func(ctx context.Context, c *client.Client) error { return second(c.Detection(ctx, "x")) }, "GET /detections/x?V"},
		{"configure", func(ctx context.Context, c *client.Client) error {
			return second(c.ConfigureDetection(ctx, "x", client.DetectionChange{Enabled: new(false), Parameters: map[string]int64{"after": 60}}))
		}, `PATCH /detections/x?V {"enabled":false,"parameters":{"after":60}}`},
		{"check", func(ctx context.Context, c *client.Client) error { return second(c.CheckRule(ctx, "title: \"x\"\n")) }, "POST /detections/check?V title: \"x\"\n"},
		{"try", func(ctx context.Context, c *client.Client) error {
			return second(c.TryRule(ctx, "title: x", "d", at, time.Time{}))
		}, "POST /detections/try?V&device=d&from=2026-01-02T02%3A04%3A05Z title: x"},
		{"put rule", func(ctx context.Context, c *client.Client) error { return second(c.PutRule(ctx, "own", "title: x")) }, "PUT /detections/rules/own?V title: x"},
		{"rule", func(ctx context.Context, c *client.Client) error { return second(c.Rule(ctx, "own")) }, "GET /detections/rules/own?V"},
		{"delete rule", func(ctx context.Context, c *client.Client) error { return c.DeleteRule(ctx, "own") }, "DELETE /detections/rules/own?V"},
		{"events", func(ctx context.Context, c *client.Client) error {
			return all(c.Events(ctx, events, client.Paging{PageSize: 5}, true))
		}, "GET /events?V&device=d&from=2026-01-02T02%3A04%3A05Z&name=Login&name=Heartbeat&order=desc&top=5&type=Security&where=A+%3D+1&where=B+%3D+2"},
		{"follow", func(ctx context.Context, c *client.Client) error {
			return all(c.FollowEvents(ctx, client.EventFilter{}, "latest"))
		}, "GET /events?after=latest&V&follow=true"},
		{"export", func(ctx context.Context, c *client.Client) error {
			return second(c.ExportEvents(ctx, client.EventFilter{Device: "d"}, client.CSV, io.Discard))
		}, "GET /events/export?V&device=d&format=csv"},
		{"event summary", func(ctx context.Context, c *client.Client) error {
			return second(c.EventSummary(ctx, client.Ports, client.EventScope{Device: "d", MaxPort: 9}))
		}, "GET /events/summary/ports?V&device=d&maxPort=9"},
		{"dead letters", func(ctx context.Context, c *client.Client) error {
			return all(c.DeadLetters(ctx, "d", client.Paging{After: "4.-1"}))
		}, "GET /deadletters?after=4.-1&V&device=d"},
		{"feed", func(ctx context.Context, c *client.Client) error {
			return all(c.Feed(ctx, client.StreamOptions{After: 3, Follow: true, Device: "d"}))
		}, "GET /feed?after=3&V&follow=true"},
		{"device", func(ctx context.Context, c *client.Client) error { return second(c.DeviceSecurity(ctx, "d")) }, "GET /devices/d?V"},
		{"overview", func(ctx context.Context, c *client.Client) error { return second(c.SecurityOverview(ctx)) }, "GET /overview?V"},
		{"sinks", func(ctx context.Context, c *client.Client) error { return second(c.Sinks(ctx)) }, "GET /sinks?V"},
		{"replay", func(ctx context.Context, c *client.Client) error { return c.ReplaySink(ctx, "s", 0) }, "POST /sinks/s/replay?after=0&V"},
	} {
		tt.try(t)
	}
}

// TestSecurityPages: all pages are read, and Raw has each record whole.
func TestSecurityPages(t *testing.T) {
	t.Parallel()
	f := &far{answer: func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") == "" {
			_, _ = io.WriteString(w, `{"alerts":[{"id":"a","own":1},{"id":"b"}],"next":"b"}`)
		} else {
			_, _ = io.WriteString(w, `{"alerts":[{"id":"c"}]}`)
		}
	}}
	var got []string
	for a, err := range newClient(t, f).Alerts(t.Context(), client.AlertFilter{}, client.Paging{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a.ID+string(a.Raw))
	}
	if want := `[a{"id":"a","own":1} b{"id":"b"} c{"id":"c"}]`; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if len(f.asked) != 2 {
		t.Errorf("asked %d times", len(f.asked))
	}
}

func TestAlertETag(t *testing.T) {
	t.Parallel()
	f := &far{answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"MQ=="`)
		_, _ = io.WriteString(w, `{"id":"a","dismissedUntil":"2026-01-02T03:04:05Z"}`)
	}}
	a, err := newClient(t, f).Alert(t.Context(), "a")
	if err != nil || a.ETag != "MQ==" || a.DismissedUntil.IsZero() {
		t.Errorf("got %+v, %v", a, err)
	}
}

// cut is a body that ends in the middle.
type cut struct{ r io.Reader }

func (c cut) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (cut) Close() error { return nil }

type cutting struct{ body string }

func (c cutting) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: cut{strings.NewReader(c.body)}}, nil
}

// TestExportCut: an export that is cut is an error, not a short file.
func TestExportCut(t *testing.T) {
	t.Parallel()
	c, err := client.New(client.Options{ConnectionString: connection, HTTPClient: &http.Client{Transport: cutting{"a,b\r\n"}}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	n, err := c.ExportEvents(t.Context(), client.EventFilter{}, client.CSV, &b)
	if tvilling.CodeOf(err) != tvilling.Unavailable || n != 5 || b.String() != "a,b\r\n" {
		t.Errorf("got %d %q, %v", n, b.String(), err)
	}
	full := errors.New("disk full")
	if _, err := c.ExportEvents(t.Context(), client.EventFilter{}, client.CSV, failing{full}); !errors.Is(err, full) {
		t.Errorf("got %v, want the error of the writer", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestSecurityDescription holds the types to the description of the interface:
// each has a member for every property, and no other.
func TestSecurityDescription(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../api/securityapi/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"Alert": client.Alert{}, "AlertChange": nil, "ManyResult": client.AlertsUpdated{}, "Explanation": client.AlertExplanation{},
		"Summary": client.Summary{}, "Recommendation": client.Recommendation{}, "Applied": client.Applied{},
		"Detection": client.Detection{}, "DetectionInfo": client.DetectionInfo{}, "DetectionChange": client.DetectionChange{}, "CheckResult": client.RuleCheck{},
		"Event": client.Event{}, "DeadLetter": client.DeadLetter{}, "FeedEntry": client.FeedEntry{}, "DeviceReport": client.DeviceSecurity{},
		"Overview": client.SecurityOverview{}, "Set": client.ValueSet{},
	} {
		if v == nil {
			continue // written, not read: see TestAlertRequests
		}
		compare(t, d.Components.Schemas, name, d.Components.Schemas[name], reflect.TypeOf(v))
	}
}

// compare walks a schema and a type side by side.
func compare(t *testing.T, schemas map[string]any, path string, schema any, typ reflect.Type) {
	t.Helper()
	s, _ := schema.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		s, _ = schemas[ref[strings.LastIndexByte(ref, '/')+1:]].(map[string]any)
	}
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if items, ok := s["items"]; ok && typ.Kind() == reflect.Slice && typ.Elem().Kind() != reflect.Uint8 {
		compare(t, schemas, path+"[]", items, typ.Elem())
		return
	}
	properties, ok := s["properties"].(map[string]any)
	if !ok {
		return
	}
	if typ.Kind() != reflect.Struct {
		t.Errorf("%s is described as an object and is %s", path, typ)
		return
	}
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	for name, p := range properties {
		f, ok := fields[name]
		if !ok {
			if !strings.HasSuffix(path, "[]") || name != "alert" { // a step repeats the alert that was asked for
				t.Errorf("%s has no member for %s", path, name)
			}
			continue
		}
		delete(fields, name)
		compare(t, schemas, path+"."+name, p, f)
	}
	for name := range fields {
		t.Errorf("%s has a member for %s, which is not described", path, name)
	}
}
