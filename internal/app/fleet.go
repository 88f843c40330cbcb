package app

import (
	"context"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/hub/message"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/security/fleet"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

// openFleet makes what keeps the figures of the fleet.
func (a *App) openFleet(ctx context.Context) (err error) {
	a.fleet, err = fleet.New(ctx, fleet.Options{
		Ledger: a.plane.ledger, Search: countable{a, scannable},
		Registered: func(ctx context.Context) (int64, error) {
			c, err := a.store.Counters(ctx)
			return c.Devices, err
		},
		Counters:   a.counters,
		Silence:    func() time.Duration { return a.plane.posture.Input().Silence },
		AlertTitle: a.alertTitle, RecommendationTitle: recommendationTitle,
		Logger: a.log.With("component", "fleet"),
	})
	return err
}

// scannable is how many devices a hub may have for figures to be counted without
// the index, by looking at all twins every few seconds.
const scannable = 20_000

// countable answers the queries of the fleet's figures where that is cheap: from
// the index, or over a small fleet.
type countable struct {
	app *App
	// scan is how many devices may be looked at one by one.
	scan int64
}

// Run returns a page of a query.
func (c countable) Run(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error) {
	a := c.app
	if a.opt.NoIndex || !a.index.Ready(state.All) {
		n, err := a.store.Counters(ctx)
		switch {
		case err != nil:
			return nil, err
		case n.Devices <= c.scan:
		case a.opt.NoIndex:
			return nil, tvilling.Errorf(tvilling.Unsupported, "This hub has no index over its twins (index = false in its configuration), so that %d devices are not counted.", n.Devices)
		default:
			return nil, tvilling.Errorf(tvilling.Unavailable, "The hub is still reading its %d devices into the index; this is counted once it has.", n.Devices)
		}
	}
	return a.search.Run(ctx, q, o)
}

// counters are what the hub has counted since its start.
func (a *App) counters() fleet.Counters {
	s := &a.plane
	telemetry, telemetryRefused := a.messages.Counts(message.Telemetry)
	messages, securityRefused := a.messages.Counts(message.Security)
	in, events, refusals, p := s.intake.Stats(), s.events.Stats(), s.watch.Stats(), s.follow.Progress()
	c := fleet.Counters{
		Messages: telemetry + messages, Events: in.Events, Refused: map[string]int64{},
		Shed: map[string]int64{
			"messages refused for want of room": telemetryRefused + securityRefused,
			"dead letters counted and not kept": events.DeadLettersShed,
			"refusals counted and not told of":  refusals.Shed + refusals.Lost,
			"memories of detections dropped":    s.engine.Shed(),
		},
		DeadLetters: events.Letters, ChangesBehind: int64(p.Head - min(p.Head, p.Cursor)),
	}
	if head := (securityLog{a.messages}).Head(); head > in.Cursor {
		c.Behind = int64(head - in.Cursor)
	}
	for r := mqtt.RefusedTLS; r <= mqtt.RefusedUnavailable; r++ {
		c.Refused[r.String()] = a.gateway.Stats().Refused(r)
	}
	for _, r := range s.sinks {
		c.Shed["entries of the feed that sinks have missed"] += r.Status().Missed
	}
	return c
}

// alertTitle says a type of alert in words: as the detection that raises it is
// called.
func (a *App) alertTitle(typ string) string {
	for _, v := range a.plane.engine.List() {
		if v.Type == typ {
			return v.Title
		}
	}
	return typ
}

func recommendationTitle(typ string) string {
	if i, ok := recommend.Lookup(typ); ok {
		return i.Title
	}
	return typ
}
