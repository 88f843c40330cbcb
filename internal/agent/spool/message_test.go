package spool_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

const agentID = "0f8fad5b-d9cb-469f-a165-70867728950e"

// logins returns an event as the agent makes them.
func logins(user string) *event.Event {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &event.Event{
		ID: "7c9e6679-7425-40de-944b-e07fc1f90ae7", Kind: event.LoginKind, Category: event.Triggered, Stated: at,
		Items: []event.Item{&event.Login{UserName: user, Result: "Success"}},
	}
}

// TestMessage reads a message as the hub does, and compares it with what the
// schema would have written.
func TestMessage(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.2.3", "1.0-\"beta\"\n", strings.Repeat("v", 27)} {
		s := open(t, "", 1<<20)
		want := &event.Message{AgentVersion: version, AgentID: agentID}
		for _, user := range []string{"root", "läufer", `"`} {
			e := logins(user)
			want.Events = append(want.Events, *e)
			add(t, s, spool.High, string(schema.AppendEvent(nil, e)))
		}
		b, _ := take(t, s, 4096, 4096, spool.High)
		body := b.AppendMessage([]byte("before"), version, agentID)[len("before"):]
		if w := schema.Append(nil, want); !bytes.Equal(body, w) {
			t.Errorf("the message is\n%s\nwant\n%s", body, w)
		}
		got, err := schema.Decode(&tvilling.Message{Body: body}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Events) != 3 || len(got.Rejects) != 0 || got.AgentVersion != version || got.AgentID != agentID {
			t.Errorf("read %+v", got)
		}
	}
}

// TestLargest fills messages as far as possible, and expects that the hub takes
// them.
func TestLargest(t *testing.T) {
	t.Parallel()
	if spool.Envelope+spool.MaxEvent != schema.MaxBody {
		t.Errorf("an event may have %d bytes", spool.MaxEvent)
	}
	event := string(schema.AppendEvent(nil, logins("root")))
	for name, test := range map[string]struct {
		events []string
		want   int // events in the message
	}{
		"many":            {slices.Repeat([]string{event}, 2000), (schema.MaxBody - spool.Envelope + 1) / (len(event) + 1)},
		"tiny ones":       {slices.Repeat([]string{"{}"}, 2000), schema.MaxEvents},
		"a large one":     {[]string{strings.Repeat("x", spool.MaxEvent), event}, 1},
		"two halves":      {slices.Repeat([]string{strings.Repeat("x", spool.MaxEvent/2)}, 2), 1},
		"one that leaves": {[]string{strings.Repeat("x", spool.MaxEvent-len(event)-1), event}, 2},
	} {
		s := on(t, faultfs.New(), 1<<21)
		add(t, s, spool.Low, test.events...)
		b, got := take(t, s, 1<<30, 0, all...)
		if len(got) != test.want {
			t.Errorf("%s: %d events, want %d", name, len(got), test.want)
		}
		if n := len(b.AppendMessage(nil, strings.Repeat("v", 28), agentID)); n > schema.MaxBody {
			t.Errorf("%s: the message has %d bytes", name, n)
		}
	}
}

// TestPadding adds others only to what is billed anyway (asc §2.6).
func TestPadding(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		high, low   int // events of 1000 bytes that wait
		budget, pad int
		want        string // which lead, which fill
	}{
		"one leads":              {1, 100, 1 << 18, 4096, "h ll"},
		"four need two blocks":   {4, 100, 1 << 18, 4096, "hhhh lll"},
		"nothing leads":          {0, 100, 5000, 4096, "llll"},
		"without padding":        {1, 100, 10_000, 0, "h llllllll"},
		"the budget is smaller":  {1, 100, 2300, 4096, "h l"},
		"it does not fit at all": {2, 100, 1000, 4096, "h"},
		"high fills the budget":  {100, 100, 4300, 4096, "hhhh"},
	} {
		s := open(t, "", 1<<20)
		add(t, s, spool.High, named("h", test.high, 1000)...)
		add(t, s, spool.Low, named("l", test.low, 1000)...)
		_, events := take(t, s, test.budget, test.pad, spool.High, spool.Low)
		got := ""
		for _, e := range events {
			if e[2] == 'l' && strings.HasSuffix(got, "h") {
				got += " "
			}
			got += e[2:3]
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
