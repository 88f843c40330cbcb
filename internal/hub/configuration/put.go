package configuration

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
)

// Put creates or updates a configuration and returns it as it is then. Without
// a condition it creates (ConfigurationAlreadyExists if the id is taken); with
// one it updates (ConfigurationNotFound, PreconditionFailed). An update may not
// change the content (ImmutableConfigurationContent) and keeps it if it is not
// given; it leaves Paused as it is; with a nil Rollout it keeps the rollout
// that there is, and with one without steps it ends it.
func (s *Service) Put(ctx context.Context, c Configuration, match tvilling.Match, actor string) (Configuration, error) {
	const op = "put configuration"
	if match.Given && c.Content == nil {
		if old := s.table.Load().byID[c.ID]; old != nil {
			c.Content = old.Content
		}
	}
	if err := check(&c); err != nil {
		return Configuration{}, about(op, c.ID, err)
	}
	var out *compiled
	err := s.opt.Committer.Do(ctx, func(tx *commit.Tx) error {
		list, err := indexOf(tx)
		if err != nil {
			return err
		}
		var old *definition
		at := stage{Format: format, Kind: c.Kind()}
		if slices.Contains(list.IDs, c.ID) {
			if old, err = stored(tx, c.ID, &at); err != nil {
				return err
			}
		}
		next := c
		if old == nil {
			err = create(tx, &next, &at, list, match)
		} else {
			err = update(tx, &next, &at, old, match)
		}
		if err != nil {
			return err
		}
		at.renew(tx.Time(), next.Rollout)
		if err := put(tx, definitionSetting(c.ID), definitionOf(&next)); err != nil {
			return err
		}
		if err := put(tx, stageSetting(c.ID), &at); err != nil {
			return err
		}
		what := "created"
		if old != nil {
			what = "updated"
		}
		record(tx, c.ID, what, actor)
		out = compile(next, at)
		tx.Effect(func() {
			s.table.Store(s.table.Load().with(c.ID, out, nil))
			s.figures.forget(c.ID)
			s.damper.forget(c.ID) // another definition may not be undone
			s.rouse()
		})
		return nil
	})
	if err != nil {
		return Configuration{}, about(op, c.ID, err)
	}
	return out.shown(), nil
}

// stored reads a configuration and its stage as a transaction sees them.
func stored(tx *commit.Tx, id string, at *stage) (*definition, error) {
	d := new(definition)
	value, err := tx.Setting(definitionSetting(id))
	if err != nil {
		return nil, err
	}
	if err := decode(definitionSetting(id), value, d); err != nil {
		return nil, err
	}
	if value, err = tx.Setting(stageSetting(id)); err != nil {
		return nil, err
	}
	return d, decode(stageSetting(id), value, at)
}

// create completes a new configuration.
func create(tx *commit.Tx, c *Configuration, at *stage, list index, match tvilling.Match) error {
	if match.Given {
		return tvilling.Errorf(tvilling.ConfigurationNotFound, "There is no configuration %s to update.", c.ID)
	}
	if len(list.IDs) >= MaxConfigurations {
		return tvilling.Errorf(tvilling.TooManyConfigurations, "A hub has at most %d configurations; delete one first.", MaxConfigurations)
	}
	if slices.Contains(list.Removed, c.ID) {
		// The new one's pass sees to what the one before it has left, as long as
		// it is over the same twins.
		var left stage
		value, err := tx.Setting(stageSetting(c.ID))
		if err != nil {
			return err
		}
		if err := decode(stageSetting(c.ID), value, &left); err != nil {
			return err
		}
		if left.Kind != at.Kind {
			return tvilling.Errorf(tvilling.Unavailable, "What the deleted configuration %s has written is still being removed; try again when that is done.", c.ID)
		}
		at.Turn = left.Turn
	}
	c.Created, c.Updated, c.Revision = tx.Time(), tx.Time(), 1
	at.Paused = c.Paused
	list.IDs = append(list.IDs, c.ID)
	slices.Sort(list.IDs)
	list.Removed = slices.DeleteFunc(list.Removed, func(id string) bool { return id == c.ID })
	if c.Rollout != nil && len(c.Rollout.Steps) == 0 {
		c.Rollout = nil
	}
	return put(tx, indexSetting, &list)
}

// update completes a new definition of a configuration that there is.
func update(tx *commit.Tx, c *Configuration, at *stage, old *definition, match tvilling.Match) error {
	was := old.configuration(c.ID)
	switch {
	case !match.Given:
		return tvilling.Errorf(tvilling.ConfigurationAlreadyExists, "There is a configuration %s already. To change it, send its etag, or *, as If-Match; the command line has \"tvilling config update\".", c.ID)
	case !match.Allows(was.ETag()):
		return tvilling.Errorf(tvilling.PreconditionFailed, "The etag given is not the configuration's current etag; read it again and retry.")
	case !sameContent(c.Content, was.Content):
		e := tvilling.Errorf(tvilling.ImmutableConfigurationContent, "The content of a configuration cannot be changed; create another configuration, of a higher priority.")
		e.Path = "content"
		return e
	}
	// The text stays, too: twins keep the text of values.
	c.Content = was.Content
	c.Created, c.Updated, c.Revision = was.Created, tx.Time(), was.Revision+1
	switch {
	case c.Rollout == nil:
		c.Rollout = was.Rollout
	case len(c.Rollout.Steps) == 0:
		c.Rollout = nil
	}
	switch {
	case !reflect.DeepEqual(c.Rollout, was.Rollout):
		at.restart()
	case c.Target != was.Target && !at.Everyone:
		// The place of the step was found among other twins. What is written stays.
		at.Threshold, at.Reach, at.Placed = 0, 0, false
	}
	return nil
}

// sameContent reports whether two contents say the same, in whatever order.
// Libraries name the kinds that there are not, too, as null.
func sameContent(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := generic(a)
	y, errY := generic(b)
	for _, content := range []any{x, y} {
		if kinds, ok := content.(map[string]any); ok {
			maps.DeleteFunc(kinds, func(_ string, values any) bool { return values == nil })
		}
	}
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// generic decodes a value without loss.
func generic(raw json.RawMessage) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// Delete removes a configuration, and then what it wrote from every twin.
func (s *Service) Delete(ctx context.Context, id string, match tvilling.Match, actor string) error {
	const op = "delete configuration"
	err := s.opt.Committer.Do(ctx, func(tx *commit.Tx) error {
		list, err := indexOf(tx)
		if err != nil {
			return err
		}
		if !slices.Contains(list.IDs, id) {
			return notFound(op, id)
		}
		at := stage{Format: format}
		var kind Kind
		switch old, err := stored(tx, id, &at); {
		case tvilling.CodeOf(err) == tvilling.Corrupt && match.Allows(""):
			// It can be removed, though nobody knows its etag.
			c := s.table.Load().byID[id]
			if c == nil {
				return err
			}
			kind, at.Turn = c.kind, c.stage.Turn
		case err != nil:
			return err
		default:
			was := old.configuration(id)
			if kind = was.Kind(); !match.Allows(was.ETag()) {
				return tvilling.Errorf(tvilling.PreconditionFailed, "The etag given is not the configuration's current etag; read it again and retry.")
			}
		}
		at = stage{Format: format, Kind: kind, Removed: true, Turn: at.Turn}
		at.begin(tx.Time())
		list.IDs = slices.DeleteFunc(list.IDs, func(other string) bool { return other == id })
		list.Removed = append(list.Removed, id)
		if err := put(tx, indexSetting, &list); err != nil {
			return err
		}
		if err := put(tx, stageSetting(id), &at); err != nil {
			return err
		}
		tx.PutSetting(definitionSetting(id), nil)
		record(tx, id, "deleted", actor)
		tx.Effect(func() {
			s.table.Store(s.table.Load().with(id, nil, &at))
			s.figures.forget(id)
			s.damper.forget(id)
			s.rouse()
		})
		return nil
	})
	return about(op, id, err)
}

// about completes an error with what it was about.
func about(op, id string, err error) error {
	e, ok := err.(*tvilling.Error) //nolint:errorlint // an error that wraps one is not about this
	if !ok || e.Subject != "" {
		return err
	}
	out := *e
	out.Op, out.Subject = op, id
	return &out
}
