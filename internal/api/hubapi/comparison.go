package hubapi

import (
	"encoding/json"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/twin/compare"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// stampJSON says who wrote a value, and when.
type stampJSON struct {
	Actor   string    `json:"actor"`
	Time    time.Time `json:"time"`
	Version int64     `json:"version"`
}

// rowJSON is a value of a twin, desired beside reported.
type rowJSON struct {
	Path      string            `json:"path"`
	Desired   json.RawMessage   `json:"desired,omitempty"`
	Reported  json.RawMessage   `json:"reported,omitempty"`
	Agreement compare.Agreement `json:"agreement"`
	Why       string            `json:"why,omitempty"`
	Set       *stampJSON        `json:"set,omitempty"`
	Told      *stampJSON        `json:"told,omitempty"`
}

func newStamp(s compare.Stamp) *stampJSON {
	if s.Actor == "" && s.Time.IsZero() {
		return nil
	}
	return &stampJSON{s.Actor, s.Time, s.Version}
}

// compareTwin is GET …/comparison: the desired beside the reported properties.
func (h *Handler) compareTwin(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	v, err := h.Twins.Get(c.Context(), id)
	if err != nil {
		return err
	}
	var judge compare.Judge
	if h.SecurityModule != "" && id.Module == h.SecurityModule {
		judge = agentconfig.Judge(v.Desired.AppendJSON(nil, doc.Form{}), v.Reported.AppendJSON(nil, doc.Form{}))
	}
	rows, err := compare.Sections(v.Desired, v.Reported, judge)
	if err != nil {
		return err
	}
	out := struct {
		Device     tvilling.DeviceID `json:"deviceId"`
		Module     tvilling.ModuleID `json:"moduleId,omitempty"`
		Desired    int64             `json:"desiredVersion"`
		Reported   int64             `json:"reportedVersion"`
		Properties []rowJSON         `json:"properties"`
	}{id.Device, id.Module, v.Desired.Version(), v.Reported.Version(), make([]rowJSON, 0, len(rows))}
	for _, r := range rows {
		out.Properties = append(out.Properties, rowJSON{(&history.Edit{Path: r.Path}).Name(), r.Desired, r.Reported, r.Agreement, r.Why, newStamp(r.Set), newStamp(r.Told)})
	}
	return c.Answer(out, v.ETag())
}
