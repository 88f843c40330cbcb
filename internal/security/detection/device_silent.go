package detection

import (
	"encoding/binary"
	"time"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

type deviceSilent struct{ info *detect.Info }

// DeviceSilent finds devices that once sent security messages and send none
// any more. Only time during which the hub was there to hear them counts:
// after each start every device has the whole interval anew. One silence is
// reported once.
func DeviceSilent() detect.Timed {
	return &deviceSilent{&detect.Info{
		ID: "device-silent", Type: "IoT_DeviceSilent", Title: "Device silent", Severity: ledger.Low,
		Description: "The device has sent no security message for a long time though it did before. Its agent may have been stopped, or the device may be off, cut off or gone.",
		Version:     "1", Source: detect.Builtin,
		Remediation: []string{
			"Check that the device has power and reaches the hub.",
			"Check that the security agent runs on it and can log in.",
			"If the device was taken out of service, delete or disable its identity.",
		},
		Techniques: []string{"T1562.001"}, Tactics: []string{"Defense Evasion"},
		FalsePositives: []string{"Devices that are switched off for days by design: raise the interval."},
		Parameters: []detect.Parameter{
			{Name: "interval", Description: "How long a device may be silent.", Unit: "seconds", Default: 72 * 3600, Min: 600, Max: 366 * 86400},
		},
	}}
}

func (d *deviceSilent) Info() *detect.Info { return d.info }

func (d *deviceSilent) Kinds() []event.Kind { return nil }

func (d *deviceSilent) Observe(detect.Scope, *event.Event, detect.Values) {}

const silentForm = 1

// Heard sees to it that a wake is set. One that is set already stays where it
// is, and Tick moves it: a device that speaks costs a write per interval, not
// one per message.
func (d *deviceSilent) Heard(s detect.Scope, p detect.Values) {
	now, due := s.Received(), s.Received().Add(seconds(p("interval")))
	r := open(s.Memory(), silentForm)
	if set := r.varint(); !r.bad && set > now.Unix() && set <= due.Unix() {
		return
	}
	d.wake(s, due)
}

func (d *deviceSilent) wake(s detect.Scope, at time.Time) {
	s.Remember(binary.AppendVarint([]byte{silentForm}, at.Unix()))
	s.Wake(at)
}

func (d *deviceSilent) Tick(s detect.Scope, now time.Time, p detect.Values) {
	heard, interval := s.LastSeen(), seconds(p("interval"))
	if heard.IsZero() { // never heard of: a device without an agent, not a silent one
		s.Remember(nil)
		return
	}
	from := heard
	if s.Started().After(from) {
		from = s.Started()
	}
	if from.After(now) {
		from = now // the hub's clock was set back
	}
	if now.Sub(from) < interval {
		d.wake(s, from.Add(interval))
		return
	}
	s.Remember(nil)
	s.Report(detect.Finding{
		Hits: 1, Time: now, Item: -1,
		Matched: []ledger.Match{{Field: "LastSeen", Value: heard.UTC().Format(time.RFC3339), Pattern: "no security message for " + interval.String()}},
	})
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }
