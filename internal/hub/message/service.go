// Package message takes what devices send. Messages are durable before they
// are acknowledged, in a log for telemetry and another for security messages,
// so that neither's volume or retention touches the other's. It does not look
// into bodies.
package message

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
)

// MaxSize is the largest body of a message, in bytes (IoT Hub quota: 256 KB).
const MaxSize = 256 * 1024

// Kind tells ordinary messages from marked ones.
type Kind uint8

// The kinds of message.
const (
	Telemetry Kind = iota
	Security
	kinds
)

// String returns the kind's name: "telemetry" or "security".
func (k Kind) String() string {
	if k == Security {
		return "security"
	}
	return "telemetry"
}

const (
	// queueLength bounds the groups that wait for one log.
	queueLength = 1024
	// roundBytes bounds the bodies that share one fsync.
	roundBytes = 4 << 20
	// retainEvery is how often old segments are looked for.
	retainEvery = time.Minute
)

// Log stores messages of one kind in order. Append and Retain are not called
// at the same time; Read may run beside them.
type Log interface {
	// Append makes msgs durable and fills in their sequences. An error of code
	// Unavailable means that nothing is kept and a later call may succeed; any
	// other, that the log is lost.
	Append(ctx context.Context, msgs []*tvilling.Message) error
	// Read yields the messages after a sequence, up to the newest durable one.
	Read(ctx context.Context, after uint64) iter.Seq2[*tvilling.Message, error]
	Head() uint64
	// Retain drops what is older or more than the log is set to keep.
	Retain(now time.Time) (dropped int, err error)
}

// Options are what a [Service] needs.
type Options struct {
	Telemetry, Security Log
	Logger              *slog.Logger
	// Fatal is called when a log can no longer say what is durable.
	Fatal func(error)
	// Observe, if set, is told of every round of a log.
	Observe func(kind Kind, messages int, took time.Duration)
}

// Service takes and reads messages. Make one with [New], run it with [Service.Run].
type Service struct {
	opt   Options
	lanes [kinds]*lane
}

// lane is one log with the messages that wait for it.
type lane struct {
	kind  Kind
	log   Log
	queue chan *group
	// stopped is closed when nothing is taken any more.
	stopped chan struct{}

	// Taken counts messages made durable, Refused those turned away.
	taken, refused atomic.Int64

	// mu guards changed, which is closed and replaced after each round.
	mu      sync.Mutex
	changed chan struct{}
}

// group is what one caller hands over at once.
type group struct {
	msgs []*tvilling.Message
	done func(error)
}

// New returns a service over two logs.
func New(o Options) *Service {
	s := &Service{opt: o}
	for k, log := range []Log{o.Telemetry, o.Security} {
		s.lanes[k] = &lane{kind: Kind(k), log: log, queue: make(chan *group, queueLength), stopped: make(chan struct{}), changed: make(chan struct{})}
	}
	return s
}

// Counts returns how many messages of a kind were taken and refused since the start.
func (s *Service) Counts(k Kind) (taken, refused int64) {
	return s.lanes[k].taken.Load(), s.lanes[k].refused.Load()
}

// Append takes messages, telemetry and security messages each to their log,
// and waits while that log's queue is full. done is called once, after all of
// them are durable, or with the first error; it must not block.
func (s *Service) Append(msgs []*tvilling.Message, done func(error)) {
	now := time.Now().UTC()
	security := 0
	for _, m := range msgs {
		m.Enqueued = now
		if m.Security() {
			security++
		}
	}
	switch security {
	case 0:
		s.enqueue(Telemetry, msgs, done)
	case len(msgs):
		s.enqueue(Security, msgs, done)
	default:
		parts := [kinds][]*tvilling.Message{}
		for _, m := range msgs {
			k := Telemetry
			if m.Security() {
				k = Security
			}
			parts[k] = append(parts[k], m)
		}
		both := both(done)
		s.enqueue(Telemetry, parts[Telemetry], both)
		s.enqueue(Security, parts[Security], both)
	}
}

// both returns a function that calls done at its second call, with the first
// error of the two.
func both(done func(error)) func(error) {
	var mu sync.Mutex
	var first error
	calls := 0
	return func(err error) {
		mu.Lock()
		if first == nil {
			first = err
		}
		calls++
		last, result := calls == 2, first
		mu.Unlock()
		if last {
			done(result)
		}
	}
}

func (s *Service) enqueue(k Kind, msgs []*tvilling.Message, done func(error)) {
	l := s.lanes[k]
	g := &group{msgs: msgs, done: done}
	select {
	case <-l.stopped:
		l.refuse(g)
		return
	default:
	}
	select {
	case l.queue <- g:
		select {
		case <-l.stopped:
			// Run may have looked at the queue for the last time before.
			l.drain()
		default:
		}
	case <-l.stopped:
		l.refuse(g)
	}
}

func (l *lane) refuse(g *group) {
	l.refused.Add(int64(len(g.msgs)))
	g.done(tvilling.Errorf(tvilling.Unavailable, "The hub is stopping; try again in a moment."))
}

// Run works both logs until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, l := range s.lanes {
		wg.Go(func() { s.run(ctx, l) })
	}
	wg.Wait()
	<-ctx.Done()
}

func (l *lane) drain() {
	for {
		select {
		case g := <-l.queue:
			l.refuse(g)
		default:
			return
		}
	}
}

// run works one log until ctx ends or the log is lost. Whatever waits then, or
// comes later, is refused at once.
func (s *Service) run(ctx context.Context, l *lane) {
	defer l.drain()
	defer close(l.stopped)
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	s.retain(l)
	for {
		select {
		case g := <-l.queue:
			if err := s.round(l, g); err != nil {
				s.opt.Fatal(err)
				return
			}
		case <-tick.C:
			s.retain(l)
		case <-ctx.Done():
			return
		}
	}
}

func (s *Service) retain(l *lane) {
	dropped, err := l.log.Retain(time.Now())
	if err != nil {
		s.opt.Logger.Warn("old messages not dropped", "kind", l.kind.String(), "error", err)
	} else if dropped > 0 {
		s.opt.Logger.Info("old messages dropped", "kind", l.kind.String(), "segments", dropped)
	}
}

// round stores a group and what waits behind it with one fsync. It returns an
// error only when the log is lost.
func (s *Service) round(l *lane, first *group) error {
	groups, msgs, size := []*group{first}, first.msgs, 0
	for _, m := range msgs {
		size += len(m.Body)
	}
	shared := true // msgs is the caller's slice until something is added
gather:
	for size < roundBytes {
		select {
		case g := <-l.queue:
			if shared {
				msgs, shared = append(make([]*tvilling.Message, 0, 64), msgs...), false
			}
			groups, msgs = append(groups, g), append(msgs, g.msgs...)
			for _, m := range g.msgs {
				size += len(m.Body)
			}
		default:
			break gather
		}
	}
	start := time.Now()
	err := l.log.Append(context.Background(), msgs)
	if s.opt.Observe != nil {
		s.opt.Observe(l.kind, len(msgs), time.Since(start))
	}
	if err == nil {
		l.taken.Add(int64(len(msgs)))
		l.announce()
	} else {
		l.refused.Add(int64(len(msgs)))
	}
	for _, g := range groups {
		g.done(err)
	}
	if err != nil && tvilling.CodeOf(err) != tvilling.Unavailable {
		return err
	}
	return nil
}

func (l *lane) announce() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *lane) wait() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Head returns the sequence of the newest message of a kind.
func (s *Service) Head(k Kind) uint64 { return s.lanes[k].log.Head() }

// Read yields the messages of a kind after a sequence, oldest first; with
// follow it then waits for new ones until ctx ends. A damaged message is
// yielded as an error of code Corrupt, after which reading goes on.
func (s *Service) Read(ctx context.Context, k Kind, after uint64, follow bool) iter.Seq2[*tvilling.Message, error] {
	l := s.lanes[k]
	return func(yield func(*tvilling.Message, error) bool) {
		for {
			changed := l.wait()
			head := l.log.Head()
			if head > after {
				for m, err := range l.log.Read(ctx, after) {
					if !yield(m, err) {
						return
					}
					if m != nil {
						after = m.Sequence
					}
				}
				after = max(after, head)
			}
			if !follow {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-l.stopped:
				return
			}
		}
	}
}
