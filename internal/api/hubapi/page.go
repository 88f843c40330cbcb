package hubapi

import (
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/registry"
)

// pageDevices is GET /tvilling/devices?after=&top=&prefix=: the devices in
// ascending order of their ids, a page at a time:
//
//	{"devices":[{…},…],"next":"the id to pass as after"}
//
// next is absent on the last page. The devices have the form of
// GET /devices/{device}.
func (h *Handler) pageDevices(c *rest.Call) error {
	top, err := top(c)
	if err != nil {
		return err
	}
	if top == 0 {
		top = registry.MaxList
	}
	prefix := c.Query.Get("prefix")
	list, more, err := h.page(c, tvilling.DeviceID(c.Query.Get("after")), prefix, top)
	if err != nil {
		return err
	}
	b := append(make([]byte, 0, 64+700*len(list)), `{"devices":[`...)
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = h.appendIdentity(b, v); err != nil {
			return err
		}
	}
	b = append(b, ']')
	if more {
		b = append(b, `,"next":`...)
		b = rest.AppendString(b, string(list[len(list)-1].ID.Device))
	}
	return c.JSON(append(b, '}'), "")
}

// page returns up to top devices whose ids begin with prefix, after one, and
// whether there are more.
func (h *Handler) page(c *rest.Call, after tvilling.DeviceID, prefix string, top int) ([]registry.View, bool, error) {
	list := make([]registry.View, 0, min(top, 128))
	if string(after) < prefix {
		// Ids are in bytewise order, so those with the prefix follow it; the
		// prefix itself may be the first.
		after = tvilling.DeviceID(prefix)
		v, err := h.Registry.Get(c.Context(), tvilling.Device(after))
		switch code := tvilling.CodeOf(err); code {
		case "":
			list = append(list, v)
		case tvilling.DeviceNotFound:
		default:
			return nil, false, err
		}
	}
	// One more than asked for tells whether there is a next page.
	rest, err := h.Registry.Page(c.Context(), after, min(top+1-len(list), registry.MaxList))
	if err := h.withoutDamage(c, err); err != nil {
		return nil, false, err
	}
	full := len(rest) == registry.MaxList // the service gives no more at once
	for i, v := range rest {
		if !strings.HasPrefix(string(v.ID.Device), prefix) {
			rest, full = rest[:i], false
			break
		}
	}
	list = append(list, rest...)
	if len(list) > top {
		return list[:top], true, nil
	}
	return list, full, nil
}
