package ledger

import (
	"bytes"
	"slices"

	"github.com/tvilling/tvilling"
)

// Alert returns an alert; nil if there is none of that id.
func (tx *Tx) Alert(id string) (*Alert, error) {
	if s, ok := tx.alerts[id]; ok {
		return s.now, nil
	}
	a, err := tx.store.Alert(tx.ctx, id)
	if a == nil || err != nil {
		return nil, err
	}
	return tx.keep(a), nil
}

// keep makes the transaction's own copy of an alert of the store.
func (tx *Tx) keep(a *Alert) *Alert {
	own := *a
	own.Evidence = slices.Clone(a.Evidence)
	tx.alerts[a.ID] = &stagedAlert{now: &own, open: a.Status.Open(), severity: a.Severity}
	return &own
}

// Newest returns the newest alert of a key; nil if there never was one, or if
// it is damaged.
func (tx *Tx) Newest(k Key) (*Alert, error) {
	if id, ok := tx.newest[k]; ok {
		if id == "" {
			return nil, nil //nolint:nilnil // none is not an error
		}
		return tx.Alert(id)
	}
	a, err := tx.store.Newest(tx.ctx, k)
	if err := unlessDamaged(err); err != nil {
		return nil, err
	}
	if a == nil {
		tx.newest[k] = ""
		return nil, nil //nolint:nilnil // none is not an error
	}
	tx.newest[k] = a.ID
	if s, ok := tx.alerts[a.ID]; ok {
		return s.now, nil
	}
	return tx.keep(a), nil
}

// Fresh returns how many alerts of a device are new in this transaction: the
// device's record does not count them yet.
func (tx *Tx) Fresh(d tvilling.DeviceID) int { return tx.fresh[d] }

// PutAlert stages an alert, new or changed, with what was done. Its version,
// its update time and the device's counts follow. Action "folded" makes an
// entry of the feed but no step of the history, and only where the transaction
// has no other entry for the alert; action "" makes neither.
func (tx *Tx) PutAlert(a *Alert, s Step) error {
	staged, ok := tx.alerts[a.ID]
	if !ok {
		before, err := tx.store.Alert(tx.ctx, a.ID)
		if err != nil {
			return err
		}
		staged = &stagedAlert{}
		if before != nil {
			staged.open, staged.severity = before.Status.Open(), before.Severity
		} else {
			tx.newest[a.Key] = a.ID
			tx.fresh[a.Device]++
			a.Created = tx.now
		}
		tx.alerts[a.ID] = staged
	}
	if !staged.put {
		a.Version++
	}
	a.Updated = tx.now
	staged.now, staged.put = a, true
	if s.Action == "" || s.Action == "folded" && staged.entries > 0 {
		return nil
	}
	staged.entries++
	sequence := tx.next()
	tx.feed = append(tx.feed, staging{
		Entry: Entry{Sequence: sequence, Time: tx.now, Subject: "alert", ID: a.ID, Device: a.Device, Action: s.Action, Actor: s.Actor},
		alert: a,
	})
	if s.Action != "folded" {
		s.Sequence, s.Alert, s.Time = sequence, a.ID, tx.now
		tx.steps = append(tx.steps, s)
	}
	return nil
}

func (tx *Tx) next() uint64 { return tx.store.FeedHead() + uint64(len(tx.feed)) + 1 }

// Recommendation returns the recommendation of a type for a device; nil if
// there never was one.
func (tx *Tx) Recommendation(d tvilling.DeviceID, typ string) (*Recommendation, error) {
	if s, ok := tx.advice[adviceKey{d, typ}]; ok {
		return s.now, nil
	}
	if tx.forget[d] {
		return nil, nil //nolint:nilnil // none is not an error
	}
	r, err := tx.store.Recommendation(tx.ctx, d, typ)
	if err := unlessDamaged(err); r == nil || err != nil {
		return nil, err
	}
	own := *r
	tx.advice[adviceKey{d, typ}] = &stagedAdvice{now: &own, active: r.State == Active, severity: r.Severity}
	return &own, nil
}

// PutRecommendation stages a recommendation, new or changed; action is
// "active", "updated" or "resolved".
func (tx *Tx) PutRecommendation(r *Recommendation, action, actor string) error {
	k := adviceKey{r.Device, r.Type}
	staged, ok := tx.advice[k]
	if !ok {
		before, err := tx.Recommendation(r.Device, r.Type)
		if err != nil {
			return err
		}
		if staged = tx.advice[k]; before == nil {
			staged = &stagedAdvice{}
			tx.advice[k] = staged
		}
	}
	if !staged.put {
		r.Version++
	}
	r.Updated = tx.now
	staged.now, staged.put = r, true
	tx.feed = append(tx.feed, staging{
		Entry:  Entry{Sequence: tx.next(), Time: tx.now, Subject: "recommendation", ID: r.Type + "|" + string(r.Device), Device: r.Device, Action: action, Actor: actor},
		advice: r,
	})
	return nil
}

// SetCredential replaces what is known of an identity's credentials.
func (tx *Tx) SetCredential(c Credential) { tx.known[c.ID] = c }

// Fingerprints returns what is known of an identity's credentials.
func (tx *Tx) Fingerprints(id tvilling.Identity) ([][]byte, error) {
	if c, ok := tx.known[id]; ok {
		return c.Fingerprints, nil
	}
	return tx.store.Fingerprints(tx.ctx, id)
}

// Sharing returns other identities that have one of the fingerprints of c, at
// most limit of them, in ascending order.
func (tx *Tx) Sharing(c Credential, limit int) ([]tvilling.Identity, error) {
	stored, err := tx.store.Sharing(tx.ctx, c, limit+len(tx.known))
	if err != nil {
		return nil, err
	}
	var list []tvilling.Identity
	for _, id := range stored {
		if _, ok := tx.known[id]; !ok && id != c.ID {
			list = append(list, id)
		}
	}
	for id, other := range tx.known {
		if id != c.ID && share(c.Fingerprints, other.Fingerprints) {
			list = append(list, id)
		}
	}
	slices.SortFunc(list, tvilling.Identity.Compare)
	return list[:min(len(list), limit)], nil
}

func share(a, b [][]byte) bool {
	return slices.ContainsFunc(a, func(f []byte) bool {
		return slices.ContainsFunc(b, func(g []byte) bool { return bytes.Equal(f, g) })
	})
}
