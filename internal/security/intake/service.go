package intake

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// CursorName is the name of this reader's cursor in the ledger.
const CursorName = "intake"

const (
	// window bounds the messages that are read ahead, decoded or not, and so
	// those that one transaction may cover.
	window = 128
	// tickEvery is how often devices are looked at whose time has come.
	tickEvery = time.Second
	// tickDevices bounds those looked at in one transaction.
	tickDevices = 500
	// fewest and longest wait before something that is unavailable is tried again.
	fewest, longest = 250 * time.Millisecond, 10 * time.Second
)

// Log has the security messages.
type Log interface {
	// Read yields the messages after a sequence; with follow it waits for more
	// until ctx ends. A damaged one is yielded as an error.
	Read(ctx context.Context, after uint64, follow bool) iter.Seq2[*tvilling.Message, error]
	Head() uint64
}

// Events keeps the events.
type Events interface {
	// Append keeps the events of a message and tells which of them the device
	// sent before. Messages that are kept already are only told of.
	Append(ctx context.Context, m *event.Message) (duplicates []bool, err error)
	// Durable returns the sequence up to which nothing need be appended again.
	Durable() uint64
}

// Assessor draws recommendations from fresh events.
type Assessor interface {
	Assess(tx *ledger.Tx, m *event.Message, e *event.Event) error
	Tick(tx *ledger.Tx, d *ledger.Device, now time.Time) error
}

// Directory knows which devices there are.
type Directory interface {
	Registered(ctx context.Context, d tvilling.DeviceID) (bool, error)
}

// Options are what a [Service] needs.
type Options struct {
	Log       Log
	Events    Events
	Directory Directory
	Ledger    *ledger.Ledger
	Engine    *detect.Engine
	Assessor  Assessor
	Logger    *slog.Logger
	// Decoders is how many messages are decoded at once.
	Decoders int
	// Fatal is called when the work cannot go on.
	Fatal func(error)
}

// Stats count since the start.
type Stats struct {
	Messages, Events, Duplicates, Rejects, Damaged, Orphans int64
	// Cursor is how far the log has been worked through.
	Cursor uint64
}

// Service is the reader of the log. Make one with [New], run it with [Service.Run].
type Service struct {
	opt    Options
	cursor atomic.Uint64

	messages, events, duplicates, rejects, damaged, orphans atomic.Int64
}

// New returns a service that goes on where the last one stopped.
func New(ctx context.Context, o Options) (*Service, error) {
	s := &Service{opt: o}
	cursor, err := o.Ledger.Store().Cursor(ctx, CursorName)
	if err != nil {
		return nil, err
	}
	s.cursor.Store(cursor)
	return s, nil
}

// Stats returns the counts.
func (s *Service) Stats() Stats {
	return Stats{
		Messages: s.messages.Load(), Events: s.events.Load(), Duplicates: s.duplicates.Load(), Rejects: s.rejects.Load(),
		Damaged: s.damaged.Load(), Orphans: s.orphans.Load(), Cursor: s.cursor.Load(),
	}
}

// Keep returns the sequence up to which messages are not needed any more.
func (s *Service) Keep() uint64 { return min(s.cursor.Load(), s.opt.Events.Durable()) }

// slot is a message on its way through the decoders, in the log's order.
type slot struct {
	message *tvilling.Message
	decoded *event.Message
	ready   chan struct{}
}

// Run works until ctx ends or it cannot go on.
func (s *Service) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	order := make(chan *slot, window)
	work := make(chan *slot, window)
	var wg sync.WaitGroup
	wg.Go(func() { s.read(ctx, order, work) })
	for range max(1, s.opt.Decoders) {
		wg.Go(func() {
			for sl := range work {
				sl.decoded = s.decode(sl.message)
				close(sl.ready)
			}
		})
	}
	err := s.work(ctx, order)
	cancel()
	wg.Wait()
	if err != nil {
		s.opt.Fatal(err)
	}
}

// read feeds the decoders until ctx ends.
func (s *Service) read(ctx context.Context, order, work chan<- *slot) {
	defer close(work)
	defer close(order)
	for m, err := range s.opt.Log.Read(ctx, s.Keep(), true) {
		if err != nil {
			if ctx.Err() == nil {
				s.damaged.Add(1)
				s.opt.Logger.ErrorContext(ctx, "security message left out: it cannot be read from the log", "error", err)
			}
			continue
		}
		sl := &slot{message: m, ready: make(chan struct{})}
		select {
		case work <- sl: // never full before order is
		case <-ctx.Done():
			return
		}
		select {
		case order <- sl:
		case <-ctx.Done():
			return
		}
	}
}

// decode reads a message; one that cannot be read becomes a reject of itself.
func (s *Service) decode(m *tvilling.Message) *event.Message {
	d, err := schema.Decode(m, m.Enqueued)
	if err == nil {
		d.Sequence, d.Received = m.Sequence, m.Enqueued
		return d
	}
	r := event.Reject{Index: -1, Reason: tvilling.MessageOf(err), Raw: m.Body[:min(len(m.Body), event.MaxRejectBytes)]}
	if e, ok := asError(err); ok {
		r.Path, r.Reason = e.Path, e.Message
	}
	return &event.Message{From: m.From, Sequence: m.Sequence, Received: m.Enqueued, Size: len(m.Body), Rejects: []event.Reject{r}}
}

// work takes what is decoded, as much as there is at a time, until ctx ends.
func (s *Service) work(ctx context.Context, order <-chan *slot) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	var batch []*event.Message
	for {
		batch = batch[:0]
		select {
		case sl, ok := <-order:
			if !ok {
				return nil
			}
			batch = append(batch, sl.wait())
		case <-tick.C:
			// A device is not called silent while its messages wait to be read.
			if s.cursor.Load() >= s.opt.Log.Head() {
				if err := s.tick(ctx); err != nil {
					return ended(ctx, err)
				}
			}
			continue
		}
	gather:
		for len(batch) < window {
			select {
			case sl, ok := <-order:
				if !ok {
					break gather
				}
				batch = append(batch, sl.wait())
			default:
				break gather
			}
		}
		if err := s.round(ctx, batch); err != nil {
			return ended(ctx, err)
		}
	}
}

func (sl *slot) wait() *event.Message {
	<-sl.ready
	return sl.decoded
}

// ended tells an error of the end from others.
func ended(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
