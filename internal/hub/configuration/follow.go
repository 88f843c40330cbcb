package configuration

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

const (
	// followWindow bounds the twins that are written because they changed.
	followWindow = 64
	// saveEvery is how often the cursor is made durable, and saveAfter after how
	// many changes: so much is looked at again after a kill.
	saveEvery = 5 * time.Second
	saveAfter = 50_000
	// retryFirst is how long a reader waits after an error; each further wait is
	// twice as long, up to retryMost.
	retryFirst = time.Second
	retryMost  = time.Minute
)

// follow looks at each twin that a change of the journal concerns, until ctx
// ends. What it has not seen to the end it looks at again after an error or a
// restart: looking twice does no harm.
func (s *Service) follow(ctx context.Context) {
	s.counts.followed.Store(s.cursor)
	f := follower{Service: s, window: newWindow(followWindow), read: s.cursor, saved: s.cursor, at: time.Now()}
	wait := retryFirst
	for ctx.Err() == nil {
		changed := s.opt.Committer.Changed()
		err := f.catchUp(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			s.opt.Logger.ErrorContext(ctx, "configurations do not follow the changes of twins; tried again", "error", err, "wait", wait)
			pause(ctx, wait)
			wait = min(2*wait, retryMost)
		default:
			wait = retryFirst
			f.idle(ctx, changed)
		}
	}
	// What is under way belongs to this goroutine until it is done.
	_ = f.window.settle(context.WithoutCancel(ctx)) // what failed is looked at again by the next run
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// follower is the state of following the journal.
type follower struct {
	*Service

	window *window
	// read is the last change that was looked at, saved the last one whose
	// consequences are durable and noted as such, at a time.
	read, saved uint64
	at          time.Time
	// connections says that what the end of the hub before has done to
	// connections is seen to.
	connections bool
}

// idle waits for a change. The cursor is saved first, if that is due.
func (f *follower) idle(ctx context.Context, changed <-chan struct{}) {
	var due <-chan time.Time
	if t := f.table.Load(); f.read > f.saved && !t.idle(Devices, Modules) {
		t := time.NewTimer(time.Until(f.at.Add(saveEvery)))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-changed:
	case <-due:
	case <-ctx.Done():
	}
}

// catchUp reads the journal up to its end.
func (f *follower) catchUp(ctx context.Context) error {
	// What is in the journal before it is seen that there are no configurations
	// is no concern of one that comes later: that looks at all twins anyway.
	head := f.opt.Journal.Head()
	if !f.connections {
		// Who was connected when the hub before ended is not any more, and if it
		// was killed no change tells of it.
		if err := f.passes(ctx, (*compiled).asksConnection); err != nil {
			return err
		}
		f.connections = true
	}
	if t := f.table.Load(); t.idle(Devices, Modules) {
		f.read = head
		f.counts.followed.Store(f.read)
		return nil
	}
	if head < f.read || f.read == 0 && head > 0 {
		// The hub was set back to an older state, or is followed for the first time.
		if err := f.everything(ctx, head); err != nil {
			return err
		}
	}
	n := 0
	for c, err := range f.opt.Journal.Read(ctx, f.read, false) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		lost := err == nil && c.Sequence > f.read+1
		switch {
		case lost, tvilling.CodeOf(err) == tvilling.Corrupt:
			if err := f.everything(ctx, max(head, c.Sequence)); err != nil {
				return err
			}
			return nil
		case err != nil:
			return err
		}
		if f.table.Load().concerns(&c) {
			f.renew(ctx, c.ID, true, f.window, nil)
		}
		f.read = c.Sequence
		f.counts.followed.Store(f.read)
		if n++; n%saveAfter == 0 {
			if err := f.save(ctx); err != nil {
				return err
			}
		}
	}
	if f.read < head && ctx.Err() == nil {
		// Changes were there, and none of them can be read any more.
		if err := f.everything(ctx, head); err != nil {
			return err
		}
	}
	if f.read > f.saved && time.Since(f.at) >= saveEvery {
		return f.save(ctx)
	}
	if err := f.fault(); err != nil {
		f.read = f.saved
		return err
	}
	return nil
}

// fault returns and forgets an error of what is being written.
func (f *follower) fault() error {
	f.window.mu.Lock()
	defer f.window.mu.Unlock()
	err := f.window.fault
	f.window.fault = nil
	return err
}

// everything has all twins of all configurations looked at, because changes up
// to a sequence cannot be read, and goes on after it.
func (f *follower) everything(ctx context.Context, until uint64) error {
	if err := f.passes(ctx, func(*compiled) bool { return true }); err != nil {
		return err
	}
	f.read = until
	f.counts.followed.Store(f.read)
	return f.save(ctx)
}

// passes begins a pass of each configuration that which chooses; it is asked
// with nil of one that is deleted and still leaves traces.
func (f *follower) passes(ctx context.Context, which func(*compiled) bool) error {
	t := f.table.Load()
	for id := range t.stages() {
		if !which(t.byID[id]) {
			continue
		}
		err := f.edit(ctx, id, "", "", func(now time.Time, at *stage) error {
			at.begin(now)
			return nil
		})
		switch tvilling.CodeOf(err) {
		case "", tvilling.ConfigurationNotFound, tvilling.Corrupt: // a damaged one writes nothing
		default:
			return err
		}
	}
	return nil
}

// asksConnection reports whether the condition asks who is connected.
func (c *compiled) asksConnection() bool {
	return c != nil && c.target != nil && slices.ContainsFunc(c.target.Members(), func(m *query.Member) bool {
		return m.Segments[0] == "connectionState" || m.Segments[0] == "lastActivityTime"
	})
}

// save makes the cursor durable, once all that it stands for is.
func (f *follower) save(ctx context.Context) error {
	if err := f.window.settle(ctx); err != nil {
		f.read = f.saved
		return err
	}
	f.at = time.Now()
	err := f.opt.Committer.Do(ctx, func(tx *commit.Tx) error {
		return put(tx, cursorSetting, &cursor{Format: format, Cursor: f.read})
	})
	if err == nil {
		f.saved = f.read
	}
	return err
}

// concerns reports whether a change may alter what a twin is to have: false is
// certain.
func (t *table) concerns(c *state.Change) bool {
	if c.ID.Device == "" {
		return false
	}
	kind := kindOf(c.ID)
	if t.idle(kind) {
		return false
	}
	own := false
	if _, _, ok := doc.ConfigurationOf(c.Actor); ok {
		own = true
	}
	switch c.Op {
	case state.DeleteDevice, state.DeleteModule, state.ChangePolicy, state.ChangeSetting,
		state.ChangeUser, state.SignedIn, state.SignedOut, state.SignInRefused, state.Acted:
		return false
	case state.CreateDevice, state.CreateModule, state.UpdateDevice, state.UpdateModule:
		return true
	case state.Connected, state.Disconnected:
		return t.reading(kind, func(path []string) bool {
			return path[0] == "connectionState" || path[0] == "lastActivityTime" || path[0] == "modelId"
		})
	case state.ReportTwin:
		return t.reading(kind, func(path []string) bool { return inSection(path, "reported") && names(c.Body, path, 2) })
	case state.UpdateOwned:
		// The names of owned members are lower case, and found in any.
		return t.reading(kind, func(path []string) bool { return names(c.Body, []string{strings.ToLower(path[0])}, 0) })
	case state.UpdateTwin, state.ReplaceTwin:
		if c.Desired != 0 && !own {
			return true // something of a configuration may have been overwritten
		}
		return t.reading(kind, func(path []string) bool {
			switch path[0] {
			case "tags":
				return !own
			case "properties":
				return inSection(path, "desired")
			case twin.ConfigurationsMember:
				return own
			}
			return path[0] == "version" || path[0] == "etag"
		})
	}
	return true
}

// inSection reports whether a path leads into a section of the properties, or
// is of all of them.
func inSection(path []string, section string) bool {
	return path[0] == "properties" && (len(path) == 1 || path[1] == section)
}

// names reports whether the body of a change may name the element of a path at
// a place; a path that ends before it means everything.
func names(body []byte, path []string, at int) bool {
	if len(path) <= at || strings.HasPrefix(path[at], "$") {
		return true
	}
	return bytes.Contains(body, appendQuoted(nil, path[at]))
}

// reading reports whether a condition of a kind reads a path of which f is true.
func (t *table) reading(k Kind, f func(path []string) bool) bool {
	return slices.ContainsFunc(t.reads[k], f)
}
