package intake

import (
	"context"
	"errors"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// heardEvery is how much newer a device's LastSeen must be to be written for
// that alone: detections of silence think in hours.
const heardEvery = time.Minute

func asError(err error) (*tvilling.Error, bool) { return errors.AsType[*tvilling.Error](err) }

// round keeps the events of a batch and commits what follows from them.
func (s *Service) round(ctx context.Context, batch []*event.Message) error {
	cursor := s.cursor.Load()
	known := make([][]bool, len(batch))
	registered := make([]bool, len(batch))
	for i, m := range batch {
		err := s.insist(ctx, "keep events", func() (err error) {
			known[i], err = s.opt.Events.Append(ctx, m)
			return err
		})
		if tvilling.CodeOf(err) == tvilling.TooLarge { // nothing that a hub takes is; it must not stop the rest
			batch[i], known[i] = unkept(m, err), nil
			_, err = s.opt.Events.Append(ctx, batch[i])
		}
		if err != nil {
			return err
		}
		if registered[i], err = s.opt.Directory.Registered(ctx, m.From.Device); err != nil {
			return err
		}
	}
	last := batch[len(batch)-1].Sequence
	if last <= cursor {
		return nil // the events were missing, not the conclusions
	}
	err := s.insist(ctx, "commit alerts", func() error {
		return s.opt.Ledger.Do(ctx, func(tx *ledger.Tx) error {
			for i, m := range batch {
				if m.Sequence <= cursor || !registered[i] {
					continue
				}
				if err := s.conclude(tx, m, known[i]); err != nil {
					return err
				}
			}
			tx.SetCursor(CursorName, last)
			return nil
		})
	})
	if err != nil {
		return err
	}
	s.count(batch, known, registered, cursor)
	s.cursor.Store(last)
	return nil
}

// unkept stands for a message whose events cannot be kept.
func unkept(m *event.Message, err error) *event.Message {
	return &event.Message{
		From: m.From, Sequence: m.Sequence, Received: m.Received, Size: m.Size,
		Rejects: []event.Reject{{Index: -1, Reason: tvilling.MessageOf(err)}},
	}
}

func (s *Service) count(batch []*event.Message, known [][]bool, registered []bool, cursor uint64) {
	for i, m := range batch {
		if m.Sequence <= cursor {
			continue
		}
		s.messages.Add(1)
		s.events.Add(int64(len(m.Events)))
		s.rejects.Add(int64(len(m.Rejects)))
		for _, dup := range known[i] {
			if dup {
				s.duplicates.Add(1)
			}
		}
		if !registered[i] {
			s.orphans.Add(1)
		}
	}
}

// conclude has a message looked at by the detections and assessments.
func (s *Service) conclude(tx *ledger.Tx, m *event.Message, known []bool) error {
	d, err := tx.Device(m.From.Device)
	if err != nil {
		return err
	}
	last := d.LastSeen
	changed, err := s.opt.Engine.Observe(d, m, known, last, func(f detect.Found) error { return raise(tx, d, m, f) })
	if err != nil {
		return err
	}
	if !m.Hub {
		if m.Received.Sub(last) >= heardEvery {
			d.LastSeen, changed = m.Received, true
			d.Posture = d.Posture || last.IsZero()
		}
		if m.AgentVersion != "" && (m.AgentVersion != d.AgentVersion || m.AgentID != d.AgentID) {
			d.Posture = d.Posture || m.AgentVersion != d.AgentVersion
			d.AgentVersion, d.AgentID, changed = m.AgentVersion, m.AgentID, true
		}
	}
	if changed {
		tx.PutDevice(d)
	}
	for i := range m.Events {
		if i < len(known) && known[i] {
			continue
		}
		if err := s.opt.Assessor.Assess(tx, m, &m.Events[i]); err != nil {
			return err
		}
	}
	return nil
}

// tick looks at the devices whose time has come.
func (s *Service) tick(ctx context.Context) error {
	for {
		due, err := s.opt.Ledger.Store().Due(ctx, time.Now(), tickDevices)
		if err != nil || len(due) == 0 {
			return err
		}
		err = s.insist(ctx, "look at devices", func() error {
			return s.opt.Ledger.Do(ctx, func(tx *ledger.Tx) error {
				for _, id := range due {
					if known, err := s.opt.Directory.Registered(ctx, id); err != nil {
						return err
					} else if !known { // a message was under way when it was deleted
						if err := tx.Forget(id); err != nil {
							return err
						}
						continue
					}
					if err := s.tickDevice(tx, id); err != nil {
						return err
					}
				}
				return nil
			})
		})
		if err != nil || len(due) < tickDevices {
			return err
		}
	}
}

func (s *Service) tickDevice(tx *ledger.Tx, id tvilling.DeviceID) error {
	d, err := tx.Device(id)
	if err != nil {
		return err
	}
	if d.Due.IsZero() || d.Due.After(tx.Now()) {
		return nil // somebody was quicker
	}
	if _, err := s.opt.Engine.Tick(d, tx.Now(), func(f detect.Found) error { return raise(tx, d, nil, f) }); err != nil {
		return err
	}
	if err := s.opt.Assessor.Tick(tx, d, tx.Now()); err != nil {
		return err
	}
	detect.Settle(d, tx.Now())
	tx.PutDevice(d)
	return nil
}

// insist tries until it succeeds, ctx ends, or the failure is one that does
// not pass by itself.
func (s *Service) insist(ctx context.Context, what string, try func() error) error {
	wait := fewest
	for {
		err := try()
		if err == nil || tvilling.CodeOf(err) != tvilling.Unavailable {
			return err
		}
		s.opt.Logger.ErrorContext(ctx, "not done; trying again", "what", what, "error", err, "wait", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		wait = min(2*wait, longest)
	}
}
