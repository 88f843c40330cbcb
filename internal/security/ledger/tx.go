package ledger

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
)

// Tx is a transaction under way: it reads what the store has under what it
// has staged itself. It is valid until the function given to [Ledger.Do]
// returns, for one goroutine. Records it hands out are the transaction's own:
// they may be changed, and count once they are put.
type Tx struct {
	ctx   context.Context //nolint:containedctx // a transaction lives within one call of Do, and its context with it
	store Store
	now   time.Time

	alerts  map[string]*stagedAlert
	newest  map[Key]string
	advice  map[adviceKey]*stagedAdvice
	devices map[tvilling.DeviceID]*stagedDevice
	forget  map[tvilling.DeviceID]bool
	known   map[tvilling.Identity]Credential
	fresh   map[tvilling.DeviceID]int // new alerts

	steps   []Step
	feed    []staging
	cursors map[string]uint64
	values  map[string][]byte
}

// stagedAlert is an alert that was looked at or put, with what it was before.
type stagedAlert struct {
	now      *Alert
	open     bool // before the transaction
	severity Severity
	put      bool
	entries  int // in the feed
}

type adviceKey struct {
	device tvilling.DeviceID
	typ    string
}

type stagedAdvice struct {
	now      *Recommendation
	active   bool
	severity Severity
	put      bool
}

type stagedDevice struct {
	now *Device
	put bool
}

// staging is an entry of the feed whose body is not encoded yet.
type staging struct {
	Entry
	alert  *Alert
	advice *Recommendation
}

func newTx(ctx context.Context, store Store, now time.Time) *Tx {
	return &Tx{
		ctx: ctx, store: store, now: now,
		alerts:  make(map[string]*stagedAlert),
		newest:  make(map[Key]string),
		advice:  make(map[adviceKey]*stagedAdvice),
		devices: make(map[tvilling.DeviceID]*stagedDevice),
		forget:  make(map[tvilling.DeviceID]bool),
		known:   make(map[tvilling.Identity]Credential),
		fresh:   make(map[tvilling.DeviceID]int),
		cursors: make(map[string]uint64),
		values:  make(map[string][]byte),
	}
}

// Now is the time of the transaction.
func (tx *Tx) Now() time.Time { return tx.now }

// Context is the context that the transaction was begun with.
func (tx *Tx) Context() context.Context { return tx.ctx }

// unlessDamaged passes an error on, but for that of a damaged record: the store
// has counted and refused it, and a new one takes its place. One bad record must
// not keep the messages of all devices waiting.
func unlessDamaged(err error) error {
	if tvilling.CodeOf(err) == tvilling.Corrupt {
		return nil
	}
	return err
}

// Device returns what is remembered of a device; a new record if nothing is,
// or if what there was is damaged.
func (tx *Tx) Device(id tvilling.DeviceID) (*Device, error) {
	if s, ok := tx.devices[id]; ok {
		return s.now, nil
	}
	d := &Device{ID: id}
	if !tx.forget[id] {
		rec, err := tx.store.Device(tx.ctx, id)
		if err := unlessDamaged(err); err != nil {
			return nil, err
		}
		if rec != nil {
			*d = *rec
			d.Memory = maps.Clone(rec.Memory)
		}
	}
	tx.devices[id] = &stagedDevice{now: d}
	return d, nil
}

// PutDevice stages a record that Device gave out.
func (tx *Tx) PutDevice(d *Device) {
	if s, ok := tx.devices[d.ID]; ok {
		s.now, s.put = d, true
		return
	}
	tx.devices[d.ID] = &stagedDevice{now: d, put: true}
}

// Forget removes what is remembered of a device that was deleted, and its
// recommendations. Its open alerts are resolved; they stay in the record.
func (tx *Tx) Forget(id tvilling.DeviceID) error {
	f := AlertFilter{Device: id, Status: []Status{New, Acknowledged, InProgress}}
	for a, err := range tx.store.Alerts(tx.ctx, f, "") {
		if err != nil {
			return err
		}
		if _, err := tx.Alert(a.ID); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tx.alerts)) {
		if a := tx.alerts[name].now; a.Device == id && a.Status.Open() {
			from := a.Status
			a.Status, a.Reason = Resolved, "deviceDeleted"
			if err := tx.PutAlert(a, Step{Actor: "hub:registry", Action: "resolved", From: from, To: Resolved, Reason: a.Reason}); err != nil {
				return err
			}
		}
	}
	tx.forget[id] = true
	tx.devices[id] = &stagedDevice{now: &Device{ID: id}}
	for k := range tx.advice {
		if k.device == id {
			delete(tx.advice, k)
		}
	}
	return nil
}

// SetCursor notes how far a reader has come.
func (tx *Tx) SetCursor(name string, sequence uint64) { tx.cursors[name] = sequence }

// Cursor returns how far a reader has come; 0 at the start.
func (tx *Tx) Cursor(name string) (uint64, error) {
	if c, ok := tx.cursors[name]; ok {
		return c, nil
	}
	return tx.store.Cursor(tx.ctx, name)
}

// SetValue keeps a small setting; nil deletes it.
func (tx *Tx) SetValue(name string, value []byte) { tx.values[name] = value }

// Value returns a small setting; nil if there is none.
func (tx *Tx) Value(name string) ([]byte, error) {
	if v, ok := tx.values[name]; ok {
		return v, nil
	}
	return tx.store.Value(tx.ctx, name)
}

// batch returns what is staged; nil if nothing is.
func (tx *Tx) batch() (*Batch, error) {
	b := &Batch{Steps: tx.steps}
	if err := tx.count(); err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(tx.alerts)) {
		if s := tx.alerts[id]; s.put {
			b.Alerts = append(b.Alerts, s.now)
		}
	}
	for _, s := range tx.advice {
		if s.put {
			b.Recommendations = append(b.Recommendations, s.now)
		}
	}
	for _, s := range tx.devices {
		if s.put {
			b.Devices = append(b.Devices, s.now)
		}
	}
	b.Forget = slices.Sorted(maps.Keys(tx.forget))
	for _, c := range tx.known {
		b.Credentials = append(b.Credentials, c)
	}
	if len(tx.cursors) > 0 {
		b.Cursors = tx.cursors
	}
	if len(tx.values) > 0 {
		b.Values = tx.values
	}
	for _, e := range tx.feed {
		var err error
		if e.alert != nil {
			a := e.alert
			if e.Action == "folded" && len(a.Evidence) > 1 {
				// A storm's entries carry what is new, not all there was.
				short := *a
				short.Evidence = a.Evidence[len(a.Evidence)-1:]
				a = &short
			}
			e.Body, err = EncodeAlert(a)
		} else {
			e.Body, err = EncodeRecommendation(e.advice)
		}
		if err != nil {
			return nil, err
		}
		b.Feed = append(b.Feed, e.Entry)
	}
	if len(b.Alerts)+len(b.Recommendations)+len(b.Devices)+len(b.Forget)+len(b.Steps)+len(b.Feed)+len(b.Cursors)+len(b.Values)+len(b.Credentials) == 0 {
		return nil, nil //nolint:nilnil // nothing staged is not an error
	}
	return b, nil
}

// count brings the open and active counts of devices in line with what was
// staged of their alerts and recommendations.
func (tx *Tx) count() error {
	for _, s := range tx.alerts {
		a := s.now
		if open := a.Status.Open(); s.put && (open != s.open || open && a.Severity != s.severity) {
			if err := tx.shift(a.Device, func(d *Device) *[Severities]int32 { return &d.Alerts }, s.open, s.severity, open, a.Severity); err != nil {
				return err
			}
		}
	}
	for _, s := range tx.advice {
		r := s.now
		if active := r.State == Active; s.put && (active != s.active || active && r.Severity != s.severity) {
			if err := tx.shift(r.Device, func(d *Device) *[Severities]int32 { return &d.Recommendations }, s.active, s.severity, active, r.Severity); err != nil {
				return err
			}
		}
	}
	return nil
}

func (tx *Tx) shift(id tvilling.DeviceID, counts func(*Device) *[Severities]int32, was bool, before Severity, is bool, after Severity) error {
	if tx.forget[id] && !tx.devices[id].put {
		return nil // nobody counts for a device that is gone
	}
	d, err := tx.Device(id)
	if err != nil {
		return err
	}
	c := counts(d)
	if was {
		c[before] = max(0, c[before]-1)
	}
	if is {
		c[after]++
	}
	d.Posture = true
	tx.PutDevice(d)
	return nil
}
