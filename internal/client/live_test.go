package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

func TestLive(t *testing.T) {
	f := &far{answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = io.WriteString(w, "event: reset\nid\ndata: {\"reason\":\"why\"}\n\n"+
			"event: entered\ndata: {\"deviceId\":\"d\",\"moduleId\":\"m\",\"row\":{\"a\":1}}\n\n"+
			"event: ready\nid: c1\ndata: {\"members\":1}\n\n"+
			":\n\n"+
			"id: c2\n\n"+
			"event: left\nid: c3\ndata: {\"deviceId\":\"d\",\"moduleId\":\"m\"}\n\n"+
			"event: fault\ndata: {\"error\":{\"code\":\"TooLarge\",\"message\":\"Too much.\",\"trackingId\":\"t\"}}\n\n"+
			"event: left\n") // what comes after is of no account
	}}
	c := newClient(t, f)
	var got []string
	for e, err := range c.Live(t.Context(), "SELECT * FROM devices", "c0") {
		if err != nil {
			answer, ok := errors.AsType[*client.Answer](err)
			if !ok || answer.Status != http.StatusOK {
				t.Errorf("the cause is %v", err)
			}
			got = append(got, string(tvilling.CodeOf(err))+" "+tvilling.MessageOf(err))
			continue
		}
		members := -1
		if e.Members != nil {
			members = *e.Members
		}
		got = append(got, fmt.Sprintf("%s %s/%s %s %d %s %s", e.Kind, e.DeviceID, e.ModuleID, e.Row, members, e.Reason, e.Cursor))
	}
	want := []string{
		"reset /  -1 why ", `entered d/m {"a":1} -1  `, "ready /  1  c1", "idle /  -1  ", "idle /  -1  c2", "left d/m  -1  c3", "TooLarge Too much.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if want := "/tvilling/query/live?api-version=2021-04-12&cursor=c0&query=SELECT+%2A+FROM+devices"; !strings.Contains(f.asked[0], want) {
		t.Errorf("asked %s", f.asked[0])
	}
}

// TestLiveEnds: a stream that ends by itself, or falls silent, is an error with
// which the caller goes on from its cursor.
func TestLiveEnds(t *testing.T) {
	c := newClient(t, &far{answer: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "event: ready\nid: c1\ndata: {\"members\":0}\n\n")
	}})
	last := func(ctx context.Context, c *client.Client) (err error) {
		for _, err = range c.Live(ctx, "SELECT * FROM devices", "") {
		}
		return err
	}
	if err := last(t.Context(), c); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("the end: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		c, err := client.New(client.Options{ConnectionString: connection, HTTPClient: &http.Client{Transport: silent{}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := last(t.Context(), c); tvilling.CodeOf(err) != tvilling.Unavailable || !strings.Contains(err.Error(), "said nothing") {
			t.Errorf("silence: %v", err)
		}
	})
}

// silent answers, and then says nothing until it is no longer listened to.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	in, out := io.Pipe()
	context.AfterFunc(r.Context(), func() { _ = out.CloseWithError(r.Context().Err()) })
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: in, Request: r}, nil
}
