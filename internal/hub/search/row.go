package search

import (
	"context"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

const operation = "run query"

// row is a twin as queries see it, with its other records read when they are
// needed.
type row struct {
	query.Twin

	of *reader
}

// AppendJSON appends the whole twin; null if it could not be read, which Err
// tells.
func (r *row) AppendJSON(dst []byte) []byte {
	identity := r.LoadIdentity()
	connected, last := r.LoadSession()
	if identity == nil {
		return append(dst, "null"...)
	}
	return r.of.service.opt.Document(dst, twin.View{Twin: r.Twin.Twin, Identity: identity, Connected: connected, LastActivity: last})
}

// reader reads the records of rows for as long as one query runs.
type reader struct {
	service *Service
	ctx     context.Context //nolint:containedctx // rows ask by methods without one, while the query runs
}

// row returns the row of a twin.
func (r *reader) row(t *state.Twin) *row { return &row{query.Twin{Twin: t, From: r}, r} }

// Identity returns the record of an identity; an error if it was deleted
// meanwhile.
func (r *reader) Identity(id tvilling.Identity) (*state.Identity, error) {
	rec, err := r.service.opt.Store.Identity(r.ctx, id)
	if err == nil && rec == nil {
		return nil, gone(id)
	}
	return rec, err
}

// Session returns whether an identity is connected, and its last activity.
func (r *reader) Session(id tvilling.Identity) (connected bool, lastActivity time.Time, err error) {
	if connected, _, lastActivity = r.service.opt.Sessions.Live(id); connected {
		return true, lastActivity, nil
	}
	kept, err := r.service.opt.Store.Session(r.ctx, id)
	switch {
	case tvilling.CodeOf(err) == tvilling.Corrupt: // a damaged one tells nothing
		return false, time.Time{}, nil
	case kept == nil:
		return false, time.Time{}, err
	}
	return false, kept.LastActivity, err
}

// gone is the error of an identity that was deleted while the query ran.
func gone(id tvilling.Identity) error {
	code := tvilling.DeviceNotFound
	if id.IsModule() {
		code = tvilling.ModuleNotFound
	}
	e := tvilling.Errorf(code, "%s was deleted.", id)
	e.Op, e.Subject = operation, id.String()
	return e
}

// isGone reports whether err is that of gone.
func isGone(err error) bool {
	code := tvilling.CodeOf(err)
	return code == tvilling.DeviceNotFound || code == tvilling.ModuleNotFound
}
