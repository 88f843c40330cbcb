package search

import (
	"iter"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// named looks at the twins of the one device that the query names: its own, or
// those of its modules, or of the one module that the query names, too.
func (l *looker) named(after tvilling.Identity) iter.Seq[hit] {
	name, _ := l.query.EqualityOn("deviceId")
	device := tvilling.Device(tvilling.DeviceID(name))
	if device.Check() != nil {
		return func(func(hit) bool) {} // nobody can have that name
	}
	if l.query.Kind() == state.Devices {
		return l.read(one(device, after))
	}
	if name, ok := l.query.EqualityOn("moduleId"); ok {
		module := tvilling.Identity{Device: device.Device, Module: tvilling.ModuleID(name)}
		if !module.IsModule() || module.Check() != nil {
			return func(func(hit) bool) {}
		}
		return l.read(one(module, after))
	}
	return l.scan(state.Range{Device: device.Device, After: after})
}

// each gives some identities.
func each(ids []tvilling.Identity) iter.Seq2[tvilling.Identity, error] {
	return func(yield func(tvilling.Identity, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// one gives one identity, unless it is not behind another.
func one(id, after tvilling.Identity) iter.Seq2[tvilling.Identity, error] {
	return func(yield func(tvilling.Identity, error) bool) {
		if id.Compare(after) > 0 {
			yield(id, nil)
		}
	}
}
