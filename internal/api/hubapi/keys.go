package hubapi

import (
	"github.com/tvilling/tvilling"
)

// restore is POST /tvilling/devices/{device}/modules/{module}/restore: makes
// the security module again that was deleted on purpose. The answer is the
// module.
func (h *Handler) restore(c *call) error {
	id, err := c.identity()
	if err != nil {
		return err
	}
	if !h.security(string(id.Module)) {
		return tvilling.Errorf(tvilling.InvalidArgument, "Only the module %s can be restored; create others by PUT.", h.SecurityModule)
	}
	v, err := h.Registry.Restore(c.context(), id.Device, c.who.Actor())
	if err != nil {
		return err
	}
	return h.identity(c, v)
}

// regenerate is POST /tvilling/devices/{device}[/modules/{module}]/regenerate?key=…:
// gives an identity a new primary or secondary key, or swaps the two. The
// answer is the identity.
func (h *Handler) regenerate(c *call) error {
	id, err := c.identity()
	if err != nil {
		return err
	}
	which, err := c.key()
	if err != nil {
		return err
	}
	v, err := h.Registry.Regenerate(c.context(), id, which, c.who.Actor())
	if err != nil {
		return err
	}
	return h.identity(c, v)
}

// key reads which key is to be made anew.
func (c *call) key() (string, error) {
	switch which := c.query.Get("key"); which {
	case "primary", "secondary", "swap":
		return which, nil
	default:
		return "", &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read query string", Path: "key", Message: `The key is "primary", "secondary" or "swap".`}
	}
}
