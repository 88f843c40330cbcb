package devices

import (
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/registry"
)

// able enables or disables an identity, and leaves all else of it as it is. With
// no condition it is a change of the identity as it was read.
func able(ctx context.Context, r Registry, id tvilling.Identity, disable bool, reason string, match tvilling.Match, actor string) error {
	v, err := r.Get(ctx, id)
	if err != nil {
		return err
	}
	if !match.Given {
		match = tvilling.ParseMatch(string(v.ETag()))
	}
	_, err = r.Put(ctx, registry.Spec{
		ID: id, Disabled: disable, StatusReason: reason,
		Edge: v.Edge, DeviceScope: v.DeviceScope, ParentScopes: v.ParentScopes, ManagedBy: v.ManagedBy,
	}, match, actor)
	return err
}
