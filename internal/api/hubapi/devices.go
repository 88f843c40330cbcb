package hubapi

import (
	"errors"
	"log/slog"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/registry"
)

// getIdentity is GET /devices/{device} and GET /devices/{device}/modules/{module}.
func (h *Handler) getIdentity(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	v, err := h.Registry.Get(c.Context(), id)
	if err != nil {
		return err
	}
	return h.identity(c, v)
}

// putIdentity is PUT of a device or a module: without If-Match it creates,
// with If-Match it updates (wire §4.2). An etag in the body counts for nothing.
func (h *Handler) putIdentity(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	b, err := c.Body()
	if err != nil {
		return err
	}
	spec, err := parseIdentity(b, id)
	if err != nil {
		return err
	}
	v, err := h.Registry.Put(c.Context(), spec, c.Match(), c.Who.Actor())
	if err != nil {
		return err
	}
	return h.identity(c, v)
}

// deleteIdentity is DELETE of a device, with all of its modules, or a module.
func (h *Handler) deleteIdentity(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	if err := h.Registry.Delete(c.Context(), id, c.Match(), c.Who.Actor()); err != nil {
		return err
	}
	return c.Nothing()
}

// listDevices is GET /devices[?top=N]. A top outside 1 to 1000 means 1000.
func (h *Handler) listDevices(c *rest.Call) error {
	top, err := top(c)
	if err != nil {
		return err
	}
	list, err := h.Registry.Devices(c.Context(), top)
	if err := h.withoutDamage(c, err); err != nil {
		return err
	}
	return h.identities(c, list)
}

// withoutDamage lets a list go on without the identities that are damaged: the
// header tells how many they are, and the log which.
func (h *Handler) withoutDamage(c *rest.Call, err error) error {
	damage, ok := errors.AsType[registry.Damage](err)
	if !ok {
		return err
	}
	c.W.Header().Set(DamagedHeader, strconv.Itoa(len(damage)))
	for _, err := range damage {
		c.Log(slog.LevelError, "damaged identity left out of a list", rest.ErrorAttr(err))
	}
	return nil
}

// top reads the query string's top; 0 when there is none or it is out of range.
func top(c *rest.Call) (int, error) {
	s := c.Query.Get("top")
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read query string", Path: "top", Message: "The value must be a whole number."}
	}
	if n < 1 || n > registry.MaxList {
		return 0, nil
	}
	return int(n), nil
}

// listModules is GET /devices/{device}/modules.
func (h *Handler) listModules(c *rest.Call) error {
	id, err := c.Device()
	if err != nil {
		return err
	}
	list, err := h.Registry.Modules(c.Context(), id.Device)
	if err := h.withoutDamage(c, err); err != nil {
		return err
	}
	return h.identities(c, list)
}
