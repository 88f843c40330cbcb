package rest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

// door lets everybody in who has a token, under its text as policy.
type door struct {
	resources []string
	revoked   atomic.Bool
}

func (d *door) StillServes(auth.Principal) bool { return !d.revoked.Load() }

func (d *door) Request(_ context.Context, resource string, c auth.Credentials) (auth.Principal, error) {
	d.resources = append(d.resources, resource)
	if c.Token == "wrong" {
		return auth.Principal{}, tvilling.Errorf(tvilling.Unauthorized, "The signature is not right.")
	}
	return auth.Principal{Policy: c.Token, Permissions: auth.SecurityRead}, nil
}

type bench struct {
	*rest.Handler
	door     *door
	log      *buffer
	observed []string
}

func newBench(routes ...rest.Route) *bench {
	b := &bench{door: new(door), log: new(buffer)}
	b.Handler = rest.New(rest.Options{
		Auth: b.door, Routes: routes, Header: map[string]string{"X-Own": "yes"},
		Logger: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observe: func(route string, status int, _ time.Duration) {
			b.observed = append(b.observed, fmt.Sprint(route, " ", status))
		},
	})
	return b
}

// get sends a request and reports whether the connection was cut.
func (b *bench) get(t testing.TB, target string, header ...string) (w *httptest.ResponseRecorder, cut bool) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	r.Header.Set("Authorization", "ann")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w = httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler { //nolint:errorlint // the very value is the protocol of net/http
				t.Errorf("panic: %v", v)
			}
			cut = true
		}
	}()
	b.ServeHTTP(w, r)
	return w, false
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *buffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var errSecret = errors.New("secret")

// TestQuery reads parameters of every kind.
func TestQuery(t *testing.T) {
	t.Parallel()
	b := newBench(rest.Route{
		Method: http.MethodGet, Pattern: "/q/{id}", Own: true,
		Parameters: []rest.Parameter{{Name: "n"}, {Name: "flag"}, {Name: "time"}, {Name: "words", Many: true}, {Name: "after"}, {Name: "most"}},
		Handle: func(c *rest.Call) error {
			n, err := c.Within("n", 5, 1, 10)
			if err != nil {
				return err
			}
			flag, err := c.Flag("flag")
			if err != nil {
				return err
			}
			at, err := c.Time("time")
			if err != nil {
				return err
			}
			words, err := c.Words("words", "a", "b", "c")
			if err != nil {
				return err
			}
			after, err := c.After(func() uint64 { return 99 })
			if err != nil {
				return err
			}
			return c.Answer(fmt.Sprint(c.Params["id"], n, flag, at.Format(time.RFC3339), words, after), "")
		},
	})
	for _, tt := range []struct{ query, want string }{
		{"", "x5 false0001-01-01T00:00:00Z[] 0"},
		{"n=10&flag=1&time=2026-01-02T03:04:05%2B01:00&words=a,c&words=c,b&after=latest&api-version=2021-04-12", "x10 true2026-01-02T02:04:05Z[a c b] 99"},
		{"after=18446744073709551615", "x5 false0001-01-01T00:00:00Z[] 18446744073709551615"},
		{"n=0", "n: The value must be a whole number from 1 to 10."},
		{"n=11", "n: The value must be a whole number from 1 to 10."},
		{"n=1e1", "n: The value must be a whole number from 1 to 10."},
		{"flag=perhaps", `flag: The value must be \"true\" or \"false\".`},
		{"time=2026-01-02", "time: The value must be a time as 2026-01-31T12:00:00Z (RFC 3339)."},
		{"words=a,d", `words: \"d\" is not one of a, b, c.`},
		{"words=", `words: \"\" is not one of a, b, c.`},
		{"words=" + strings.Repeat("x", 100), "…"},
		{"after=-1", "after: The value must be a whole number of 0 or more."},
		{"n=1&n=2", "n: The parameter is given more than once."},
		{"m=1", "m: There is no such parameter here, there are n, flag, time, words, after, most."},
		{strings.Repeat("x", 100) + "=1", strings.Repeat("x", 64) + "…: There is no such parameter"},
		{"%zz", "The query string is malformed."},
		{"api-version=never", `The api-version \"never\" is not a date`},
	} {
		w, _ := b.get(t, "/q/x?"+tt.query)
		if !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: got %s, want %s", tt.query, w.Body, tt.want)
		}
		if w.Header().Get("X-Own") != "yes" {
			t.Errorf("%s: the header of every answer is missing", tt.query)
		}
	}
}

// TestAccess: nothing of a request is looked at before the caller is let in,
// and the resource is the path as the route reads it.
func TestAccess(t *testing.T) {
	t.Parallel()
	b := newBench(rest.Route{
		Method: http.MethodGet, Pattern: "/Things/{id}", Own: true, Parameters: []rest.Parameter{},
		Allow:  func(c *rest.Call) error { return c.Must(auth.SecurityWrite, auth.ServiceConnect) },
		Handle: func(*rest.Call) error { t.Error("served"); return nil },
	}, rest.Route{Method: http.MethodGet, Pattern: "/open", Open: true, Handle: func(c *rest.Call) error { return c.Text("text/plain", "hi") }})
	for token, want := range map[string]string{
		"":      "has no Authorization header",
		"wrong": "Unauthorized: The signature is not right.",
		"ann":   "policy:ann may not do this: this needs a policy with SecurityWrite or ServiceConnect.",
	} {
		w, _ := b.get(t, "/things/a%20b/?colour=red", "Authorization", token)
		if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q: got %d %s", token, w.Code, w.Body)
		}
	}
	if w, _ := b.get(t, "/open?any=thing", "Authorization", ""); w.Code != http.StatusOK || w.Body.String() != "hi" {
		t.Errorf("open: got %d %s", w.Code, w.Body)
	}
	if w, _ := b.get(t, "/things/a%2Fb"); w.Code != http.StatusBadRequest {
		t.Errorf("a slash in an id: got %d", w.Code)
	}
	for _, r := range b.door.resources {
		if r != "/Things/a b" {
			t.Errorf("asked for %q", r)
		}
	}
	if got := b.observed[len(b.observed)-1]; got != "GET /Things/{id} 400" {
		t.Errorf("observed %q", got)
	}
}

// TestPanic: a panic is a fault of one request; once the answer has begun, the
// connection is cut.
func TestPanic(t *testing.T) {
	t.Parallel()
	type producer = rest.Producer
	raise := producer(func(_ context.Context, emit func([]byte) error) error {
		if err := emit([]byte("1\n")); err != nil {
			return err
		}
		panic(errSecret)
	})
	route := func(path string, handle func(c *rest.Call) error) rest.Route {
		return rest.Route{Method: http.MethodGet, Pattern: path, Own: true, Stream: true, Handle: handle}
	}
	b := newBench(
		route("/at-once", func(*rest.Call) error { panic(errSecret) }),
		route("/late", func(c *rest.Call) error {
			if err := c.Answer(1, ""); err != nil {
				return err
			}
			panic(errSecret)
		}),
		route("/stream", func(c *rest.Call) error { return c.Stream(raise) }),
		route("/export", func(c *rest.Call) error { return c.Export("text/csv", "x.csv", raise) }),
	)
	for path, want := range map[string]struct {
		status int
		cut    bool
		body   string
	}{
		"/at-once": {http.StatusInternalServerError, false, "ErrorCode:ServerError"},
		"/late":    {http.StatusOK, true, "1"},
		"/stream":  {http.StatusOK, false, "1\n{\"error\":{\"code\":\"Internal\""},
		"/export":  {http.StatusOK, true, "1\n"},
	} {
		w, cut := b.get(t, path)
		if w.Code != want.status || cut != want.cut || !strings.HasPrefix(strings.TrimPrefix(w.Body.String(), `{"Message":"`), want.body) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: got %d, cut %t, %s", path, w.Code, cut, w.Body)
		}
	}
	if n := strings.Count(b.log.String(), "panic: secret"); n != 4 {
		t.Errorf("the log tells %d times", n)
	}
}

// TestTime: a request has a minute, unless it streams.
func TestTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := func(c *rest.Call) error {
			select {
			case <-c.Context().Done():
				return c.Context().Err()
			case <-time.After(2 * time.Minute):
				return c.Answer("done", "")
			}
		}
		b := newBench(
			rest.Route{Method: http.MethodGet, Pattern: "/page", Own: true, Handle: wait},
			rest.Route{Method: http.MethodGet, Pattern: "/stream", Own: true, Stream: true, Handle: wait},
			rest.Route{Method: http.MethodGet, Pattern: "/both", Own: true, Follow: true, Handle: wait},
		)
		for target, want := range map[string]int{"/page": http.StatusInternalServerError, "/stream": http.StatusOK, "/both": http.StatusInternalServerError, "/both?follow=true": http.StatusOK, "/both?follow=x": http.StatusInternalServerError} {
			w, _ := b.get(t, target)
			if w.Code != want || want != http.StatusOK && w.Header().Get("Iothub-Errorcode") != "GenericTimeout" {
				t.Errorf("%s: got %d %s", target, w.Code, w.Body)
			}
		}
	})
}

// TestExport: a whole export says its name, and one whose client has gone ends
// what makes it.
func TestExport(t *testing.T) {
	t.Parallel()
	b := newBench(rest.Route{Method: http.MethodGet, Pattern: "/export", Own: true, Stream: true, Handle: func(c *rest.Call) error {
		return c.Export("text/csv", "x.csv", func(ctx context.Context, emit func([]byte) error) error {
			for range 500 {
				if err := emit([]byte("line\n")); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}})
	w, cut := b.get(t, "/export")
	if cut || w.Body.Len() != 2500 || w.Header().Get("Content-Disposition") != `attachment; filename="x.csv"` || w.Header().Get("Content-Type") != "text/csv" {
		t.Errorf("got %d bytes, cut %t, %v", w.Body.Len(), cut, w.Header())
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/export", nil)
	r.Header.Set("Authorization", "ann")
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler { //nolint:errorlint // the very value is the protocol of net/http
				t.Errorf("got %v", v)
			}
		}()
		b.ServeHTTP(&deaf{ResponseRecorder: httptest.NewRecorder()}, r)
	}()
}

// deaf is a client that has gone.
type deaf struct{ *httptest.ResponseRecorder }

func (*deaf) Write([]byte) (int, error) { return 0, errSecret }

// TestMembers splits objects as encoding/json reads them.
func TestMembers(t *testing.T) {
	t.Parallel()
	const body = " {\n\"a\" : {\"x\":[1,\"}\",{\"y\":\"\\\"]\"}]} ,\"b\\u0063\":null,\"d\":-1.5e3 , \"e\":\"\"} "
	if err := rest.CheckObject([]byte(body)); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := rest.Members([]byte(body), func(name string, value []byte) error {
		got = append(got, name+"="+string(value))
		return nil
	})
	if want := `a={"x":[1,"}",{"y":"\"]"}]} bc=null d=-1.5e3 e=""`; err != nil || strings.Join(got, " ") != want {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"", " ", "[]", "null", "{", `{"a":1}x`, "{\"\xff\":1}", strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70)} {
		if err := rest.CheckObject([]byte(bad)); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

// TestStrict: the bodies of Tvilling's own routes have no members that are not known.
func TestStrict(t *testing.T) {
	t.Parallel()
	var v struct {
		A int `json:"a"`
		B struct {
			C string `json:"c"`
		} `json:"b"`
	}
	for body, want := range map[string]string{
		`{"a":1,"b":{"c":"x"}}`: "",
		`{"a":1,"z":2}`:         `The member "z" is not known here.`,
		`{"a":"1"}`:             "a: The value must not be a JSON string.",
		`{"b":{"c":1}}`:         "b.c: The value must not be a JSON number.",
	} {
		err := rest.DecodeStrict([]byte(body), &v)
		if got := tvilling.MessageOf(err); err != nil && got != want || err == nil && want != "" {
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
}

// timed is a connection that knows when it gives up writing.
type timed struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (w *timed) SetWriteDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

// TestIdle: a client has 30 seconds for what is sent, and all the time in the
// world while nothing is.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan struct{})
		b := newBench(rest.Route{Method: http.MethodGet, Pattern: "/stream", Own: true, Stream: true, Handle: func(c *rest.Call) error {
			return c.Stream(func(_ context.Context, emit func([]byte) error) error {
				for range next {
					if err := emit([]byte("1\n")); err != nil {
						return err
					}
				}
				return nil
			})
		}})
		w := &timed{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/stream", nil)
		r.Header.Set("Authorization", "ann")
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.ServeHTTP(w, r)
		}()
		for range 3 {
			synctest.Wait()
			if !w.deadline.IsZero() {
				t.Errorf("while nothing is sent, the client has until %v", w.deadline)
			}
			next <- struct{}{}
		}
		close(next)
		<-done
		if w.Body.String() != "1\n1\n1\n" || !w.deadline.IsZero() {
			t.Errorf("got %q, deadline %v", w.Body, w.deadline)
		}
	})
}
