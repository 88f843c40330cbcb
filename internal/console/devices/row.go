package devices

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/security/posture"
)

// What rows show of devices and of their security modules.
var (
	deviceColumns = compiled("SELECT status, connectionState AS connection, lastActivityTime AS activity, tags FROM devices")
	moduleColumns = compiled("SELECT security.state AS state, security.score AS score, security.alerts AS alerts, security.recommendations AS recommendations, " +
		"security.agent.version AS agent, security.configuration AS sync, connectionState AS connection, lastActivityTime AS activity FROM devices.modules")
)

func compiled(text string) *query.Query {
	q, err := query.Compile(text)
	if err != nil {
		panic(err)
	}
	return q
}

// maxTags is how many tags a row shows.
const maxTags = 4

// row is a device in the list.
type row struct {
	ID              tvilling.DeviceID
	State           string
	Score           *int
	Alerts          posture.Counts
	Recommendations posture.Counts
	Agent, Sync     string
	Tags            []tag
	// MoreTags is how many tags are not shown.
	MoreTags  int
	Disabled  bool
	Connected bool
	Transport string
	// AgentOnly says that only the security module is connected.
	AgentOnly bool
	Activity  time.Time
	// Left says that the query finds the device no more, Gone that it was
	// deleted, Damaged that its records cannot be read.
	Left, Gone, Damaged bool
	// May is set for who may change devices.
	May bool

	// all are all tags, as they are in the twin.
	all map[string]json.RawMessage
}

type tag struct{ Key, Value, Filter string }

// row reads the row of a device as it is now. With find it also says whether
// that still finds it.
func (p *pages) row(ctx context.Context, id tvilling.DeviceID, find *query.Query) (*row, error) {
	r := &row{ID: id}
	module := tvilling.Identity{Device: id, Module: tvilling.SecurityModule}
	d, err := p.Search.Row(ctx, tvilling.Device(id))
	if err == nil && d == nil {
		r.Gone = true
		return r, nil
	}
	var m query.Row
	if err == nil {
		m, err = p.Search.Row(ctx, module)
	}
	if err == nil {
		err = r.read(d, m)
	}
	switch tvilling.CodeOf(err) {
	case "":
	case tvilling.Corrupt:
		r.Damaged = true
		return r, nil
	case tvilling.DeviceNotFound, tvilling.ModuleNotFound:
		r.Gone = true
		return r, nil
	default:
		return nil, err
	}
	if r.Connected {
		from := tvilling.Device(id)
		if r.AgentOnly {
			from = module
		}
		r.Transport, _ = p.Head.Connection(from)
		r.Transport = strings.ToUpper(r.Transport)
	}
	if find != nil {
		switch {
		case find.Collection() == query.Devices:
			r.Left = !find.Match(d)
		case m == nil:
			r.Left = true
		default:
			r.Left = !find.Match(&query.Pair{Device: d, Module: m})
		}
	}
	return r, nil
}

// read takes over what a device and its security module, if it has one, show.
func (r *row) read(d, m query.Row) error {
	var device struct {
		Status, Connection string
		Activity           time.Time
		Tags               map[string]json.RawMessage
	}
	if err := project(deviceColumns, d, &device); err != nil {
		return err
	}
	var module struct {
		State, Agent, Sync, Connection string
		Score                          *int
		Alerts, Recommendations        posture.Counts
		Activity                       time.Time
	}
	if m != nil {
		if err := project(moduleColumns, m, &module); err != nil {
			return err
		}
	}
	r.State, r.Score, r.Alerts, r.Recommendations = module.State, module.Score, module.Alerts, module.Recommendations
	r.Agent, r.Sync = module.Agent, module.Sync
	r.Disabled = device.Status == "disabled"
	on, agent := device.Connection == "Connected", module.Connection == "Connected"
	r.Connected, r.AgentOnly = on || agent, agent && !on
	r.Activity = device.Activity
	if module.Activity.After(r.Activity) {
		r.Activity = module.Activity
	}
	r.all = device.Tags
	r.Tags, r.MoreTags = rowTags(device.Tags)
	return nil
}

func project(q *query.Query, from query.Row, into any) error {
	if err := q.Load(from); err != nil {
		return err
	}
	if err := json.Unmarshal(q.Project(nil, from), into); err != nil {
		return &tvilling.Error{Code: tvilling.Internal, Op: "read row", Err: err}
	}
	return nil
}

// rowTags are the first tags by their names; those that are simple values lead
// to the devices that have them, too.
func rowTags(tags map[string]json.RawMessage) (list []tag, more int) {
	names := make([]string, 0, len(tags))
	for name := range tags {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if i == maxTags {
			return list, len(names) - maxTags
		}
		list = append(list, newTag(name, tags[name]))
	}
	return list, 0
}

func newTag(name string, value json.RawMessage) tag {
	t := tag{Key: name, Value: string(value)}
	var text string
	switch {
	case json.Unmarshal(value, &text) == nil:
		t.Value = text
	case strings.HasPrefix(t.Value, "{"), strings.HasPrefix(t.Value, "["):
		return t
	}
	path := &query.Path{Segments: []string{"tags", name}}
	term, err := filterTerm(path, false, "is", t.Value)
	if err != nil || len(t.Value) > 512 || strings.Contains(name, "]") {
		return t
	}
	t.Filter = ui.URL("devices", url.Values{"q": {written([]query.Expr{term})}})
	return t
}

// Element is the id of the row's element.
func (r *row) Element() string { return "device:" + string(r.ID) }

// Recommended is how many recommendations are active.
func (r *row) Recommended() int64 {
	n := r.Recommendations
	return int64(n.High) + int64(n.Medium) + int64(n.Low) + int64(n.Informational)
}

// Alerted is how many alerts of a severity are open.
func (r *row) Alerted(severity string) int64 {
	switch severity {
	case "high":
		return int64(r.Alerts.High)
	case "medium":
		return int64(r.Alerts.Medium)
	default:
		return int64(r.Alerts.Low)
	}
}

// AlertsAt is where the open alerts of a severity are.
func (r *row) AlertsAt(severity string) string {
	return ui.URL("alerts", url.Values{"device": {string(r.ID)}, "severity": {severity}})
}
