package hubapi

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
)

// restore is POST /tvilling/devices/{device}/modules/{module}/restore: makes
// the security module again that was deleted on purpose. The answer is the
// module.
func (h *Handler) restore(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	if !h.security(string(id.Module)) {
		return tvilling.Errorf(tvilling.InvalidArgument, "Only the module %s can be restored; create others by PUT.", h.SecurityModule)
	}
	v, err := h.Registry.Restore(c.Context(), id.Device, c.Who.Actor())
	if err != nil {
		return err
	}
	return h.identity(c, v)
}

// regenerate is POST /tvilling/devices/{device}[/modules/{module}]/regenerate?key=…:
// gives an identity a new primary or secondary key, or swaps the two. The
// answer is the identity.
func (h *Handler) regenerate(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	which, err := key(c)
	if err != nil {
		return err
	}
	v, err := h.Registry.Regenerate(c.Context(), id, which, c.Who.Actor())
	if err != nil {
		return err
	}
	return h.identity(c, v)
}

// key reads which key is to be made anew.
func key(c *rest.Call) (string, error) {
	switch which := c.Query.Get("key"); which {
	case "primary", "secondary", "swap":
		return which, nil
	default:
		return "", &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read query string", Path: "key", Message: `The key is "primary", "secondary" or "swap".`}
	}
}
