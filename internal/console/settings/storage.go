package settings

import (
	"context"
	"fmt"
	"time"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/health"
)

// storage is the page of what is kept on disk.
type storage struct {
	Nav   web.SettingsNav
	Facts health.Facts
	Rows  []stored
}

type stored struct {
	health.Store

	// Part is how much of its limit it takes, in percent; -1 without a limit.
	Part int
	// Full says when it comes to its limit, in words.
	Full string
}

func (a *area) storage(c *web.Call) error {
	v := view("Storage", "storage", a.stored(c))
	v.Live = ui.URL("live", "settings", "storage")
	return c.Page(v)
}

func (a *area) storageLive(c *web.Call) error {
	return a.stream(c, "storage", "stores", func(context.Context) (any, error) { return a.stored(c), nil })
}

func (a *area) stored(c *web.Call) *storage {
	s := &storage{Nav: c.SettingsNav("storage")}
	s.Facts, _ = a.Health()
	for _, st := range s.Facts.Stores {
		row := stored{Store: st, Part: -1}
		if st.MaxBytes > 0 {
			row.Part = int(min(100, 100*st.Bytes/st.MaxBytes))
		}
		switch left, ok := st.Full(); {
		case ok:
			row.Full = "in about " + span(left)
		case !st.Known:
			row.Full = "not known yet"
		case st.MaxBytes > 0 && st.Bytes >= st.MaxBytes:
			row.Full = "reached: the oldest goes"
		default:
			row.Full = "not at this rate"
		}
		s.Rows = append(s.Rows, row)
	}
	return s
}

// span is a length of time in hours or days.
func span(d time.Duration) string {
	if d < 48*time.Hour {
		return ui.Plural(int64(d.Hours())+1, "hour")
	}
	return ui.Plural(int64(d.Hours()/24), "day")
}

// Age is the limit of age in days, "" for none.
func (s *stored) Age() string {
	if s.MaxAge <= 0 {
		return ""
	}
	return span(s.MaxAge)
}

// DiskPart is how much of the disk is taken, in percent.
func (s *storage) DiskPart() int {
	if s.Facts.Disk.Total <= 0 {
		return 0
	}
	return int(100 * (s.Facts.Disk.Total - s.Facts.Disk.Free) / s.Facts.Disk.Total)
}

// DiskFull says when the disk is full, in a sentence.
func (s *storage) DiskFull() string {
	if left, ok := s.Facts.Disk.Full(); ok {
		return "At the present rate it is full in about " + span(left) + "."
	}
	if !s.Facts.Disk.Known {
		return fmt.Sprintf("How fast it fills is known %d minutes after the start.", 10)
	}
	return "It does not fill at the present rate."
}
