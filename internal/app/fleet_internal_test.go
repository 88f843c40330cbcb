package app

import (
	"context"
	"fmt"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/registry"
)

// TestCountableWithoutIndex: a fleet is counted by looking at all of it only as
// long as it is small.
func TestCountableWithoutIndex(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	a, err := New(ctx, Options{Data: t.TempDir(), MQTT: "127.0.0.1:0", HTTPS: []string{"127.0.0.1:0"}, Admin: "127.0.0.1:0", NoIndex: true})
	if err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- a.Run(ctx, Hooks{Ready: func() { close(ready) }}) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	<-ready
	for i := range 3 {
		spec := registry.Spec{ID: tvilling.Device(tvilling.DeviceID(fmt.Sprint("d", i)))}
		if _, err := a.registry.Put(ctx, spec, tvilling.Match{}, "policy:test"); err != nil {
			t.Fatal(err)
		}
	}
	q, err := query.Compile("SELECT COUNT() AS n FROM devices")
	if err != nil {
		t.Fatal(err)
	}
	page, err := countable{a, 3}.Run(ctx, q, query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if string(page.Body) != `[{"n":3}]` {
		t.Errorf("three devices: %s", page.Body)
	}
	if _, err := (countable{a, 2}).Run(ctx, q, query.Options{}); tvilling.CodeOf(err) != tvilling.Unsupported {
		t.Errorf("more than may be looked at: %v, want a refusal", err)
	}
}
