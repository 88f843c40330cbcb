package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/tvilling/tvilling/bench/load"
)

// runFleetPatch measures what the index costs: the same patches with it and
// without, by turns, over the same store.
func runFleetPatch(ctx context.Context, b *bench) error {
	data, err := b.fleetData(ctx)
	if err != nil {
		return err
	}
	without := filepath.Join(b.dir, "without-index.toml")
	if err := os.WriteFile(without, []byte("[query]\nindex = false\n"), 0o600); err != nil {
		return err
	}
	const rounds = 3
	var with, none float64
	for range rounds {
		r, err := b.fleetPatches(ctx, data, true)
		if err != nil {
			return err
		}
		with += r / rounds
		if r, err = b.fleetPatches(ctx, data, false, "--config", without); err != nil {
			return err
		}
		none += r / rounds
	}
	b.figure(Figure{Metric: "patches with the index, mean of 3", Value: with, Unit: "/s"})
	b.figure(Figure{Metric: "patches without it, mean of 3", Value: none, Unit: "/s"})
	b.figure(Figure{Metric: "cost of the index", Value: 100 * (1 - with/none), Unit: "%", Reach: 15, Less: true})
	return nil
}

func (b *bench) fleetPatches(ctx context.Context, data string, indexed bool, args ...string) (rate float64, err error) {
	h, err := b.startHub(ctx, data, args...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	if indexed {
		if _, err := h.indexed(ctx, time.Now()); err != nil {
			return 0, err
		}
	}
	conns, err := b.dialFleet(ctx, h, b.scale.Connections, answersFilter)
	if err != nil {
		return 0, err
	}
	defer load.CloseAll(conns)
	r, err := load.Run(ctx, load.Plan{Conns: conns, InFlight: inFlight, Work: patches, Warm: b.scale.Warm, Measure: b.scale.Measure / 2})
	if err != nil {
		return 0, err
	}
	return r.Rate(), nil
}
