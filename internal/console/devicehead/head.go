// Package devicehead is the head that all pages of one device have: who it is,
// how it stands, whether it is there, and the ways to its other pages. The
// template "devicehead" of package ui draws it.
package devicehead

import (
	"context"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/posture"
)

// Services tell of a device.
type Services struct {
	// Identity returns an identity with its live state.
	Identity func(ctx context.Context, id tvilling.Identity) (registry.View, error)
	// Record returns what the security plane knows of a device, nil for nothing.
	Record func(ctx context.Context, d tvilling.DeviceID) (*ledger.Device, error)
	// Input is what a posture is judged by besides the record.
	Input func() posture.Input
	// Connection returns transport and address of who is connected.
	Connection func(id tvilling.Identity) (transport, remote string)
}

// Head is a device as the head of its pages shows it.
type Head struct {
	// Tab is the page that is shown, as in [Tabs].
	Tab    string
	Device tvilling.DeviceID
	View   registry.View
	// Module is the security module, nil if the device keeps none.
	Module  *registry.View
	Posture posture.Posture
	Record  ledger.Device
	// Transport and Remote are those of the newest connection: the device's, or
	// else that of its security module.
	Transport, Remote string
}

// Tab is one of the pages of a device.
type Tab struct {
	Name, Text, Href string
	Count            int64
}

// Load reads the head of a device; DeviceNotFound if there is none.
func Load(ctx context.Context, s Services, d tvilling.DeviceID) (Head, error) {
	h := Head{Device: d}
	var err error
	if h.View, err = s.Identity(ctx, tvilling.Device(d)); err != nil {
		return h, err
	}
	module := tvilling.Identity{Device: d, Module: tvilling.SecurityModule}
	switch v, err := s.Identity(ctx, module); {
	case err == nil:
		h.Module = &v
	case tvilling.CodeOf(err) != tvilling.ModuleNotFound:
		return h, err
	}
	record, err := s.Record(ctx, d)
	if err != nil {
		return h, err
	}
	if record == nil {
		record = &ledger.Device{ID: d}
	}
	h.Record, h.Posture = *record, posture.Of(record, s.Input())
	from := tvilling.Device(d)
	if !h.View.Connected && h.ModuleConnected() {
		from = module
	}
	h.Transport, h.Remote = s.Connection(from)
	h.Transport = strings.ToUpper(h.Transport)
	return h, nil
}

// At returns the head of the page of a tab.
func (h Head) At(tab string) Head {
	h.Tab = tab
	return h
}

// Tabs are the pages of a device.
func (h Head) Tabs() []Tab {
	list := []Tab{
		{Name: "summary", Text: "Summary"},
		{Name: "timeline", Text: "Timeline"},
		{Name: "alerts", Text: "Alerts", Count: total(h.Record.Alerts)},
		{Name: "recommendations", Text: "Recommendations", Count: total(h.Record.Recommendations)},
		{Name: "twin", Text: "Device twin"},
		{Name: "modules", Text: "Security twin"},
		{Name: "agent", Text: "Agent"},
		{Name: "identity", Text: "Identity"},
	}
	for i := range list {
		t := &list[i]
		switch t.Name {
		case "summary":
			t.Href = ui.URL("devices", h.Device)
		case "modules":
			t.Href = ui.URL("devices", h.Device, "modules", tvilling.SecurityModule, "twin")
		default:
			t.Href = ui.URL("devices", h.Device, t.Name)
		}
	}
	return list
}

func total(n [ledger.Severities]int32) (sum int64) {
	for _, k := range n {
		sum += int64(k)
	}
	return sum
}

// State is the state of the posture, in a word.
func (h Head) State() string { return string(h.Posture.State) }

// Score is the score of the posture.
func (h Head) Score() *int { return &h.Posture.Score }

// ModuleConnected reports whether the security module has a connection of its
// own.
func (h Head) ModuleConnected() bool { return h.Module != nil && h.Module.Connected }

// Connected reports whether the device or its security module is connected.
func (h Head) Connected() bool { return h.View.Connected || h.ModuleConnected() }

// Since is when the connection came, or went; zero if there never was one.
func (h Head) Since() time.Time {
	switch {
	case h.View.Connected || h.Module == nil:
		return h.View.StateUpdated
	case h.Module.Connected || h.Module.StateUpdated.After(h.View.StateUpdated):
		return h.Module.StateUpdated
	default:
		return h.View.StateUpdated
	}
}

// Activity is when the device or its security module was last heard of.
func (h Head) Activity() time.Time {
	t := h.View.LastActivity
	if h.Module != nil && h.Module.LastActivity.After(t) {
		t = h.Module.LastActivity
	}
	if h.Record.LastSeen.After(t) {
		t = h.Record.LastSeen
	}
	return t
}

// Disabled reports whether the hub refuses the device.
func (h Head) Disabled() bool { return h.View.Disabled }
