package hubapi

import (
	"errors"
	"log/slog"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/registry"
)

// getIdentity is GET /devices/{device} and GET /devices/{device}/modules/{module}.
func (h *Handler) getIdentity(c *call) error {
	id, err := c.identity()
	if err != nil {
		return err
	}
	v, err := h.Registry.Get(c.context(), id)
	if err != nil {
		return err
	}
	return h.identity(c, v)
}

// putIdentity is PUT of a device or a module: without If-Match it creates,
// with If-Match it updates (wire §4.2). An etag in the body counts for nothing.
func (h *Handler) putIdentity(c *call) error {
	id, err := c.identity()
	if err != nil {
		return err
	}
	b, err := c.body()
	if err != nil {
		return err
	}
	spec, err := parseIdentity(b, id)
	if err != nil {
		return err
	}
	v, err := h.Registry.Put(c.context(), spec, c.match(), c.who.Actor())
	if err != nil {
		return err
	}
	return h.identity(c, v)
}

// deleteIdentity is DELETE of a device, with all of its modules, or a module.
func (h *Handler) deleteIdentity(c *call) error {
	id, err := c.identity()
	if err != nil {
		return err
	}
	if err := h.Registry.Delete(c.context(), id, c.match(), c.who.Actor()); err != nil {
		return err
	}
	return c.nothing()
}

// listDevices is GET /devices[?top=N]. A top outside 1 to 1000 means 1000.
func (h *Handler) listDevices(c *call) error {
	top, err := c.top()
	if err != nil {
		return err
	}
	list, err := h.Registry.Devices(c.context(), top)
	if err := h.withoutDamage(c, err); err != nil {
		return err
	}
	return h.identities(c, list)
}

// withoutDamage lets a list go on without the identities that are damaged: the
// header tells how many they are, and the log which.
func (h *Handler) withoutDamage(c *call, err error) error {
	damage, ok := errors.AsType[registry.Damage](err)
	if !ok {
		return err
	}
	c.w.Header().Set(DamagedHeader, strconv.Itoa(len(damage)))
	for _, err := range damage {
		c.log(h.logger, slog.LevelError, "damaged identity left out of a list", errorAttr(err))
	}
	return nil
}

// top reads the query string's top; 0 when there is none or it is out of range.
func (c *call) top() (int, error) {
	s := c.query.Get("top")
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
func (h *Handler) listModules(c *call) error {
	id, err := c.device()
	if err != nil {
		return err
	}
	list, err := h.Registry.Modules(c.context(), id.Device)
	if err := h.withoutDamage(c, err); err != nil {
		return err
	}
	return h.identities(c, list)
}
