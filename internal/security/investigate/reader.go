package investigate

import (
	"context"
	"iter"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// Events yields stored events. An error of code Corrupt stands for events that
// are damaged in the store, and others may follow; any other is the end.
type Events func(ctx context.Context, q event.Query) iter.Seq2[*event.Record, error]

// Reader asks a store of events. It is safe for concurrent use.
type Reader struct {
	events Events
}

// NewReader returns a reader.
func NewReader(events Events) *Reader { return &Reader{events: events} }

// Found is an event with those of its items that were asked for.
type Found struct {
	*event.Record
	// Items are those of the payload; none if nobody needed them read.
	Items []event.Item
	// Hit are the places of the items that meet all conditions; nil without
	// conditions, when all do.
	Hit []int
}

// Find yields the events of a query of which at least one item meets all
// conditions. Events of names that this version does not know have no members
// that conditions could speak of: they are found without conditions only.
func (r *Reader) Find(ctx context.Context, q event.Query, w Where) iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		for rec, err := range r.events(ctx, q) {
			if err != nil {
				if !yield(Found{}, err) {
					return
				}
				continue
			}
			f, ok, err := look(rec, w)
			if err != nil {
				if !yield(Found{}, err) {
					return
				}
				continue
			}
			if ok && !yield(f, nil) {
				return
			}
		}
	}
}

// look reads the items of an event if there are conditions on them.
func look(rec *event.Record, w Where) (Found, bool, error) {
	f := Found{Record: rec}
	if len(w) == 0 {
		return f, true, nil
	}
	var err error
	if f.Items, err = Items(rec); err != nil {
		return f, false, err
	}
	for i, it := range f.Items {
		if w.Holds(it) {
			f.Hit = append(f.Hit, i)
		}
	}
	return f, len(f.Hit) > 0, nil
}

// Items decodes the payload of a stored event.
func Items(rec *event.Record) ([]event.Item, error) {
	if len(rec.Event.Payload) == 0 {
		return nil, nil
	}
	items, err := schema.Items(rec.Event.Kind, rec.Event.Payload)
	if err != nil {
		// It was read when it came, so this is a fault of the store or ours.
		return nil, &tvilling.Error{Code: tvilling.Corrupt, Op: "read stored event", Subject: rec.Event.ID, Message: "The payload of a stored event cannot be read.", Err: err}
	}
	return items, nil
}

// Page is a part of what was found.
type Page struct {
	Events []Found
	// Next is the position to go on from; nil at the end.
	Next *event.Position
	// Damaged counts what could not be read and was left out.
	Damaged int
}

// PageBytes is how much of payloads a page holds before it ends early.
const PageBytes = 4 << 20

// Page returns up to top events. It ends early when it holds [PageBytes] of
// payloads and, perhaps with no event, when enough says so: that is asked
// after every event that was looked at.
func (r *Reader) Page(ctx context.Context, q event.Query, w Where, top int, enough func() bool) (Page, error) {
	var p Page
	size := 0
	for rec, err := range r.events(ctx, q) {
		if err != nil {
			if tvilling.CodeOf(err) != tvilling.Corrupt {
				return Page{}, err
			}
			p.Damaged++
			continue
		}
		if len(p.Events) == top {
			p.Next = &p.Events[top-1].Position
			return p, nil
		}
		f, ok, err := look(rec, w)
		switch {
		case err != nil:
			p.Damaged++
		case ok:
			p.Events = append(p.Events, f)
			size += len(rec.Event.Payload)
		}
		if size >= PageBytes || enough() {
			p.Next = new(rec.Position)
			return p, nil
		}
	}
	return p, ctx.Err()
}
