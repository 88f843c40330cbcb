package detection

import (
	"strconv"
	"time"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// bruteForceParameters are those of both detections.
func bruteForceParameters() []detect.Parameter {
	return []detect.Parameter{
		{Name: "attempts", Description: "How many failed logins make an attack.", Unit: "count", Default: 10, Min: 3, Max: 1000},
		{Name: "window", Description: "The time within which they are made.", Unit: "seconds", Default: 600, Min: 10, Max: 86400},
		{Name: "users", Description: "1: count by user, too, whatever the addresses; 0: by address alone.", Unit: "count", Default: 1, Min: 0, Max: 1},
	}
}

// source is who a login is counted for.
type source struct {
	class class
	name  string
}

// sources returns who a login is counted for: its address, and its user.
func sources(l *event.Login, p detect.Values) []source {
	var list []source
	if a := addressOf(l); a != "" {
		list = append(list, source{byAddress, a})
	}
	if u := userOf(l); u != "" && p("users") != 0 {
		list = append(list, source{byUser, u})
	}
	return list
}

func (s source) cause() string {
	if s.class == byAddress {
		return detect.Cause("address " + s.name)
	}
	return detect.Cause("user " + s.name)
}

func (s source) field() string {
	if s.class == byAddress {
		return "RemoteAddress"
	}
	return "UserName"
}

// findings gathers what one event shows: one finding per cause, at the item
// that made it.
type findings struct{ list []detect.Finding }

func (f *findings) add(e *event.Event, item int, s source, hits int64, pattern string) {
	cause := s.cause()
	for i := range f.list {
		if f.list[i].Cause == cause {
			f.list[i].Hits += hits
			f.list[i].Item = item
			return
		}
	}
	f.list = append(f.list, detect.Finding{
		Cause: cause, Hits: hits, Time: e.Time, Event: e, Item: item,
		Matched: []ledger.Match{{Field: s.field(), Value: s.name, Pattern: pattern}},
	})
}

func (f *findings) report(s detect.Scope) {
	for _, x := range f.list {
		s.Report(x)
	}
}

func span(seconds int64) string { return (time.Duration(seconds) * time.Second).String() }

func number(n int64) string { return strconv.FormatInt(n, 10) }
