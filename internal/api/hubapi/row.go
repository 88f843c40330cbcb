package hubapi

import (
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

// row is a twin as queries see it.
type row struct {
	query.Twin
	view twin.View
}

func (r *row) set(v twin.View) {
	r.view = v
	r.Twin = query.Twin{Identity: v.Identity, Twin: v.Twin, Connected: v.Connected, LastActivity: v.LastActivity}
}

// AppendJSON appends the whole twin.
func (r *row) AppendJSON(dst []byte) []byte { return appendTwin(dst, r.view, false) }
