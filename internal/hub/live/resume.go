package live

import (
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

const (
	// maxSince bounds the changes that are read to go on from a cursor, and
	// maxTouched the identities whose past is looked up: beyond either it costs
	// less to tell all rows anew.
	maxSince   = 1 << 18
	maxTouched = 4096
)

// since is what concerns a query of the changes after a cursor.
type since struct {
	// order has the identities as they were first touched.
	order []tvilling.Identity
	by    map[tvilling.Identity]*change
}

// change is what happened to one identity since a cursor.
type change struct {
	touched areas
	// created says that there was no such identity at the cursor.
	created bool
	// unsure says that the client may know a state that is newer than the cursor.
	unsure bool
}

// since reads what has changed from a position up to a sequence, or tells why
// that cannot be told.
func (l *Subscription) since(ctx context.Context, from position, to uint64) (*since, string, error) {
	s := &since{by: make(map[tvilling.Identity]*change)}
	next := from.told
	for c, err := range l.service.opt.Journal.Read(ctx, from.told, false) {
		next++
		switch {
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			return nil, "A change since the cursor is damaged in the journal.", nil
		case err != nil:
			return nil, "", err
		case c.Sequence != next:
			return nil, "What changed since the cursor is no longer kept.", nil
		}
		if c.Sequence > to {
			break
		}
		t := touchOf(&c)
		if !l.concerns(t) {
			continue
		}
		had := s.by[t.id]
		if had == nil {
			if len(s.order) == maxTouched {
				return nil, "More rows may have changed since the cursor than are looked up.", nil
			}
			had = &change{created: t.op == state.CreateDevice || t.op == state.CreateModule}
			s.by[t.id] = had
			s.order = append(s.order, t.id)
		}
		had.touched |= touchedBy(t.op)
		had.unsure = had.unsure || t.sequence <= from.seen
	}
	if ctx.Err() != nil {
		return nil, "", context.Cause(ctx)
	}
	if next < to {
		return nil, "What changed since the cursor is no longer kept.", nil
	}
	return s, "", nil
}

// goOn tells what is different from how it was at a position, or sets why that
// cannot be told. Until it has told all, the client's cursor stays where it was,
// but what the client knows may be as new as what is told.
func (l *Subscription) goOn(ctx context.Context, from position) error {
	// All rows are looked at first. Those that nothing touched up to here are as
	// the client has them.
	if err := l.load(ctx, func(tvilling.Identity) error { return nil }); err != nil {
		return err
	}
	// Connections are seen before the journal has them, by the client as well as here.
	if err := l.service.opt.Sessions.Settle(ctx); err != nil {
		return err
	}
	told := l.service.feed.head()
	touched, reason, err := l.since(ctx, from, told)
	if err != nil || reason != "" {
		l.anew = reason
		return err
	}
	l.at = from
	for _, id := range touched.order {
		is, hash, err := l.look(ctx, id)
		if err != nil {
			return err
		}
		row := l.row()
		was, err := l.was(ctx, id, touched.by[id], from)
		if err != nil {
			return err
		}
		if delete(l.members, id); is {
			l.members[id] = hash
		}
		l.at.seen = l.service.opt.Journal.Head()
		e := Event{ID: id, Cursor: l.cursor()}
		switch {
		case is && was.found && was.sure && was.hash == hash:
			continue
		case is && was.found && was.sure:
			e.Kind, e.Row = Changed, row
		case is:
			e.Kind, e.Row = Entered, row
		case !is && (was.found || !was.sure):
			e.Kind = Left
		default:
			continue
		}
		if err := l.emit(e); err != nil {
			return err
		}
	}
	l.at.told = told
	return nil
}

// past is what a client that stopped at a cursor knows of an identity.
type past struct {
	found bool
	hash  uint64
	// sure says that it knows just this.
	sure bool
}

// was returns how the query saw an identity at the cursor.
func (l *Subscription) was(ctx context.Context, id tvilling.Identity, c *change, from position) (past, error) {
	if c.created {
		return past{sure: !c.unsure}, nil
	}
	// A batch may have been told in part. What the client knows of it is in the
	// records that it left, which are as of its end.
	rec, t, known, err := l.records(ctx, id, from.seen)
	if err != nil {
		return past{}, err
	}
	if rec == nil || t == nil {
		return past{sure: known && !c.unsure}, nil
	}
	connected, _, _ := l.service.opt.Sessions.Live(id)
	p := l.seen(rec, t, connected)
	p.sure = !c.unsure
	if c.touched&connection != 0 && l.reads&connection != 0 {
		// Who is connected is known by the minute of the connection, before the
		// journal has it: either may have been told.
		if other := l.seen(rec, t, !connected); other.found != p.found || other.hash != p.hash {
			p = past{found: p.found || other.found, sure: p.sure && p.found == other.found}
		}
	}
	return p, nil
}

// seen returns what the query shows of records.
func (l *Subscription) seen(rec *state.Identity, t *state.Twin, connected bool) past {
	r := &pastRow{view: twin.View{Twin: t, Identity: rec, Connected: connected}, document: l.service.opt.Document}
	r.Twin = query.Twin{Identity: rec, Twin: t, Connected: connected}
	if !l.query.Match(r) {
		return past{}
	}
	return past{found: true, hash: l.show(r)}
}

// records returns the records of an identity as they were at a sequence; known
// is false when one of them is no longer kept.
func (l *Subscription) records(ctx context.Context, id tvilling.Identity, at uint64) (rec *state.Identity, t *state.Twin, known bool, err error) {
	for p, err := range l.service.opt.Store.History(ctx, id, at) {
		switch {
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			return nil, nil, false, nil
		case err != nil:
			return nil, nil, false, err
		case p.Change != nil:
			continue
		case p.Deleted:
			return nil, nil, true, nil
		}
		if rec == nil {
			rec = p.Identity
		}
		if t == nil {
			t = p.Twin
		}
		if rec != nil && t != nil {
			return rec, t, true, nil
		}
	}
	if ctx.Err() != nil {
		return nil, nil, false, context.Cause(ctx)
	}
	return nil, nil, false, nil
}

// pastRow is a twin as it was.
type pastRow struct {
	query.Twin
	view     twin.View
	document func(dst []byte, v twin.View) []byte
}

// AppendJSON appends the whole twin.
func (r *pastRow) AppendJSON(dst []byte) []byte { return r.document(dst, r.view) }
