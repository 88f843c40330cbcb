package app

import (
	"context"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/alerts"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

// alertPages are what the pages of alerts work with.
func (a *App) alertPages() alerts.Options {
	return alerts.Options{
		Ledger: a.plane.store, Alerts: a.plane.alerts, Events: investigate.NewReader(a.plane.events.Events),
		Detections: a.alertTypes, Registered: a.registered, Changed: a.plane.ledger.Changed,
	}
}

// alertTypes lists the types of alerts that detections raise, by their titles.
func (a *App) alertTypes() []alerts.Detection {
	var list []alerts.Detection
	for _, d := range a.plane.engine.List() {
		if d.Type != "" && !slices.ContainsFunc(list, func(o alerts.Detection) bool { return o.Type == d.Type }) {
			list = append(list, alerts.Detection{Type: d.Type, Title: d.Title})
		}
	}
	slices.SortFunc(list, func(x, y alerts.Detection) int { return strings.Compare(x.Title, y.Title) })
	return list
}

// registered reports whether a device is there.
func (a *App) registered(ctx context.Context, d tvilling.DeviceID) (bool, error) {
	_, err := a.registry.Get(ctx, tvilling.Device(d))
	if tvilling.CodeOf(err) == tvilling.DeviceNotFound {
		return false, nil
	}
	return err == nil, err
}
