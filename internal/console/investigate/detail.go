package investigate

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
	"github.com/tvilling/tvilling/internal/security/wording"
)

// Bounds of what is shown of one event.
const (
	maxItems = 20
	maxJSON  = 64 << 10
)

// detail is one event with all that it has.
type detail struct {
	// Missing says that there is no such event any more.
	Missing  bool
	Position string
	Record   *event.Record
	Words    wording.Sentence
	Items    []item
	// More is how many items are not shown in fields.
	More int
	// JSON is the payload, indented; Cut how many bytes of it are left out.
	JSON string
	Cut  int
	// Close is the page without it, Around the page with all events of the
	// device around it, Tree and Connections what ran and who was spoken to.
	Close, Around, Tree, Connections, Device string
	// Trouble says why the items cannot be shown.
	Trouble error
}

// item is one of a payload, field by field.
type item struct{ Fields []field }

// field is a value with the ways to filter by it; "" where a condition would be
// too long.
type field struct {
	Name, Value string
	Only, Not   string
}

func cloneValues(v map[string][]string) url.Values {
	out := url.Values{}
	for name, list := range v {
		out[name] = slices.Clone(list)
	}
	return out
}

// open reads the event that is open beside a list; nil if none is.
func (a *area) open(ctx context.Context, place string, f filter) (*detail, error) {
	if place == "" {
		return nil, nil
	}
	p, err := readPosition("open", place)
	if err != nil {
		return nil, err
	}
	rec, err := a.at(ctx, p)
	if err != nil {
		return nil, err
	}
	d := &detail{Position: position(p), Close: address("investigate", f.values())}
	if rec == nil {
		d.Missing = true
		return d, nil
	}
	device := string(rec.From.Device)
	near := around(device, rec.Event.Time)
	d.Record, d.Device = rec, ui.URL("devices", device)
	d.Around, d.Tree, d.Connections = address("investigate", near), address("investigate/processes", near), address("investigate/connections", near)
	d.JSON, d.Cut = indented(rec.Event.Payload)
	items, err := investigate.Items(rec)
	if err != nil {
		d.Trouble = err
		return d, nil //nolint:nilerr // the page says so, and shows the rest
	}
	d.Words = wording.Event(&rec.Event, items)
	d.More = max(0, len(items)-maxItems)
	for _, it := range items[:min(len(items), maxItems)] {
		d.Items = append(d.Items, f.fields(it))
	}
	return d, nil
}

// fields are the members of an item that were sent.
func (f filter) fields(it event.Item) item {
	var out item
	add := func(name, value string) {
		x := field{Name: name, Value: value}
		if only := condition(name, "=", value); only != "" {
			x.Only = address("investigate", f.with(only))
			x.Not = address("investigate", f.with(condition(name, "!=", value)))
		}
		out.Fields = append(out.Fields, x)
	}
	for k := event.NoField + 1; k < event.Fields; k++ {
		if v, ok := it.Field(k); ok {
			add(k.String(), v.Text)
		}
	}
	for _, d := range it.Details() {
		add("ExtraDetails."+d.Name, d.Value)
	}
	return out
}

// indented is JSON with a line for each member, as long as there is room.
func indented(payload []byte) (text string, cut int) {
	text = ui.JSON(payload)
	if len(text) <= maxJSON {
		return text, 0
	}
	return strings.ToValidUTF8(text[:maxJSON], ""), len(text) - maxJSON
}

// Stated reports whether the time of the event is the hub's, since what the
// device said is not plausible.
func (d *detail) Stated() bool {
	e := &d.Record.Event
	return !e.Stated.IsZero() && e.Stated.Equal(e.Time)
}

// Delay is how long after it happened the hub was told.
func (d *detail) Delay() time.Duration { return d.Record.Received.Sub(d.Record.Event.Time) }

// Message is why the items cannot be shown.
func (d *detail) Message() string { return tvilling.MessageOf(d.Trouble) }
