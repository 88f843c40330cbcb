package hubapi

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

// DamagedHeader tells how many twins a page leaves out because their stored
// bytes are damaged.
const DamagedHeader = "Tvilling-Damaged"

type queryBody struct {
	Query *string `json:"query"`
}

// query is POST /devices/query (wire §7.1).
func (h *Handler) query(c *rest.Call) error {
	b, err := c.Object()
	if err != nil {
		return err
	}
	var in queryBody
	if err := rest.Decode(b, &in); err != nil {
		return err
	}
	if in.Query == nil {
		return rest.BadMember("query", "The body needs the text of a query, as {\"query\":\"SELECT * FROM devices\"}.")
	}
	q, err := query.Compile(*in.Query)
	if err != nil {
		return err
	}
	size, err := pageSize(c)
	if err != nil {
		return err
	}
	done, err := h.admit(c.Context(), q)
	if err != nil {
		return err
	}
	defer done()
	damaged, begin := 0, time.Now()
	page, err := q.Run(c.Context(), h.rows(c.Context(), q), query.Options{
		Size: size, Continuation: c.R.Header.Get("x-ms-continuation"),
		// A page is given out short, even empty, when its time is over: whoever
		// follows the continuation gets every row, and no request holds the
		// store for long.
		Enough: func(int) bool { return time.Since(begin) > h.QueryTime },
		Damaged: func(err error) {
			damaged++
			c.Log(slog.LevelError, "damaged twin left out of a query", rest.ErrorAttr(err))
		},
	})
	if err != nil {
		return err
	}
	if page.Scanned > 0 {
		c.Note(slog.Int("rows_examined", page.Scanned))
	}
	header := c.W.Header()
	if damaged > 0 {
		header.Set(DamagedHeader, strconv.Itoa(damaged))
	}
	// C# parses the type by case; Node takes any x-ms-continuation, even an
	// empty one, for another page (wire §0.7).
	header.Set("x-ms-item-type", itemType(q))
	if page.Next != "" {
		header.Set("x-ms-continuation", page.Next)
	}
	return c.JSON(page.Body, "")
}

// admit waits for one of the places of queries that look through all twins. A
// query for one device needs none.
func (h *Handler) admit(ctx context.Context, q *query.Query) (done func(), err error) {
	if _, ok := q.EqualityOn("deviceId"); ok {
		return func() {}, nil
	}
	select {
	case h.scans <- struct{}{}:
		return func() { <-h.scans }, nil
	case <-ctx.Done():
		return nil, tvilling.Errorf(tvilling.Throttled, "The hub runs %d other queries over all twins; try again, or name a deviceId.", h.Scans)
	}
}

func itemType(q *query.Query) string {
	if q.Star() {
		return "Twin"
	}
	return "Raw"
}

// pageSize reads x-ms-max-item-count; 0 stands for the largest page.
func pageSize(c *rest.Call) (int, error) {
	s := c.R.Header.Get("x-ms-max-item-count")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read header", Path: "x-ms-max-item-count", Message: "The value must be a whole number."}
	}
	return n, nil
}

// rows yields the twins a query may find. A query for one device reads that
// device alone.
func (h *Handler) rows(ctx context.Context, q *query.Query) query.Rows {
	return func(after tvilling.Identity) iter.Seq2[query.Row, error] {
		views := h.Twins.All(ctx, q.Kind(), after)
		if device, ok := q.EqualityOn("deviceId"); ok {
			views = h.twinsOf(ctx, q, tvilling.DeviceID(device), after)
		}
		return func(yield func(query.Row, error) bool) {
			r := &row{}
			for v, err := range views {
				if err != nil {
					if !yield(nil, err) {
						return
					}
					continue
				}
				r.set(v)
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

// twinsOf yields the twin of one device, or of its modules, or of one of them.
func (h *Handler) twinsOf(ctx context.Context, q *query.Query, device tvilling.DeviceID, after tvilling.Identity) iter.Seq2[twin.View, error] {
	return func(yield func(twin.View, error) bool) {
		ids, err := h.candidates(ctx, q, device)
		damage, ok := errors.AsType[registry.Damage](err)
		if err != nil && !ok {
			yield(twin.View{}, err)
			return
		}
		for _, err := range damage {
			if !yield(twin.View{}, err) {
				return
			}
		}
		for _, id := range ids {
			if id.Compare(after) <= 0 {
				continue
			}
			v, err := h.Twins.Get(ctx, id)
			if code := tvilling.CodeOf(err); code == tvilling.DeviceNotFound || code == tvilling.ModuleNotFound {
				continue
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

// canBe reports whether an identity of that name could be registered.
func canBe(id tvilling.Identity) bool { return id.Check() == nil }

func (h *Handler) candidates(ctx context.Context, q *query.Query, device tvilling.DeviceID) ([]tvilling.Identity, error) {
	if !canBe(tvilling.Device(device)) {
		return nil, nil
	}
	if q.Kind() != state.Modules {
		return []tvilling.Identity{tvilling.Device(device)}, nil
	}
	if module, ok := q.EqualityOn("moduleId"); ok {
		id := tvilling.Identity{Device: device, Module: tvilling.ModuleID(module)}
		if module == "" || !canBe(id) {
			return nil, nil
		}
		return []tvilling.Identity{id}, nil
	}
	list, err := h.Registry.Modules(ctx, device)
	if tvilling.CodeOf(err) == tvilling.DeviceNotFound {
		return nil, nil
	}
	ids := make([]tvilling.Identity, len(list))
	for i, v := range list {
		ids[i] = v.ID
	}
	return ids, err
}
