package detection_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/event"
)

// TestManyUsersChange holds that a change of all users, as when a group is
// made for everybody, is one finding and not one for each.
func TestManyUsersChange(t *testing.T) {
	snapshot := func(hour int, groups string) *event.Message {
		at := day.Add(time.Duration(hour) * time.Hour)
		e := event.Event{ID: strconv.Itoa(hour), Kind: event.LocalUsersKind, Time: at}
		for n := range 40 {
			e.Items = append(e.Items, &event.LocalUsers{UserID: strconv.Itoa(n), UserName: fmt.Sprint("u", n), GroupIDs: groups, GroupNames: groups})
		}
		return &event.Message{Received: at, Events: []event.Event{e}}
	}
	d, s := detection.GroupMemberAdded(), &scope{started: day}
	observe(d, s, snapshot(0, "100"), defaults(d, nil))
	observe(d, s, snapshot(13, "100;200"), defaults(d, nil))
	if len(s.found) != 1 || describe(s.found[0]) != "many users x40" {
		t.Errorf("found %v, want one of 40", texts([][]detect.Finding{s.found}))
	}
}

// TestCorrectedTimes holds that the span of an aggregated event is corrected
// with the event: a device whose clock is years behind tells of a download an
// hour before a run, and that is no sequence.
func TestCorrectedTimes(t *testing.T) {
	wrong := day.AddDate(-9, 0, 0)
	one := func(id, exe, line string, offset time.Duration) event.Event {
		form := wrong.Add(offset).Format(time.RFC3339)
		return event.Event{
			ID: id, Kind: event.ProcessCreateKind, Time: day.Add(2 * time.Hour), Stated: wrong.Add(2 * time.Hour),
			Items: []event.Item{&event.ProcessCreate{Executable: exe, CommandLine: line, Extra: event.Details{
				{Name: "HitCount", Value: "1"}, {Name: "StartTimeUtc", Value: form}, {Name: "EndTimeUtc", Value: form},
			}}},
		}
	}
	for _, c := range []struct {
		name string
		run  time.Duration
		want int
	}{{"a minute after", time.Minute, 1}, {"an hour after", time.Hour, 0}, {"before", -time.Minute, 0}} {
		t.Run(c.name, func(t *testing.T) {
			d, s := detection.DownloadThenRunSequence(), &scope{started: day}
			observe(d, s, &event.Message{Received: day.Add(2 * time.Hour), Events: []event.Event{
				one("1", "/usr/bin/curl", "curl -o /tmp/x http://h/x", 10*time.Minute),
				one("2", "/tmp/x", "/tmp/x", 10*time.Minute+c.run),
			}}, defaults(d, nil))
			if len(s.found) != c.want {
				t.Errorf("%d findings, want %d", len(s.found), c.want)
			}
		})
	}
}

// TestClockOfTheHubSetBack holds that a device that was heard in what is now
// the future is looked at again within the interval.
func TestClockOfTheHubSetBack(t *testing.T) {
	d, s := detection.DeviceSilent(), &scope{started: day, last: day.AddDate(1, 0, 0), received: day}
	d.Tick(s, day, defaults(d, nil))
	if want := day.Add(72 * time.Hour); !s.wake.Equal(want) || len(s.found) != 0 {
		t.Errorf("wake %s with %d findings, want %s and none", s.wake, len(s.found), want)
	}
}
