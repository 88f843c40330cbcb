package hubapi

import (
	"context"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// changes is GET /tvilling/changes?after=N&device=&module=&follow=true: the
// journal, one change a line:
//
//	{"sequence":7,"time":"…","op":"updateTwin","deviceId":"d","moduleId":"m",
//	 "actor":"policy:service","cause":"…","version":3,"desiredVersion":2,"body":{…}}
//
// moduleId, cause, the versions and body are there only when the change has them. A
// change that is damaged in the store is a line {"error":{…}}, and the stream
// goes on.
func (h *Handler) changes(c *rest.Call) error {
	after, err := c.After(h.Journal.Head)
	if err != nil {
		return err
	}
	follow, err := c.Flag("follow")
	if err != nil {
		return err
	}
	only := filterOf(c)
	return c.Stream(func(ctx context.Context, emit func([]byte) error) error {
		for change, err := range h.Journal.Read(ctx, after, follow) {
			line, err := changeLine(change, err, only)
			if err != nil {
				return err
			}
			if line == nil {
				continue
			}
			if err := emit(line); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// changeLine returns the line of a change, nil if the filter leaves it out.
func changeLine(change state.Change, err error, only filter) ([]byte, error) {
	if err != nil {
		return rest.Damaged(err)
	}
	if !only.takes(change.ID) {
		return nil, nil
	}
	return append(appendChange(nil, change), '\n'), nil
}

func appendChange(dst []byte, c state.Change) []byte {
	dst = append(dst, `{"sequence":`...)
	dst = strconv.AppendUint(dst, c.Sequence, 10)
	dst = append(dst, `,"time":`...)
	dst = rest.AppendTime(dst, c.Time)
	dst = append(dst, `,"op":`...)
	dst = rest.AppendString(dst, string(c.Op))
	if c.ID.Device != "" {
		dst = append(dst, `,"deviceId":`...)
		dst = rest.AppendString(dst, string(c.ID.Device))
	}
	if c.ID.IsModule() {
		dst = append(dst, `,"moduleId":`...)
		dst = rest.AppendString(dst, string(c.ID.Module))
	}
	dst = append(dst, `,"actor":`...)
	dst = rest.AppendString(dst, c.Actor)
	if c.Cause != "" {
		dst = append(dst, `,"cause":`...)
		dst = rest.AppendString(dst, c.Cause)
	}
	dst = appendPositive(dst, `,"version":`, c.Version)
	dst = appendPositive(dst, `,"desiredVersion":`, c.Desired)
	dst = appendPositive(dst, `,"reportedVersion":`, c.Reported)
	if len(c.Body) > 0 {
		dst = append(dst, `,"body":`...)
		dst = append(dst, c.Body...)
	}
	return append(dst, '}')
}

func appendPositive(dst []byte, name string, n int64) []byte {
	if n <= 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, name...), n, 10)
}

// filter is what a stream is narrowed to.
type filter struct {
	device tvilling.DeviceID
	module tvilling.ModuleID
}

func filterOf(c *rest.Call) filter {
	return filter{device: tvilling.DeviceID(c.Query.Get("device")), module: tvilling.ModuleID(c.Query.Get("module"))}
}

func (f filter) takes(id tvilling.Identity) bool {
	return (f.device == "" || f.device == id.Device) && (f.module == "" || f.module == id.Module)
}
