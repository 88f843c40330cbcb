package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

const (
	// firstPause is how long a lost live query waits before it goes on; the
	// pause doubles up to lastPause while the hub cannot be reached.
	firstPause = 500 * time.Millisecond
	lastPause  = 30 * time.Second
)

// liveQuery is a query that is followed.
type liveQuery struct {
	out, notes io.Writer
	json       bool
	limit      int
	cursor     string
	told       int
	pause      time.Duration
}

// followQuery prints what happens to the result of a query until ctx ends.
func followQuery(cmd *cobra.Command, c *client.Client, asJSON bool, o queryOptions, text string) error {
	l := &liveQuery{out: cmd.OutOrStdout(), notes: cmd.ErrOrStderr(), json: asJSON, limit: o.limit, cursor: o.cursor}
	ctx := cmd.Context()
	for {
		err := l.read(ctx, c, text)
		if err == nil || ctx.Err() != nil {
			return l.end()
		}
		if !l.recovers(err) {
			if l.cursor == o.cursor {
				return err // it may be that cursor which is refused
			}
			return errors.Join(err, l.end())
		}
		l.pause = min(max(2*l.pause, firstPause), lastPause)
		fmt.Fprintf(l.notes, "%s Going on in %s.\n", clean(tvilling.MessageOf(err)), l.pause)
		select {
		case <-time.After(l.pause):
		case <-ctx.Done():
			return l.end()
		}
	}
}

// read prints the events of one connection. It returns nil when enough were.
func (l *liveQuery) read(ctx context.Context, c *client.Client, text string) error {
	for e, err := range c.Live(ctx, text, l.cursor) {
		if err != nil {
			return err
		}
		l.pause = 0
		if e.Cursor != "" || e.Kind == "reset" {
			l.cursor = e.Cursor
		}
		if e.Kind == "idle" {
			continue
		}
		if err := l.print(e); err != nil {
			return err
		}
		if l.limit > 0 && l.told == l.limit {
			return nil
		}
	}
	return nil
}

// recovers reports whether going on from the cursor can mend an error: the hub
// was lost, or has ended a stream that it had begun.
func (l *liveQuery) recovers(err error) bool {
	switch tvilling.CodeOf(err) {
	case tvilling.Unavailable, tvilling.Throttled:
		return true
	case tvilling.Unauthorized:
		answer, ok := errors.AsType[*client.Answer](err)
		return ok && answer.Status == 200
	default:
		return false
	}
}

func (l *liveQuery) print(e *client.LiveEvent) error {
	sign, ok := map[string]string{"entered": "+", "changed": "~", "left": "-"}[e.Kind]
	if ok {
		l.told++
	}
	if l.json {
		return writeJSON(l.out, e)
	}
	switch {
	case ok:
		id := tvilling.Identity{Device: e.DeviceID, Module: e.ModuleID}
		row := ""
		if e.Row != nil {
			row = "  " + oneLine(string(e.Row))
		}
		_, err := fmt.Fprintf(l.out, "%s %s%s\n", sign, oneLine(id.String()), row)
		return err
	case e.Kind == "ready" && e.Members != nil:
		fmt.Fprintf(l.notes, "The query finds %s; what follows is what happens to that. Stop with Ctrl-C.\n", counted(int64(*e.Members), "twin"))
	case e.Kind == "reset":
		fmt.Fprintf(l.notes, "All rows are told anew: %s\n", clean(e.Reason))
	}
	return nil
}

// end tells where to go on.
func (l *liveQuery) end() error {
	if l.cursor != "" {
		fmt.Fprintf(l.notes, "To go on from here: --cursor %s\n", l.cursor)
	}
	return nil
}
