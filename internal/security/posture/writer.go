package posture

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	// Member is the root member of the twin that holds a posture.
	Member = "security"
	// Actor is who writes it.
	Actor = "hub:security"

	// batch bounds the twins that are written at a time.
	batch = 128
	// gather is how long changes are gathered before they are written.
	gather = 100 * time.Millisecond
	// fewest and longest are the waits before a failed write is tried again.
	fewest, longest = time.Second, 5 * time.Minute
	// maxFailing bounds the devices whose failures are kept apart.
	maxFailing = 4096
)

// Twins are where postures are kept; a twin.Service is one.
type Twins interface {
	// Own sets a root member of a twin; it does nothing if it is that already.
	// done is called once, when it is durable or refused.
	Own(id tvilling.Identity, member string, value []byte, actor string, done func(error))
}

// Options are what a [Writer] needs.
type Options struct {
	Ledger *ledger.Ledger
	Twins  Twins
	Logger *slog.Logger
	// Silence returns how long a device may send nothing; [Silence] if nil.
	Silence func() time.Duration
}

// Writer writes the postures of devices whose record in the ledger says that
// the twin may be out of date. That mark is durable and is taken away once the
// twin has what the record then says, so that no stop loses a posture. Make
// one with [NewWriter], run it with [Writer.Run].
type Writer struct {
	opt     Options
	started time.Time
	failing map[tvilling.DeviceID]failure

	written, failed, waiting atomic.Int64
}

// failure is a device whose twin could not be written.
type failure struct {
	wait  time.Duration
	again time.Time
}

// Stats count since the start; Failing is how many devices wait to be tried again.
type Stats struct{ Written, Failed, Failing int64 }

// NewWriter returns a writer.
func NewWriter(o Options) *Writer {
	return &Writer{opt: o, started: time.Now(), failing: make(map[tvilling.DeviceID]failure)}
}

// Stats returns the counts.
func (w *Writer) Stats() Stats {
	return Stats{Written: w.written.Load(), Failed: w.failed.Load(), Failing: w.waiting.Load()}
}

// Input returns what the writer judges by now, besides a device's record.
func (w *Writer) Input() Input {
	in := Input{Now: time.Now(), Started: w.started, Silence: Silence}
	if w.opt.Silence != nil {
		in.Silence = w.opt.Silence()
	}
	return in
}

// Run writes postures until ctx ends.
func (w *Writer) Run(ctx context.Context) {
	var trouble time.Duration
	for ctx.Err() == nil {
		changed := w.opt.Ledger.Changed()
		more, err := w.pass(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if trouble == 0 {
				w.opt.Logger.WarnContext(ctx, "postures not written; trying again", "error", err)
			}
			trouble = min(longest, max(fewest, 2*trouble))
			if !w.wait(ctx, nil, trouble) {
				return
			}
			continue
		case trouble > 0:
			w.opt.Logger.InfoContext(ctx, "postures are written again")
			trouble = 0
		}
		if more {
			continue
		}
		if !w.wait(ctx, changed, w.next()) || !w.wait(ctx, nil, gather) {
			return
		}
	}
}

// wait waits until changed is closed or the time is over, if there is one;
// false if ctx ended.
func (*Writer) wait(ctx context.Context, changed <-chan struct{}, d time.Duration) bool {
	var timeout <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timeout = t.C
	}
	select {
	case <-changed:
	case <-timeout:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// next returns how long to wait for the first device that failed; 0 for ever.
func (w *Writer) next() time.Duration {
	var first time.Time
	for _, f := range w.failing {
		if first.IsZero() || f.again.Before(first) {
			first = f.again
		}
	}
	if first.IsZero() {
		return 0
	}
	return max(time.Millisecond, time.Until(first))
}

// job is a device under way.
type job struct {
	id    tvilling.DeviceID
	value []byte
	err   error
}

// pass writes one batch; more tells that there is another at once.
func (w *Writer) pass(ctx context.Context) (more bool, err error) {
	store := w.opt.Ledger.Store()
	limit := batch + len(w.failing)
	ids, err := store.Postures(ctx, limit)
	if err != nil {
		return false, err
	}
	in := w.Input()
	var jobs []*job
	for _, id := range ids {
		if f, ok := w.failing[id]; ok && f.again.After(in.Now) {
			continue
		}
		if len(jobs) == batch {
			break
		}
		d, err := store.Device(ctx, id)
		if err != nil {
			return false, err
		}
		if d == nil {
			continue
		}
		p := Of(d, in)
		jobs = append(jobs, &job{id: id, value: p.JSON()})
	}
	if len(jobs) == 0 {
		return false, nil
	}
	if err := w.write(ctx, jobs); err != nil {
		return false, err
	}
	return len(ids) == limit, w.clear(ctx, jobs, in)
}

// write hands the postures to the twins, all at once, and waits for them.
func (w *Writer) write(ctx context.Context, jobs []*job) error {
	type result struct {
		job *job
		err error
	}
	results := make(chan result, len(jobs)) // nobody waits to deliver one
	for _, j := range jobs {
		id := tvilling.Identity{Device: j.id, Module: tvilling.SecurityModule}
		w.opt.Twins.Own(id, Member, j.value, Actor, func(err error) { results <- result{j, err} })
	}
	for range jobs {
		select {
		case r := <-results:
			r.job.err = r.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	var first *job
	fresh := 0
	for _, j := range jobs {
		if w.note(j) {
			fresh++
			first = cmp.Or(first, j)
		}
	}
	if first != nil { // one line, however many fail together
		w.opt.Logger.WarnContext(ctx, "postures not written; trying again", "devices", fresh, "device_id", string(first.id), "error", first.err)
	}
	return nil
}

// note counts an outcome, and keeps a failure for later. A device without the
// module has no place for a posture: that is not one. fresh tells that a
// failure is the first of its device.
func (w *Writer) note(j *job) (fresh bool) {
	before, failed := w.failing[j.id]
	switch tvilling.CodeOf(j.err) {
	case tvilling.DeviceNotFound, tvilling.ModuleNotFound, tvilling.NotFound:
		j.err = nil
		delete(w.failing, j.id)
	case "":
		w.written.Add(1)
		delete(w.failing, j.id)
	default:
		w.failed.Add(1)
		fresh = !failed
		if failed || len(w.failing) < maxFailing {
			wait := min(longest, cmp.Or(2*before.wait, fewest))
			w.failing[j.id] = failure{wait: wait, again: time.Now().Add(wait)}
		}
	}
	w.waiting.Store(int64(len(w.failing)))
	return fresh
}

// errUntold says that more devices fail than are kept apart.
var errUntold = errors.New("the twins of many devices cannot be written")

// clear takes the mark away of those whose twin has what the record says now.
// A record that has changed since keeps it, and the change wakes the writer.
func (w *Writer) clear(ctx context.Context, jobs []*job, in Input) error {
	untold := false
	err := w.opt.Ledger.Do(ctx, func(tx *ledger.Tx) error {
		untold = false
		for _, j := range jobs {
			if j.err != nil {
				_, told := w.failing[j.id]
				untold = untold || !told
				continue
			}
			d, err := tx.Device(j.id)
			if err != nil {
				return err
			}
			// The mark is gone with a record that was forgotten since.
			if p := Of(d, in); d.Posture && bytes.Equal(p.JSON(), j.value) {
				d.Posture, d.State = false, string(p.State)
				tx.PutDevice(d)
			}
		}
		return nil
	})
	if err == nil && untold {
		err = errUntold
	}
	return err
}
