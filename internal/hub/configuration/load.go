package configuration

import (
	"context"

	"github.com/tvilling/tvilling"
)

// New returns a service with the configurations that are stored. One whose
// records are damaged keeps what it has written, and writes nothing.
func New(ctx context.Context, o Options) (*Service, error) {
	s := &Service{opt: o, damper: newDamper(), figures: newFigures(ctx), wake: make(chan struct{}, 1), lives: make(map[string]*live)}
	var list index
	if err := s.load(ctx, indexSetting, &list); err != nil {
		return nil, err
	}
	byID, removed := make(map[string]*compiled), make(map[string]stage)
	for _, id := range list.IDs {
		c, err := s.stored(ctx, id)
		if err != nil {
			return nil, err
		}
		if byID[id] = c; c.broken != nil {
			o.Logger.ErrorContext(ctx, "configuration cannot be read; what it has written is left as it is", "configuration", id, "error", c.broken)
		}
	}
	for _, id := range list.Removed {
		var at stage
		if err := s.load(ctx, stageSetting(id), &at); err != nil {
			return nil, err
		}
		removed[id] = at
	}
	s.table.Store(newTable(byID, removed))
	var at cursor
	err := s.load(ctx, cursorSetting, &at)
	switch {
	case tvilling.CodeOf(err) == tvilling.Corrupt: // then all twins are looked at
		o.Logger.ErrorContext(ctx, "how far configurations have followed the changes of twins is lost; all twins are looked at", "error", err)
		at.Cursor = 0
	case err != nil:
		return nil, err
	}
	s.cursor = at.Cursor
	return s, nil
}

// load reads a setting of this package; an absent one leaves v as it is.
func (s *Service) load(ctx context.Context, name string, v any) error {
	value, err := s.opt.Store.Setting(ctx, name)
	if err != nil {
		return err
	}
	return decode(name, value, v)
}

// stored reads a configuration. If one of its records is damaged it is broken;
// with neither of them nothing is known, not even what it is for.
func (s *Service) stored(ctx context.Context, id string) (*compiled, error) {
	var d definition
	var at stage
	lost := s.load(ctx, definitionSetting(id), &d)
	if lost != nil && tvilling.CodeOf(lost) != tvilling.Corrupt {
		return nil, lost
	}
	err := s.load(ctx, stageSetting(id), &at)
	switch {
	case err == nil && lost == nil:
		return compile(d.configuration(id), at), nil
	case err == nil:
		c := Configuration{ID: id, Content: []byte(`{"deviceContent":{}}`)}
		if at.Kind == Modules {
			c.Content = []byte(`{"moduleContent":{}}`)
		}
		return &compiled{Configuration: c, stage: at, kind: at.Kind, broken: lost}, nil
	case tvilling.CodeOf(err) != tvilling.Corrupt || lost != nil:
		return nil, err
	}
	c := d.configuration(id)
	out := compile(c, stage{Format: format, Kind: c.Kind(), Everyone: true, Finished: true})
	out.broken, out.target = err, nil
	return out, nil
}
