package index

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// buildRows is how many rows the build adds before it lets others write.
const buildRows = 32

// Build fills the index from a scan of the store, while changes are told. The
// index is ready for devices, and for modules, once it has all of them.
// Sessions, of which it asks one by one, come last: until then it is not sure
// of the last activity.
//
// scan must yield every identity of a kind that there is when it begins, and
// sessions return the kept session of one, nil if there is none. An error of
// code Corrupt makes a row of which nothing is known; any other ends the build,
// which may then be begun again.
func (x *Index) Build(ctx context.Context, scan func(ctx context.Context, kind state.Kind) iter.Seq2[state.Entry, error],
	sessions func(ctx context.Context, id tvilling.Identity) (*state.Session, error),
) error {
	begin := time.Now()
	x.hold(func() {
		x.filling = true
		x.unreadable.Store(0)
		if x.gone == nil {
			x.gone = make(map[tvilling.Identity]struct{})
		}
	})
	if err := x.buildKinds(ctx, scan); err != nil {
		return err
	}
	x.built.Store(int64(time.Since(begin)))
	x.hold(func() { x.filling, x.gone, x.whole = false, nil, true })
	return x.buildSessions(ctx, sessions)
}

// buildKinds adds devices and modules. One row is written at a time, but both
// are read at once.
func (x *Index) buildKinds(ctx context.Context, scan func(ctx context.Context, kind state.Kind) iter.Seq2[state.Entry, error]) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var both sync.WaitGroup
	for _, kind := range []state.Kind{state.Devices, state.Modules} {
		both.Go(func() {
			if err := x.buildKind(ctx, scan(ctx, kind)); err != nil {
				stop(err) // the first one is the reason, the other follows from it
				return
			}
			x.table(kind).ready.Store(true)
		})
	}
	both.Wait()
	return context.Cause(ctx)
}

// buildKind adds what a scan yields. The scan runs beside it.
func (x *Index) buildKind(ctx context.Context, entries iter.Seq2[state.Entry, error]) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	batches := make(chan []state.Entry, 4)
	failed := make(chan error, 1)
	go func() {
		defer close(batches)
		failed <- x.read(ctx, entries, batches)
	}()
	for batch := range batches {
		x.hold(func() {
			for i := range batch {
				x.scanned(&batch[i])
			}
		})
	}
	return <-failed
}

// read puts what a scan yields into batches.
func (x *Index) read(ctx context.Context, entries iter.Seq2[state.Entry, error], to chan<- []state.Entry) error {
	var batch []state.Entry
	give := func() bool {
		select {
		case to <- batch:
			batch = make([]state.Entry, 0, buildRows)
			return true
		case <-ctx.Done():
			return false
		}
	}
	for e, err := range entries {
		switch {
		case err != nil && tvilling.CodeOf(err) != tvilling.Corrupt:
			return err
		case e.ID == tvilling.Identity{}:
			x.unreadable.Add(1)
			continue
		}
		if batch = append(batch, e); len(batch) >= buildRows && !give() {
			return context.Cause(ctx)
		}
	}
	// A scan that ended because ctx is done has not seen all.
	if ctx.Err() != nil || !give() {
		return context.Cause(ctx)
	}
	return nil
}

// scanned takes an entry of the scan on, as far as no commit was faster.
func (x *Index) scanned(e *state.Entry) {
	id := e.ID
	if _, ok := x.gone[id]; ok {
		return
	}
	t := x.of(id)
	slot, found := x.find(id)
	if slot, found = x.row(t, id, slot, found); !found {
		return
	}
	b, i := t.block(slot), slot%blockRows
	var add parts
	switch {
	case b.parts[i]&hasIdentity != 0:
	case e.Identity != nil:
		x.identity(t, e.Identity)
		add |= hasIdentity
	default:
		x.damage(t, slot)
	}
	switch {
	case b.parts[i]&hasTwin != 0:
	case e.Twin != nil:
		x.twin(t, slot, nil, e.Twin)
		add |= hasTwin
	default:
		x.damage(t, slot)
	}
	x.write(t, slot, add)
}

// damage notes that a record of a row cannot be read.
func (x *Index) damage(t *table, slot uint32) {
	b, i := t.block(slot), int(slot%blockRows)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.parts[i]&isDamaged == 0 {
		b.parts[i] |= isDamaged
		b.damaged.put(i, true)
		b.hurt++
		t.damaged.Add(1)
	}
}

// buildSessions reads the sessions of the rows that have none yet.
func (x *Index) buildSessions(ctx context.Context, sessions func(ctx context.Context, id tvilling.Identity) (*state.Session, error)) error {
	for _, t := range []*table{&x.devices, &x.modules} {
		for n := range t.blocks() {
			for i := range blockRows {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err := x.buildSession(ctx, t, uint32(n*blockRows+i), sessions); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (x *Index) buildSession(ctx context.Context, t *table, slot uint32, sessions func(ctx context.Context, id tvilling.Identity) (*state.Session, error)) error {
	b, i := t.block(slot), int(slot%blockRows)
	missing := func() bool { return b.parts[i]&isKnown != 0 && b.cell(t.activity.number, i) == code(isUnknown) }
	var id tvilling.Identity
	asked := false
	func() {
		b.mu.RLock()
		defer b.mu.RUnlock()
		if asked = missing(); asked {
			id = x.id(t, b, i)
		}
	}()
	if !asked {
		return nil
	}
	rec, err := sessions(ctx, id)
	if err != nil && tvilling.CodeOf(err) != tvilling.Corrupt { // a damaged one tells nothing
		return err
	}
	x.hold(func() {
		if now, ok := x.find(id); ok && now == slot && missing() {
			x.session(t, rec)
			x.write(t, slot, 0)
		}
	})
	return nil
}
