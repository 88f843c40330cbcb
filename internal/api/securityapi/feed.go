package securityapi

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// entriesAtOnce is how many entries of the feed are read before they are sent,
// so that no client, however slow, keeps a read of the store open.
const entriesAtOnce = 256

// entryJSON is an entry of the feed.
type entryJSON struct {
	Sequence uint64            `json:"sequence"`
	Time     time.Time         `json:"time"`
	Subject  string            `json:"subject"`
	ID       string            `json:"id"`
	Device   tvilling.DeviceID `json:"device"`
	Action   string            `json:"action"`
	Actor    string            `json:"actor"`
	Body     json.RawMessage   `json:"body,omitempty"`
}

// feed is GET feed?after=N|latest&follow=true: how alerts and recommendations
// changed, one change a line. Where entries after N are no longer kept, a line
// {"error":…} says so first.
func (h *Handler) feed(c *rest.Call) error {
	after, err := c.After(h.opt.Ledger.FeedHead)
	if err != nil {
		return err
	}
	follow, err := c.Flag("follow")
	if err != nil {
		return err
	}
	return c.Stream(func(ctx context.Context, emit func([]byte) error) error {
		for {
			changed := h.opt.Changed()
			n, err := h.emitFeed(ctx, &after, emit)
			if err != nil {
				return err
			}
			if n == entriesAtOnce {
				continue
			}
			if !follow {
				return nil
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

// emitFeed sends some entries after a sequence, moves it on, and returns how
// many they were.
func (h *Handler) emitFeed(ctx context.Context, after *uint64, emit func([]byte) error) (int, error) {
	var lines [][]byte
	n := 0
	for e, err := range h.opt.Ledger.Feed(ctx, *after) {
		if err != nil {
			return 0, err
		}
		if *after > 0 && e.Sequence > *after+1 {
			lines = append(lines, rest.Missing(tvilling.Errorf(tvilling.NotFound,
				"The entries %d to %d of the feed are no longer kept.", *after+1, e.Sequence-1)))
		}
		line, err := encodeEntry(e)
		if err != nil {
			return 0, err
		}
		lines = append(lines, append(line, '\n'))
		*after = e.Sequence
		if n++; n == entriesAtOnce {
			break
		}
	}
	for _, line := range lines {
		if err := emit(line); err != nil {
			return 0, err
		}
	}
	return n, ctx.Err()
}

func encodeEntry(e ledger.Entry) ([]byte, error) {
	b, err := json.Marshal(entryJSON{
		Sequence: e.Sequence, Time: e.Time.UTC(), Subject: e.Subject, ID: e.ID, Device: e.Device, Action: e.Action, Actor: e.Actor, Body: e.Body,
	})
	if err != nil {
		return nil, fmt.Errorf("encode entry %d of the feed: %w", e.Sequence, err)
	}
	return b, nil
}
