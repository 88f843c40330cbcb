package hubapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

// historyRoutes are those of a twin's past, and of how it stands.
func historyRoutes() (table []route) {
	for _, t := range []string{"/tvilling/twins/{device}", "/tvilling/twins/{device}/modules/{module}"} {
		table = append(
			table,
			route{method: http.MethodGet, pattern: t + "/comparison", own: true, need: twinRead, handle: (*Handler).compareTwin},
			route{method: http.MethodGet, pattern: t + "/history", own: true, need: twinRead, handle: (*Handler).twinHistory},
			route{method: http.MethodGet, pattern: t + "/at", own: true, need: twinRead, handle: (*Handler).twinAt},
			route{method: http.MethodGet, pattern: t + "/diff", own: true, need: twinRead, handle: (*Handler).twinDiff},
			route{method: http.MethodPost, pattern: t + "/restore", own: true, need: twinWrite, handle: (*Handler).restoreTwin},
		)
	}
	return table
}

// editJSON is a member that differs, by its path in the twin. A value that is
// not there is left out.
type editJSON struct {
	Path string          `json:"path"`
	Old  json.RawMessage `json:"old,omitempty"`
	New  json.RawMessage `json:"new,omitempty"`
}

func editsJSON(edits []history.Edit) []editJSON {
	list := make([]editJSON, 0, len(edits))
	for _, e := range edits {
		list = append(list, editJSON{e.Name(), e.Old, e.New})
	}
	return list
}

// versionJSON is a change of a twin, with what it changed.
type versionJSON struct {
	Sequence uint64     `json:"sequence"`
	Time     time.Time  `json:"time"`
	Op       state.Op   `json:"op"`
	Actor    string     `json:"actor"`
	Cause    string     `json:"cause,omitempty"`
	Version  int64      `json:"version,omitempty"`
	Desired  int64      `json:"desiredVersion,omitempty"`
	Reported int64      `json:"reportedVersion,omitempty"`
	Edits    []editJSON `json:"edits"`
	Together bool       `json:"together,omitempty"`
	Partial  bool       `json:"partial,omitempty"`
}

// markJSON is a place in the journal.
type markJSON struct {
	Sequence uint64    `json:"sequence,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Version  int64     `json:"version,omitempty"`
}

// twinHistory is GET …/history?before=&limit=&part=&connections=: the versions
// of a twin, newest first, with who made each, when and why, and what it
// changed.
func (h *Handler) twinHistory(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	var q history.Query
	if q.Before, err = c.Number("before", 0); err != nil {
		return err
	}
	if q.Limit, err = c.Within("limit", history.DefaultLimit, 1, history.MaxLimit); err != nil {
		return err
	}
	var known []string
	for _, p := range history.Parts() {
		known = append(known, string(p))
	}
	parts, err := c.Words("part", known...)
	if err != nil {
		return err
	}
	for _, p := range parts {
		q.Parts = append(q.Parts, history.Part(p))
	}
	if q.Connections, err = c.Flag("connections"); err != nil {
		return err
	}
	page, err := h.History.Versions(c.Context(), id, q)
	if err != nil {
		return err
	}
	out := struct {
		Device   tvilling.DeviceID `json:"deviceId"`
		Module   tvilling.ModuleID `json:"moduleId,omitempty"`
		Versions []versionJSON     `json:"versions"`
		// Next is what to pass as before, absent on the last page; Complete says
		// there that the history reaches back to the making of the identity,
		// and Kept since when the journal is kept.
		Next     uint64   `json:"next,omitempty"`
		Complete bool     `json:"complete"`
		Kept     markJSON `json:"kept"`
	}{id.Device, id.Module, make([]versionJSON, 0, len(page.Versions)), page.Next, page.Complete, markJSON{Sequence: page.Kept.Sequence, Time: page.Kept.Time}}
	for _, v := range page.Versions {
		out.Versions = append(out.Versions, versionJSON{
			v.Sequence, v.Time, v.Op, v.Actor, v.Cause, v.Version, v.Desired, v.Reported, editsJSON(v.Edits), v.Together, v.Partial,
		})
	}
	return c.Answer(out, "")
}

// twinAt is GET …/at?version=|time=|sequence=: the twin as it then was.
func (h *Handler) twinAt(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	point, err := readPoint(c.Query.Get("version"), c.Query.Get("time"), c.Query.Get("sequence"))
	if err != nil {
		return err
	}
	st, err := h.History.At(c.Context(), id, point)
	if err != nil {
		return err
	}
	v := twin.View{Twin: st.Twin, Identity: st.Identity, Connected: st.Connected}
	return c.JSON(appendTwin(newTwin(v), v, true), v.ETag())
}

// twinDiff is GET …/diff?from=&to=: in what a twin differs between two points;
// to is now if it is not given.
func (h *Handler) twinDiff(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	var states [2]*history.State
	for i, name := range []string{"from", "to"} {
		text := c.Query.Get(name)
		if text == "" && name == "to" {
			text = "now"
		}
		point, err := parsePoint(name, text)
		if err != nil {
			return err
		}
		if states[i], err = h.History.At(c.Context(), id, point); err != nil {
			return err
		}
	}
	from, to := states[0], states[1]
	edits := append(history.DiffIdentities(from.Identity, to.Identity), history.DiffTwins(from.Twin, to.Twin)...)
	return c.Answer(struct {
		Device tvilling.DeviceID `json:"deviceId"`
		Module tvilling.ModuleID `json:"moduleId,omitempty"`
		From   markJSON          `json:"from"`
		To     markJSON          `json:"to"`
		Edits  []editJSON        `json:"edits"`
	}{id.Device, id.Module, markOf(from), markOf(to), editsJSON(edits)}, to.Twin.ETag())
}

func markOf(s *history.State) markJSON {
	return markJSON{Sequence: s.Sequence, Time: s.Time, Version: s.Twin.Version}
}

// restoreTwin is POST …/restore of {"version":7}, {"time":"…"} or
// {"sequence":9}: makes tags and desired properties what they then were, as one
// change by the caller.
func (h *Handler) restoreTwin(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	b, err := c.Object()
	if err != nil {
		return err
	}
	var body struct {
		Version  json.Number `json:"version"`
		Sequence json.Number `json:"sequence"`
		Time     string      `json:"time"`
	}
	if err := rest.DecodeStrict(b, &body); err != nil {
		return err
	}
	point, err := readPoint(body.Version.String(), body.Time, body.Sequence.String())
	if err != nil {
		return err
	}
	v, err := h.History.Restore(c.Context(), id, point, c.Match(), c.Who.Actor())
	if err != nil {
		return err
	}
	return c.JSON(appendTwin(newTwin(v), v, true), v.ETag())
}

// readPoint reads a point of which one of three members is given.
func readPoint(version, moment, sequence string) (p history.Point, err error) {
	given := 0
	for _, s := range []string{version, moment, sequence} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return p, tvilling.Errorf(tvilling.InvalidArgument, "Say at which point: one of version, time and sequence.")
	}
	switch {
	case version != "":
		p.Version, err = strconv.ParseInt(version, 10, 64)
		if err != nil || p.Version < 1 {
			return p, rest.BadParameter("version", "The version of the twin is a whole number from 1 on.")
		}
	case sequence != "":
		p.Sequence, err = strconv.ParseUint(sequence, 10, 64)
		if err != nil || p.Sequence < 1 {
			return p, rest.BadParameter("sequence", "The sequence of the journal is a whole number from 1 on.")
		}
	default:
		p.Time, err = time.Parse(time.RFC3339Nano, moment)
		if err != nil || p.Time.IsZero() {
			return p, rest.BadParameter("time", "A time is written as 2026-01-31T14:30:00Z.")
		}
	}
	return p, nil
}

// parsePoint reads a point as one text: a version, a time, "sequence:9", "now".
func parsePoint(name, text string) (history.Point, error) {
	if text == "now" {
		return history.Point{Now: true}, nil
	}
	version, moment, sequence := "", "", ""
	place, isSequence := strings.CutPrefix(text, "sequence:")
	switch {
	case isSequence:
		sequence = place
	case strings.ContainsRune(text, '-'):
		moment = text
	default:
		version = text
	}
	p, err := readPoint(version, moment, sequence)
	if err != nil {
		return p, rest.BadParameter(name, "A point is a version of the twin (7), a time (2026-01-31T14:30:00Z), a place in the journal (sequence:99), or now.")
	}
	return p, nil
}
