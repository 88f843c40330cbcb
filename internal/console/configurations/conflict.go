package configurations

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
)

// conflict is two changes of one configuration at once.
type conflict struct {
	*editor

	// Theirs is the form as it would begin now.
	Theirs *editor
	Rows   []clash
}

// clash is a field in which somebody's change and this one meet.
type clash struct {
	Field, Before, Theirs, Yours string
	// Both says that both have changed it.
	Both bool
}

// conflict shows what somebody else has changed meanwhile, beside what was
// typed. Nothing was overwritten.
func (a *area) conflict(c *web.Call, e *editor) error {
	conf, err := a.Service.Get(c.Context(), e.ID)
	if err != nil {
		return err
	}
	theirs, err := begin(&conf)
	if err != nil {
		return err
	}
	var base fields
	if err := json.Unmarshal([]byte(e.Base), &base); err != nil {
		return tvilling.Errorf(tvilling.PreconditionFailed, "Somebody has changed this configuration meanwhile; open it again and make your change anew.")
	}
	p := &conflict{editor: e, Theirs: theirs}
	before, now, mine := base.texts(), theirs.texts(), e.texts()
	for i, f := range fieldNames {
		if now[i] == mine[i] {
			continue
		}
		p.Rows = append(p.Rows, clash{f, before[i], now[i], mine[i], before[i] != now[i] && before[i] != mine[i]})
	}
	v := view("Changed meanwhile", "conflict", p, self(e.ID))
	v.Status = http.StatusConflict
	return c.Page(v)
}

var fieldNames = []string{"Target condition", "Priority", "Labels", "Metrics", "Steps", "Wait", "Health condition", "Limit", "When unhealthy"}

// texts are the fields that can be changed, in the order of fieldNames.
func (f *fields) texts() []string {
	var metrics []string
	for _, m := range f.Metrics {
		if m.Name != "" {
			metrics = append(metrics, m.Name+" = "+m.Query)
		}
	}
	reaction := f.Reaction
	if reaction == "" {
		reaction = "halt"
	}
	return []string{f.Target, f.Priority, strings.ReplaceAll(strings.TrimSpace(f.Labels), "\r\n", "\n"), strings.Join(metrics, "\n"), f.Steps, f.Wait, f.Unhealthy, f.Limit, reaction}
}

// Merged are all fields with those of theirs that were not changed here, sent
// on with the etag of now: both changes, and where both changed one field, this
// one.
func (p *conflict) Merged() []value {
	var base fields
	// It was read a moment ago.
	_ = json.Unmarshal([]byte(p.Base), &base)
	e := *p.editor
	take := func(mine *string, before, theirs string) {
		if *mine == before {
			*mine = theirs
		}
	}
	t := &p.Theirs.fields
	take(&e.Target, base.Target, t.Target)
	take(&e.Priority, base.Priority, t.Priority)
	take(&e.Steps, base.Steps, t.Steps)
	take(&e.Wait, base.Wait, t.Wait)
	take(&e.Unhealthy, base.Unhealthy, t.Unhealthy)
	take(&e.Limit, base.Limit, t.Limit)
	take(&e.Reaction, base.Reaction, t.Reaction)
	mine, before := e.texts(), base.texts()
	if mine[2] == before[2] {
		e.Labels = t.Labels
	}
	if mine[3] == before[3] {
		e.Metrics = t.Metrics
	}
	e.Etag, e.Base = p.Theirs.Etag, p.Theirs.Base
	return e.Hidden()
}
