package securitymem

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// read runs f under the lock and returns what it found.
func read[T any](ctx context.Context, s *Store, f func() T) (T, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		var none T
		return none, err
	}
	return f(), nil
}

// Cursor returns how far a reader has come; 0 if it never said.
func (s *Store) Cursor(ctx context.Context, name string) (uint64, error) {
	return read(ctx, s, func() uint64 { return s.cursors[name] })
}

// Value returns a small setting; nil if there is none.
func (s *Store) Value(ctx context.Context, name string) ([]byte, error) {
	return read(ctx, s, func() []byte { return s.values[name] })
}

// Alert returns an alert; nil if there is none of that id.
func (s *Store) Alert(ctx context.Context, id string) (*ledger.Alert, error) {
	return read(ctx, s, func() *ledger.Alert { return s.alerts[id] })
}

// newestFirst is the order of alerts.
func newestFirst(x, y *ledger.Alert) int {
	return cmp.Or(y.Created.Compare(x.Created), strings.Compare(x.ID, y.ID))
}

// Newest returns the newest alert of a key, nil if there never was one.
func (s *Store) Newest(ctx context.Context, k ledger.Key) (*ledger.Alert, error) {
	return read(ctx, s, func() *ledger.Alert {
		if list := s.keys[k]; len(list) > 0 {
			return slices.MinFunc(list, newestFirst)
		}
		return nil
	})
}

// History returns the steps of an alert, oldest first.
func (s *Store) History(ctx context.Context, alert string) ([]ledger.Step, error) {
	return read(ctx, s, func() []ledger.Step { return slices.Clone(s.steps[alert]) })
}

// Recommendation returns the recommendation of a type for a device; nil if
// there never was one.
func (s *Store) Recommendation(ctx context.Context, d tvilling.DeviceID, typ string) (*ledger.Recommendation, error) {
	return read(ctx, s, func() *ledger.Recommendation { return s.advice[adviceKey{d, typ}] })
}

// Device returns what is remembered of a device; nil if nothing is.
func (s *Store) Device(ctx context.Context, d tvilling.DeviceID) (*ledger.Device, error) {
	return read(ctx, s, func() *ledger.Device { return s.devices[d] })
}

// Due returns devices whose Due has come, earliest first, at most limit.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]tvilling.DeviceID, error) {
	return s.ids(ctx, limit, func(d *ledger.Device) bool { return !d.Due.IsZero() && !d.Due.After(now) }, func(x, y *ledger.Device) int {
		return cmp.Or(x.Due.Compare(y.Due), strings.Compare(string(x.ID), string(y.ID)))
	})
}

// Postures returns devices whose Posture is set, in ascending order, at most limit.
func (s *Store) Postures(ctx context.Context, limit int) ([]tvilling.DeviceID, error) {
	return s.ids(ctx, limit, func(d *ledger.Device) bool { return d.Posture }, func(x, y *ledger.Device) int {
		return strings.Compare(string(x.ID), string(y.ID))
	})
}

// States counts devices by their State.
func (s *Store) States(ctx context.Context) (map[string]int64, error) {
	return read(ctx, s, func() map[string]int64 {
		counts := make(map[string]int64)
		for _, d := range s.devices {
			counts[d.State]++
		}
		return counts
	})
}

func (s *Store) ids(ctx context.Context, limit int, keep func(*ledger.Device) bool, order func(x, y *ledger.Device) int) ([]tvilling.DeviceID, error) {
	return read(ctx, s, func() (ids []tvilling.DeviceID) {
		list := slices.SortedFunc(maps.Values(s.devices), order)
		for _, d := range list {
			if len(ids) >= limit {
				break
			}
			if keep(d) {
				ids = append(ids, d.ID)
			}
		}
		return ids
	})
}

// Sharing returns other identities that have one of the fingerprints of c, in
// ascending order, at most limit.
func (s *Store) Sharing(ctx context.Context, c ledger.Credential, limit int) ([]tvilling.Identity, error) {
	return read(ctx, s, func() (list []tvilling.Identity) {
		for id, known := range s.credentials {
			if id != c.ID && slices.ContainsFunc(known, func(f []byte) bool {
				return slices.ContainsFunc(c.Fingerprints, func(g []byte) bool { return string(f) == string(g) })
			}) {
				list = append(list, id)
			}
		}
		slices.SortFunc(list, tvilling.Identity.Compare)
		return list[:min(len(list), max(0, limit))]
	})
}

// Fingerprints returns what is known of an identity's credentials, in
// ascending order.
func (s *Store) Fingerprints(ctx context.Context, id tvilling.Identity) ([][]byte, error) {
	return read(ctx, s, func() [][]byte { return s.credentials[id] })
}

// Feed yields entries after a sequence, oldest first.
func (s *Store) Feed(ctx context.Context, after uint64) iter.Seq2[ledger.Entry, error] {
	return func(yield func(ledger.Entry, error) bool) {
		list, err := read(ctx, s, func() []ledger.Entry {
			i, _ := slices.BinarySearchFunc(s.feed, after, func(e ledger.Entry, after uint64) int {
				if e.Sequence <= after {
					return -1
				}
				return 1
			})
			return slices.Clone(s.feed[i:])
		})
		if err != nil {
			yield(ledger.Entry{}, err)
			return
		}
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}
