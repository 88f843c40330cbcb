package follow

import (
	"context"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// CursorName is the name of this reader's cursor in the ledger.
const CursorName = "journal"

// MaxShared bounds the identities that an assessment of shared credentials is
// told of.
const MaxShared = 10

// Journal has the changes of the hub; a journal.Journal is one.
type Journal interface {
	Head() uint64
	// Read yields the changes after a sequence; with follow it waits for more
	// until ctx ends. The first sequence is greater than after+1 when changes
	// between are gone; a damaged change is an error of code Corrupt, after
	// which reading goes on.
	Read(ctx context.Context, after uint64, follow bool) iter.Seq2[state.Change, error]
}

// Store reads the present state; a [state.Store] is one.
type Store interface {
	Identity(ctx context.Context, id tvilling.Identity) (*state.Identity, error)
	Scan(ctx context.Context, r state.Range) iter.Seq2[state.Entry, error]
	Counters(ctx context.Context) (state.Counters, error)
}

// Registry knows what makes credentials equal; a registry.Service is one.
type Registry interface {
	Fingerprints(rec *state.Identity) ([][]byte, error)
}

// Assessor draws conclusions, in the transaction that it is given. Each method
// is told the whole of what it is to judge, any number of times.
type Assessor interface {
	// Registered is told that a device exists, and since when.
	Registered(tx *ledger.Tx, device tvilling.DeviceID, created time.Time) error
	// Credentials is told which identities of other devices have a credential
	// that the device id, or a module of it, has, too: the first [MaxShared] of
	// them, ascending; none if it shares none.
	Credentials(tx *ledger.Tx, id tvilling.Identity, shared []tvilling.Identity) error
	// Configuration is told the desired and reported properties of the device's
	// security module, JSON objects; nil both when it has no such module.
	Configuration(tx *ledger.Tx, device tvilling.DeviceID, desired, reported []byte) error
	// Gone is told that a device was deleted. What the ledger has of it is
	// removed afterwards.
	Gone(tx *ledger.Tx, device tvilling.DeviceID) error
}

// Options are what a [Follower] needs. All are required.
type Options struct {
	Journal  Journal
	Store    Store
	Registry Registry
	Assessor Assessor
	Ledger   *ledger.Ledger
	// Module is the id of the module whose twin holds a device's security.
	Module tvilling.ModuleID
	Logger *slog.Logger
	// Fatal is called, once, when the work cannot go on.
	Fatal func(error)
}

const (
	// maxChanges and maxDevices bound what one transaction covers.
	maxChanges = 8192
	maxDevices = 200
	// pause is how long changes are let gather before they are looked at.
	pause = 50 * time.Millisecond
	// keepEvery is how many changes that concern nobody here are read before
	// the cursor is committed for them alone.
	keepEvery = 20_000
	// fewest and longest wait before something that is unavailable is tried again.
	fewest, longest = 250 * time.Millisecond, 10 * time.Second
)

// Progress tells how far the follower is.
type Progress struct {
	// Cursor is the newest change of the journal that was looked at, Head the
	// newest there is.
	Cursor, Head uint64
	// Rescanning says that all identities are being looked at, because there
	// was no journal to follow; Seen of Devices are done.
	Rescanning    bool
	Seen, Devices int64
	// Rescans counts such runs since the start, Damaged what was left out
	// because its stored bytes are damaged.
	Rescans, Damaged int64
}

// Follower is the reader. Make one with [New], run it with [Follower.Run].
type Follower struct {
	opt Options
	// read is how far the journal was read, kept how far the cursor in the
	// ledger is; Run's goroutine alone writes them.
	read atomic.Uint64
	kept uint64

	rescanning                      atomic.Bool
	seen, devices, rescans, damaged atomic.Int64
}

// New returns a follower that goes on where the last one stopped.
func New(ctx context.Context, o Options) (*Follower, error) {
	f := &Follower{opt: o}
	cursor, err := o.Ledger.Store().Cursor(ctx, CursorName)
	if err != nil {
		return nil, err
	}
	f.read.Store(cursor)
	f.kept = cursor
	return f, nil
}

// Progress returns how far the follower is.
func (f *Follower) Progress() Progress {
	return Progress{
		Cursor: f.read.Load(), Head: f.opt.Journal.Head(),
		Rescanning: f.rescanning.Load(), Seen: f.seen.Load(), Devices: f.devices.Load(),
		Rescans: f.rescans.Load(), Damaged: f.damaged.Load(),
	}
}

// Run follows the journal until ctx ends or the work cannot go on.
func (f *Follower) Run(ctx context.Context) {
	if err := f.run(ctx); ctx.Err() == nil { // it ends with an error only
		f.opt.Fatal(err)
	}
}

func (f *Follower) run(ctx context.Context) error {
	scan, err := f.unfinished(ctx)
	if err != nil {
		return err
	}
	if scan == nil && f.read.Load() == 0 && f.opt.Journal.Head() > 0 {
		// Nothing was ever followed, and there may be a fleet already.
		scan = &rescan{Until: f.opt.Journal.Head()}
	}
	for {
		if scan != nil {
			if err := f.rescan(ctx, scan); err != nil {
				return err
			}
		}
		b, err := f.next(ctx)
		if err != nil {
			return err
		}
		if scan = b.lost; scan != nil {
			f.opt.Logger.WarnContext(ctx, "changes were missed in the journal; looking at all devices", "after", f.read.Load())
			continue
		}
		if err := f.apply(ctx, b); err != nil {
			return err
		}
		if b.more {
			continue
		}
		if err := f.wait(ctx); err != nil {
			return err
		}
	}
}

// wait returns when there are changes to read, some time after the first.
func (f *Follower) wait(ctx context.Context) error {
	for range f.opt.Journal.Read(ctx, f.read.Load(), true) { //nolint:errcheck // what there is will be read again
		break
	}
	select {
	case <-time.After(pause):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// commit runs a transaction of the ledger, again and again while that is
// unavailable: nothing here can be left out.
func (f *Follower) commit(ctx context.Context, change func(tx *ledger.Tx) error) error {
	wait := fewest
	for {
		err := f.opt.Ledger.Do(ctx, change)
		if err == nil || ctx.Err() != nil || tvilling.CodeOf(err) != tvilling.Unavailable {
			return err
		}
		f.opt.Logger.WarnContext(ctx, "changes not assessed; trying again", "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wait = min(2*wait, longest)
	}
}
