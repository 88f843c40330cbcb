package devices

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/csvsafe"
)

var exportHead = []string{
	"deviceId", "state", "score", "alertsHigh", "alertsMedium", "alertsLow", "recommendations", "agentVersion", "agentConfiguration",
	"status", "connected", "lastActivity", "tags",
}

// exported is a device of an export as JSON.
type exported struct {
	Device          tvilling.DeviceID          `json:"deviceId"`
	State           string                     `json:"state,omitempty"`
	Score           *int                       `json:"score,omitempty"`
	Alerts          map[string]int32           `json:"alerts,omitempty"`
	Recommendations int64                      `json:"recommendations"`
	Agent           string                     `json:"agentVersion,omitempty"`
	Sync            string                     `json:"agentConfiguration,omitempty"`
	Status          string                     `json:"status,omitempty"`
	Connected       bool                       `json:"connected"`
	Activity        time.Time                  `json:"lastActivity,omitzero"`
	Tags            map[string]json.RawMessage `json:"tags,omitempty"`
	Damaged         bool                       `json:"damaged,omitempty"`
}

// export is GET /devices/export?q=&format=: all devices that the query finds,
// ascending by ID, as CSV or a JSON object a line.
func (p *pages) export(c *web.Call) error {
	l, err := readListing(c.Queries())
	if err != nil {
		return err
	}
	find, err := l.condition.compile(l.from, "")
	if err != nil {
		return err
	}
	lines := c.Query("format") == "json"
	contentType, name := "text/csv; charset=utf-8", "devices.csv"
	if lines {
		contentType, name = "application/x-ndjson", "devices.ndjson"
	}
	return c.Download(contentType, name, func(emit func([]byte) error) error {
		if !lines {
			if err := emit(csvsafe.Append(nil, exportHead)); err != nil {
				return err
			}
		}
		for id, err := range p.Search.Each(c.Context(), find, tvilling.Identity{}) {
			var piece []byte
			switch {
			case tvilling.CodeOf(err) == tvilling.Corrupt:
				continue // the log names it
			case err != nil:
				return err
			}
			r, err := p.row(c.Context(), id.Device, nil)
			if err != nil {
				return err
			}
			if r.Gone {
				continue
			}
			if piece, err = exportRow(r, lines); err != nil {
				return err
			}
			if err := emit(piece); err != nil {
				return err
			}
		}
		return nil
	})
}

func exportRow(r *row, lines bool) ([]byte, error) {
	status := "enabled"
	if r.Disabled {
		status = "disabled"
	}
	if lines {
		b, err := json.Marshal(exported{
			r.ID, r.State, r.Score,
			map[string]int32{"high": r.Alerts.High, "medium": r.Alerts.Medium, "low": r.Alerts.Low},
			r.Recommended(), r.Agent, r.Sync, status, r.Connected, known(r.Activity), r.all, r.Damaged,
		})
		if err != nil {
			return nil, &tvilling.Error{Code: tvilling.Internal, Op: "export devices", Err: err}
		}
		return append(b, '\n'), nil
	}
	if r.Damaged {
		return csvsafe.Append(nil, append([]string{string(r.ID), "damaged"}, make([]string, len(exportHead)-2)...)), nil
	}
	tags, err := json.Marshal(r.all)
	if err != nil {
		return nil, &tvilling.Error{Code: tvilling.Internal, Op: "export devices", Err: err}
	}
	score, activity := "", ""
	if r.Score != nil {
		score = strconv.Itoa(*r.Score)
	}
	if t := known(r.Activity); !t.IsZero() {
		activity = t.UTC().Format(time.RFC3339)
	}
	n := func(i int32) string { return strconv.Itoa(int(i)) }
	return csvsafe.Append(nil, []string{
		string(r.ID), r.State, score, n(r.Alerts.High), n(r.Alerts.Medium), n(r.Alerts.Low), strconv.FormatInt(r.Recommended(), 10),
		r.Agent, r.Sync, status, strconv.FormatBool(r.Connected), activity, strings.TrimSpace(string(tags)),
	}), nil
}

// known is a time, or the zero one for what stands for never.
func known(t time.Time) time.Time {
	if t.Year() <= 1 {
		return time.Time{}
	}
	return t
}
