package investigate_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// store is a store of events in memory.
type store struct {
	list []*event.Record
	// fail has errors by the sequence of the event in whose place they come.
	fail map[uint64]error
	// looked counts the events that were yielded.
	looked int
}

// add stores an event of a device, a minute after the one before.
func (s *store) add(device, name, payload string) *event.Record {
	n := len(s.list) + 1
	at := begin.Add(time.Duration(n) * time.Minute)
	r := &event.Record{
		From:     tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.SecurityModule},
		Position: event.Position{Sequence: uint64(n), Index: 1}, Received: at.Add(time.Second), AgentVersion: "1.0.0",
		Event: event.Event{
			ID: fmt.Sprintf("id-%d", n), Kind: event.KindOf(name), Name: name, Type: event.Security, Category: event.Triggered,
			Time: at, Local: "local", Payload: []byte(payload), Empty: payload == "" || payload == "[]",
		},
	}
	s.list = append(s.list, r)
	return r
}

func (s *store) events(_ context.Context, q event.Query) iter.Seq2[*event.Record, error] {
	return func(yield func(*event.Record, error) bool) {
		for _, r := range s.list {
			if err := s.fail[r.Position.Sequence]; err != nil {
				if !yield(nil, err) || tvilling.CodeOf(err) != tvilling.Corrupt {
					return
				}
				continue
			}
			if r.Position.Compare(q.After) <= 0 || q.Device != "" && q.Device != r.From.Device ||
				len(q.Names) > 0 && !slices.Contains(q.Names, r.Event.Name) ||
				!q.From.IsZero() && r.Event.Time.Before(q.From) || !q.To.IsZero() && !r.Event.Time.Before(q.To) {
				continue
			}
			s.looked++
			if !yield(r, nil) {
				return
			}
		}
	}
}

func never() bool { return false }

func damaged() error {
	return &tvilling.Error{Code: tvilling.Corrupt, Op: "read", Message: "A block is damaged."}
}

// descending yields the events of a store in the order that a query asks for.
func descending(s *store) investigate.Events {
	return func(ctx context.Context, q event.Query) iter.Seq2[*event.Record, error] {
		if !q.Descending {
			return s.events(ctx, q)
		}
		return func(yield func(*event.Record, error) bool) {
			type step struct {
				rec *event.Record
				err error
			}
			var all []step
			for rec, err := range s.events(ctx, q) {
				all = append(all, step{rec, err})
			}
			for _, st := range slices.Backward(all) {
				if !yield(st.rec, st.err) {
					return
				}
			}
		}
	}
}
