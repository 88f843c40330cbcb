package web

import (
	"net/http/httptest"
	"net/url"
	"testing"
)

// TestPagerWalksBack follows next links to the end and previous links back.
func TestPagerWalksBack(t *testing.T) {
	at := func(address string) *Call {
		r := httptest.NewRequestWithContext(t.Context(), "GET", address, nil)
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			t.Fatal(err)
		}
		return &Call{R: r, query: query}
	}
	places := []string{"", "a~b", "c!d", "e"}
	here := "/console/devices?q=tags.site+%3D+%27x%27"
	for i, want := range places {
		c := at(here)
		if got := c.After(); got != want {
			t.Fatalf("page %d begins at %q, want %q", i, got, want)
		}
		if c.Query("q") != "tags.site = 'x'" {
			t.Fatalf("page %d lost the query: %s", i, here)
		}
		if i+1 < len(places) {
			here = c.Pager(places[i+1]).Next
		} else if next := c.Pager("").Next; next != "" {
			t.Fatalf("the last page has a next one: %s", next)
		}
	}
	for i := len(places) - 2; i >= 0; i-- {
		here = at(here).Pager("").Previous
		if got := at(here).After(); got != places[i] {
			t.Fatalf("back on page %d, which begins at %q, want %q", i, got, places[i])
		}
	}
	if p := at(here).Pager("x"); p.Previous != "" {
		t.Errorf("the first page has a previous one: %s", p.Previous)
	}
}
