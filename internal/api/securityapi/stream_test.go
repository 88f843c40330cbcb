package securityapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/securityapi"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// stream is a request under way.
type stream struct {
	w      *httptest.ResponseRecorder
	cancel context.CancelFunc
	done   chan struct{}
	// aborted says that the connection was cut.
	aborted bool
}

func (h *hub) stream(t *testing.T, target string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/tvilling/security/"+target, nil)
	r.Header.Set("Authorization", h.token(t, "security"))
	s := &stream{w: httptest.NewRecorder(), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer func() { s.aborted = recover() == http.ErrAbortHandler }() //nolint:errorlint // the very value is the protocol of net/http
		h.handler.ServeHTTP(s.w, r)
	}()
	synctest.Wait()
	return s
}

// lines returns how many lines there are so far.
func (s *stream) lines() int { return bytes.Count(s.w.Body.Bytes(), []byte("\n")) }

func (s *stream) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func TestFollowEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		h.events.add("d1", "Heartbeat", "")
		h.events.add("d2", "Heartbeat", "")
		all := h.stream(t, "events?follow=true")
		one := h.stream(t, "events?follow=true&device=d2&after=latest")
		where := h.stream(t, "events?follow=true&where=LocalPort=22&after=1")
		if all.lines() != 2 || one.lines() != 0 || where.lines() != 0 {
			t.Fatalf("at first %d, %d and %d lines", all.lines(), one.lines(), where.lines())
		}
		h.events.add("d2", "ListeningPorts", `[{"Protocol":"tcp","LocalPort":"22"}]`)
		h.events.add("d1", "ListeningPorts", `[{"Protocol":"tcp","LocalPort":"23"}]`)
		synctest.Wait()
		if all.lines() != 4 || one.lines() != 1 || where.lines() != 1 {
			t.Errorf("then %d, %d and %d lines", all.lines(), one.lines(), where.lines())
		}
		all.cancel()
		<-all.done
		if one.ended() {
			t.Error("one stream ends with another")
		}
		// No stream takes a place of the searches, and stopping ends all.
		h.must(t, http.StatusOK, "security", http.MethodGet, "events", "")
		h.handler.Stop()
		<-one.done
		<-where.done
		if one.aborted || where.aborted {
			t.Error("a stream was cut and not ended")
		}
		if !strings.HasPrefix(one.w.Header().Get("Content-Type"), "application/x-ndjson") {
			t.Errorf("got %s", one.w.Header().Get("Content-Type"))
		}
	})
}

// TestFollowDamaged: what is damaged is a line of its own, and the stream goes
// on; any other error is its last line.
func TestFollowDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		for range 3 {
			h.events.add("d1", "Heartbeat", "")
		}
		h.events.damage = map[int]error{2: &tvilling.Error{Code: tvilling.Corrupt, Op: "read", Message: "A block is damaged."}}
		s := h.stream(t, "events?follow=true")
		if s.lines() != 3 || s.ended() || !strings.Contains(s.w.Body.String(), `{"error":{"code":"Corrupt","message":"A block is damaged."}}`) {
			t.Errorf("got %s", s.w.Body)
		}
		s.cancel()
		<-s.done
		h.events.damage[2] = errBroken
		s = h.stream(t, "events?follow=true")
		<-s.done
		if s.lines() != 2 || strings.Contains(s.w.Body.String(), errBroken.Error()) || !strings.Contains(s.w.Body.String(), `{"error":{"code":"Internal"`) {
			t.Errorf("got %s", s.w.Body)
		}
		if !strings.Contains(h.log.String(), errBroken.Error()) {
			t.Error("the log does not tell of the error")
		}
	})
}

func TestFollowFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		// More than is read at once.
		h.change(t, func(tx *ledger.Tx) error {
			for i := range 600 {
				a := &ledger.Alert{ID: fmt.Sprintf("a%03d", i), Key: ledger.Key{Device: "d1", Type: "T", Cause: fmt.Sprint(i)}, Status: ledger.New, Count: 1, First: tx.Now(), Last: tx.Now()}
				if err := tx.PutAlert(a, ledger.Step{Action: "raised", Actor: "hub:detection"}); err != nil {
					return err
				}
			}
			return nil
		})
		once := h.stream(t, "feed?after=88")
		if !once.ended() || once.lines() != 512 {
			t.Errorf("without follow: %d lines, ended %t", once.lines(), once.ended())
		}
		s := h.stream(t, "feed?after=590&follow=true")
		if s.lines() != 10 || s.ended() {
			t.Fatalf("at first %d lines", s.lines())
		}
		h.raise(t, &ledger.Alert{ID: "late", Key: ledger.Key{Device: "d2", Type: "T"}})
		synctest.Wait()
		var last struct {
			Sequence uint64
			ID       string
			Body     struct{ ID string }
		}
		lines := strings.Split(strings.TrimSpace(s.w.Body.String()), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
			t.Fatal(err)
		}
		if s.lines() != 11 || last.Sequence != 601 || last.ID != "late" || last.Body.ID != "late" {
			t.Errorf("then %d lines, the last %+v", s.lines(), last)
		}
		h.handler.Stop()
		<-s.done
	})
}

// TestFeedGap: who asks for what is no longer kept is told.
func TestFeedGap(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for i := range 5 {
		h.raise(t, &ledger.Alert{ID: fmt.Sprint("a", i), Key: ledger.Key{Device: "d1", Type: "T", Cause: fmt.Sprint(i)}})
	}
	if _, err := h.ledger.Store().Trim(t.Context(), 3, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[string]string{"0": "", "1": "The entries 2 to 3 of the feed are no longer kept.", "3": "", "4": ""} {
		w := h.must(t, http.StatusOK, "security", http.MethodGet, "feed?after="+after, "")
		if first, _, _ := strings.Cut(w.Body.String(), "\n"); strings.Contains(first, `{"error":{"code":"NotFound"`) != (want != "") || !strings.Contains(first, want) {
			t.Errorf("after %s: got %s", after, first)
		}
	}
}

// TestExportCut: an export that is stopped or meets an error is cut off; one
// that leaves out what is damaged is whole.
func TestExportCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		for range 3 {
			h.events.add("d1", "Heartbeat", "")
		}
		corrupt := &tvilling.Error{Code: tvilling.Corrupt, Op: "read", Message: "A block is damaged."}
		h.events.damage = map[int]error{2: corrupt}
		s := h.stream(t, "events/export?format=csv")
		<-s.done
		if s.aborted || s.lines() != 3 || !strings.Contains(h.log.String(), "damaged event left out") {
			t.Errorf("damaged: cut %t, got\n%s", s.aborted, s.w.Body)
		}
		h.events.damage[2] = errBroken
		for _, format := range []string{"csv", "jsonl"} {
			s = h.stream(t, "events/export?format="+format)
			<-s.done
			if !s.aborted || strings.Contains(s.w.Body.String(), "error") {
				t.Errorf("%s: cut %t, got\n%s", format, s.aborted, s.w.Body)
			}
		}
		// Stopping: the producer waits for a client that does not take more.
		h.events.damage = nil
		for range 2000 {
			h.events.add("d1", "Heartbeat", "")
		}
		slow := &slowWriter{ResponseRecorder: httptest.NewRecorder(), wait: make(chan struct{})}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/tvilling/security/events/export", nil)
		r.Header.Set("Authorization", h.token(t, "security"))
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			h.handler.ServeHTTP(slow, r)
		}()
		synctest.Wait()
		h.handler.Stop()
		synctest.Wait()
		close(slow.wait)
		if v := <-done; v != http.ErrAbortHandler { //nolint:errorlint // the very value is the protocol of net/http
			t.Errorf("stopped: got %v", v)
		}
		if n := bytes.Count(slow.Body.Bytes(), []byte("\n")); n >= 2003 {
			t.Errorf("stopped, and all %d lines came", n)
		}
	})
}

// slowWriter does not take a body before wait is closed.
type slowWriter struct {
	*httptest.ResponseRecorder
	wait chan struct{}
}

func (w *slowWriter) Write(p []byte) (int, error) {
	<-w.wait
	return w.ResponseRecorder.Write(p)
}

// TestSearches: searches wait for each other, and give up in time; a page that
// takes long is given out short.
func TestSearches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, func(o *securityapi.Options) { o.Searches = 1 })
		for range 2000 {
			h.events.add("d1", "Heartbeat", "")
		}
		slow := &slowWriter{ResponseRecorder: httptest.NewRecorder(), wait: make(chan struct{})}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/tvilling/security/events/export", nil)
		r.Header.Set("Authorization", h.token(t, "security"))
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.handler.ServeHTTP(slow, r)
		}()
		synctest.Wait()
		begin := time.Now()
		for _, target := range []string{"events", "events/summary/users", "events/export"} {
			w := h.must(t, http.StatusTooManyRequests, "security", http.MethodGet, target, "")
			if w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "1 other searches") {
				t.Errorf("%s: got %s", target, w.Body)
			}
		}
		if took := time.Since(begin); took != 15*time.Second {
			t.Errorf("three refusals took %v of the bubble, want 5 s each", took)
		}
		close(slow.wait)
		<-done
		h.must(t, http.StatusOK, "security", http.MethodGet, "events", "")
	})
}

func TestShortPage(t *testing.T) {
	t.Parallel()
	h := newHub(t, func(o *securityapi.Options) { o.PageTime, o.SummaryTime = -1, -1 })
	for range 3 {
		h.events.add("d1", "ListeningPorts", `[{"Protocol":"tcp","LocalPort":"22"}]`)
	}
	for after, n := "", 1; n <= 4; n++ {
		var got struct {
			Events []any
			Next   string
		}
		w := h.must(t, http.StatusOK, "security", http.MethodGet, "events?where=LocalPort=23&after="+after, "")
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%d.0", n)
		if n == 4 {
			want = ""
		}
		if len(got.Events) != 0 || got.Next != want {
			t.Errorf("page %d: got %s", n, w.Body)
		}
		after = got.Next
	}
	w := h.must(t, http.StatusOK, "security", http.MethodGet, "events/summary/ports", "")
	if !strings.Contains(w.Body.String(), `"complete":false,"through":"`) {
		t.Errorf("got %s", w.Body)
	}
}
