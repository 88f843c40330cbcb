package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// manyAlerts answers as a hub with a number of alerts does, page by page. The
// n-th has n in hexadecimal as the beginning of its id.
type manyAlerts struct {
	n     int
	asked int
}

func (m *manyAlerts) RoundTrip(r *http.Request) (*http.Response, error) {
	m.asked++
	first := 0
	if after := r.URL.Query().Get("after"); after != "" {
		if _, err := fmt.Sscanf(after, "%08x", &first); err != nil {
			return nil, err
		}
		first++
	}
	var b strings.Builder
	b.WriteString(`{"alerts":[`)
	size := 100
	if top := r.URL.Query().Get("top"); top != "" {
		if _, err := fmt.Sscan(top, &size); err != nil {
			return nil, err
		}
	}
	last := min(first+size, m.n)
	for i := first; i < last; i++ {
		if i > first {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%q}`, idOf(i))
	}
	b.WriteString(`]`)
	if last < m.n {
		fmt.Fprintf(&b, `,"next":%q`, idOf(last-1))
	}
	b.WriteByte('}')
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(b.String()))}, nil
}

func idOf(n int) string { return fmt.Sprintf("%08x-0000-8000-8000-000000000000", n) }

func TestFindAlerts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		n     int
		given string
		want  string // the ids, or a part of the error
		code  tvilling.Code
		asked int
	}{
		{"whole ids need no search", 5, idOf(99) + " " + strings.ToUpper(idOf(10)), idOf(99) + " " + idOf(10), "", 0},
		{"beginnings", 5, "00000003 00000001-0000-8", idOf(3) + " " + idOf(1), "", 1},
		{"in upper case", 20, "0000000A", idOf(10), "", 1},
		{"mixed", 5, idOf(9) + " 00000002", idOf(9) + " " + idOf(2), "", 1},
		{"the same twice", 5, "00000002 00000002", idOf(2) + " " + idOf(2), "", 1},
		{"of two", 20, "0000000", "several alerts begin so, " + idOf(0) + " and " + idOf(1) + " among them", "", 1},
		{"none", 20, "00000003 00000fff", `No alert has an id that begins so; see "tvilling alert list"`, tvilling.NotFound, 1},
		{"too short", 20, "000", "at least its first 4 characters", "", 0},
		{"no id", 20, "0000000g", "at least its first 4 characters", "", 0},
		{"a terminal's", 20, "\x1b[2J", "at least its first 4 characters", "", 0},
		{"an old one", 100_000, "000007d0", "None of the newest 2000 alerts has an id that begins so; give the whole id", tvilling.NotFound, 3},
		{"the last searched", 100_000, "000007cf", idOf(1999), "", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &manyAlerts{n: tt.n}
			c, err := client.New(client.Options{
				ConnectionString: "HostName=hub.example;SharedAccessKeyName=p;SharedAccessKey=a2V5", HTTPClient: &http.Client{Transport: m},
			})
			if err != nil {
				t.Fatal(err)
			}
			ids, err := findAlerts(t.Context(), c, strings.Split(tt.given, " "))
			got := strings.Join(ids, " ")
			if err != nil {
				got = describe(err)
			}
			if !strings.Contains(got, tt.want) || (err == nil) != (got == tt.want) || tvilling.CodeOf(err) != tt.code && tt.code != "" {
				t.Errorf("got %q (%s), want %q (%s)", got, tvilling.CodeOf(err), tt.want, tt.code)
			}
			if m.asked != tt.asked {
				t.Errorf("asked for %d pages, want %d", m.asked, tt.asked)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	refusal := func(i int) error {
		return &tvilling.Error{Code: tvilling.NotFound, Op: "update alert", Subject: fmt.Sprint(i), Message: "There is none."}
	}
	var errs []error
	if err := failures(errs, 3); err != nil {
		t.Errorf("got %v for nothing", err)
	}
	errs = append(errs, refusal(0))
	if got, want := describe(failures(errs, 3)), "update alert 0: There is none."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for i := 1; i < 12; i++ {
		errs = append(errs, refusal(i))
	}
	err := failures(errs, 20)
	got := describe(err)
	if !strings.HasPrefix(got, "12 of 20 failed:\n  update alert 0: There is none.\n") || !strings.HasSuffix(got, "update alert 9: There is none.\n  and 2 more") {
		t.Errorf("got %q", got)
	}
	if status := exitStatus(err); status != exitNotFound {
		t.Errorf("exit status %d, want that of the first", status)
	}
}
