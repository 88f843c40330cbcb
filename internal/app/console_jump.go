package app

import (
	"context"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/jump"
)

// jumps are what the jump field of all pages looks things up in.
func (a *App) jumps() jump.Options {
	return jump.Options{
		Devices: a.beginning,
		Alert: func(ctx context.Context, id string) (bool, error) {
			_, err := a.plane.store.Alert(ctx, id)
			if tvilling.CodeOf(err) == tvilling.NotFound {
				return false, nil
			}
			return err == nil, err
		},
	}
}

// beginning returns the first devices whose ids begin with a text. They follow
// it in the order of the registry.
func (a *App) beginning(ctx context.Context, prefix string, most int) ([]tvilling.DeviceID, error) {
	var found []tvilling.DeviceID
	id := tvilling.Device(tvilling.DeviceID(prefix))
	if id.Check() != nil {
		return nil, nil //nolint:nilerr // no id begins so
	}
	switch _, err := a.registry.Get(ctx, id); tvilling.CodeOf(err) {
	case "":
		found = append(found, id.Device)
	case tvilling.DeviceNotFound:
	default:
		return nil, err
	}
	page, err := a.registry.Page(ctx, id.Device, most-len(found))
	if err != nil {
		return nil, err
	}
	for _, v := range page {
		if !strings.HasPrefix(string(v.ID.Device), prefix) {
			break
		}
		found = append(found, v.ID.Device)
	}
	return found, nil
}
