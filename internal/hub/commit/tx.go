package commit

import (
	"context"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// work is one round under way: what its changes have staged so far.
type work struct {
	c        *Committer
	batch    state.Batch
	staged   map[tvilling.Identity]*staged
	settings map[string][]byte
	counters state.Counters
	sequence uint64
	now      int64
	// before holds the twins as they were before the round, as far as its
	// changes have read them.
	before map[tvilling.Identity]*state.Twin
}

// staged holds the records of one identity as the round would leave them; a
// nil pointer beside a set flag is a record that the round removed.
type staged struct {
	identity, twin, session bool

	Identity *state.Identity
	Twin     *state.Twin
	Session  *state.Session
}

// run applies one change; a refused one leaves nothing behind.
func (r *work) run(ch *change) {
	tx := Tx{r: r, counters: r.counters}
	if ch.err = ch.apply(&tx); ch.err != nil {
		return
	}
	for _, w := range tx.writes {
		r.stage(w)
	}
	r.batch.Writes = append(r.batch.Writes, tx.writes...)
	for _, change := range tx.changes {
		r.sequence++
		change.Sequence = r.sequence
		change.Time = tx.Time()
		r.batch.Changes = append(r.batch.Changes, change)
	}
	r.counters = tx.counters
	ch.effects = tx.effects
}

func (r *work) stage(w state.Write) {
	if w.Setting != nil {
		if r.settings == nil {
			r.settings = make(map[string][]byte)
		}
		r.settings[w.Setting.Name] = w.Setting.Value
		return
	}
	s := r.staged[w.ID]
	if s == nil {
		s = new(staged)
		r.staged[w.ID] = s
	}
	s.put(w)
}

func (s *staged) put(w state.Write) {
	switch {
	case w.Delete:
		*s = staged{identity: true, twin: true, session: true}
	case w.Identity != nil:
		s.identity, s.Identity = true, w.Identity
	case w.Twin != nil:
		s.twin, s.Twin = true, w.Twin
	case w.Session != nil:
		s.session, s.Session = true, w.Session
	}
}

// Tx is the state as one change sees it: what is durable, what the changes
// before it in the round staged, and what it staged itself. It is valid only
// while the change's function runs.
type Tx struct {
	r        *work
	writes   []state.Write
	changes  []state.Change
	effects  []func()
	counters state.Counters
}

// Time is the time of the change. It never goes backwards, whatever the clock does.
func (tx *Tx) Time() time.Time { return time.Unix(0, tx.r.now).UTC() }

// find returns what is staged for id, nil if nothing is.
func (tx *Tx) find(id tvilling.Identity) *staged {
	base := tx.r.staged[id]
	var own *staged
	for i := range tx.writes {
		w := &tx.writes[i]
		if w.ID != id || w.Setting != nil {
			continue
		}
		if own == nil {
			own = new(staged)
			if base != nil {
				*own = *base
			}
		}
		own.put(*w)
	}
	if own != nil {
		return own
	}
	return base
}

// Identity returns the identity record of id, nil if there is none.
func (tx *Tx) Identity(id tvilling.Identity) (*state.Identity, error) {
	if s := tx.find(id); s != nil && s.identity {
		return s.Identity, nil
	}
	return tx.r.c.opt.Store.Identity(context.Background(), id)
}

// Twin returns the twin of id, nil if there is none.
func (tx *Tx) Twin(id tvilling.Identity) (*state.Twin, error) {
	if s := tx.find(id); s != nil && s.twin {
		return s.Twin, nil
	}
	t, err := tx.r.c.opt.Store.Twin(context.Background(), id)
	if t != nil && tx.r.c.opt.Follow != nil {
		tx.r.before[id] = t
	}
	return t, err
}

// Session returns the kept session of id, nil if there is none.
func (tx *Tx) Session(id tvilling.Identity) (*state.Session, error) {
	if s := tx.find(id); s != nil && s.session {
		return s.Session, nil
	}
	return tx.r.c.opt.Store.Session(context.Background(), id)
}

// Setting returns the value of a setting, nil if it is not set.
func (tx *Tx) Setting(name string) ([]byte, error) {
	for _, w := range slices.Backward(tx.writes) {
		if w.Setting != nil && w.Setting.Name == name {
			return w.Setting.Value, nil
		}
	}
	if v, ok := tx.r.settings[name]; ok {
		return v, nil
	}
	return tx.r.c.opt.Store.Setting(context.Background(), name)
}

// Modules returns the identity records of a device's modules, ascending by id.
// Whether their twins are damaged does not matter.
func (tx *Tx) Modules(device tvilling.DeviceID) ([]*state.Identity, error) {
	found := make(map[tvilling.Identity]*state.Identity)
	for e, err := range tx.r.c.opt.Store.Scan(context.Background(), state.Range{Kind: state.Modules, Device: device}) {
		if err != nil && e.Identity == nil {
			return nil, err
		}
		found[e.Identity.ID] = e.Identity
	}
	overlay := func(id tvilling.Identity) {
		if id.Device != device || !id.IsModule() {
			return
		}
		if s := tx.find(id); s != nil && s.identity {
			if s.Identity == nil {
				delete(found, id)
			} else {
				found[id] = s.Identity
			}
		}
	}
	for id := range tx.r.staged {
		overlay(id)
	}
	for i := range tx.writes {
		overlay(tx.writes[i].ID)
	}
	list := make([]*state.Identity, 0, len(found))
	for _, rec := range found {
		list = append(list, rec)
	}
	slices.SortFunc(list, func(a, b *state.Identity) int { return a.ID.Compare(b.ID) })
	return list, nil
}

// PutIdentity stages an identity record.
func (tx *Tx) PutIdentity(rec *state.Identity) {
	tx.writes = append(tx.writes, state.Write{ID: rec.ID, Identity: rec})
}

// PutTwin stages a twin.
func (tx *Tx) PutTwin(rec *state.Twin) {
	tx.writes = append(tx.writes, state.Write{ID: rec.ID, Twin: rec})
}

// PutSession stages a kept session.
func (tx *Tx) PutSession(rec *state.Session) {
	tx.writes = append(tx.writes, state.Write{ID: rec.ID, Session: rec})
}

// PutSetting stages a setting; a nil value removes it.
func (tx *Tx) PutSetting(name string, value []byte) {
	tx.writes = append(tx.writes, state.Write{Setting: &state.Setting{Name: name, Value: value}})
}

// Delete stages the removal of an identity with its twin and session.
func (tx *Tx) Delete(id tvilling.Identity) {
	tx.writes = append(tx.writes, state.Write{ID: id, Delete: true})
}

// Count adds to the registry's statistics.
func (tx *Tx) Count(devices, disabled, modules int64) {
	tx.counters.Devices += devices
	tx.counters.DisabledDevices += disabled
	tx.counters.Modules += modules
}

// Record adds an entry to the journal; the committer fills in sequence and time.
func (tx *Tx) Record(c state.Change) { tx.changes = append(tx.changes, c) }

// Effect sets f to run once the change is durable, in order with the effects
// of all other changes, before its done. f must not block.
func (tx *Tx) Effect(f func()) { tx.effects = append(tx.effects, f) }
