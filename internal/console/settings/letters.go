package settings

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/event"
)

const (
	lettersAtOnce = 25
	lettersExport = 100_000
	shownBytes    = 1024
)

type letters struct {
	Nav     web.SettingsNav
	Device  string
	Rows    []letter
	Damaged int
	Pager   web.Pager
	Total   int64
	Shed    int64
	Export  string
}

// letter is something that could not be read.
type letter struct {
	*event.DeadLetter

	// Text is what was sent, if it is text, else Hex.
	Text, Hex string
	// Cut is how many bytes of it are not shown here.
	Cut  int
	Href string
}

func (a *area) letters(c *web.Call) error {
	p := &letters{Nav: c.SettingsNav("deadletters"), Device: strings.TrimSpace(c.Query("device"))}
	before, err := position(c.After())
	if err != nil {
		return err
	}
	f, _ := a.Health()
	p.Total, p.Shed = f.DeadLetters, f.DeadLettersShed
	p.Export = ui.URL("settings", "deadletters", "export", query(p.Device))
	next := ""
	for l, err := range a.Letters(c.Context(), tvilling.DeviceID(p.Device), before) {
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			p.Damaged++
			continue
		}
		if err != nil {
			return err
		}
		if len(p.Rows) == lettersAtOnce {
			last := p.Rows[len(p.Rows)-1]
			next = fmt.Sprintf("%d.%d", last.Sequence, last.Index)
			break
		}
		p.Rows = append(p.Rows, show(l))
	}
	p.Pager = c.Pager(next)
	return c.Page(view("Dead letters", "letters", p))
}

func query(device string) url.Values {
	if device == "" {
		return nil
	}
	return url.Values{"device": {device}}
}

// position reads "sequence.index".
func position(s string) (p event.Position, err error) {
	if s == "" {
		return p, nil
	}
	sequence, index, ok := strings.Cut(s, ".")
	if p.Sequence, err = strconv.ParseUint(sequence, 10, 64); err == nil && ok {
		p.Index, err = strconv.Atoi(index)
	}
	if err != nil || !ok {
		return p, tvilling.Errorf(tvilling.InvalidArgument, "The place in the list is malformed; begin anew.")
	}
	return p, nil
}

// show makes what was sent fit for a page.
func show(l *event.DeadLetter) letter {
	out := letter{DeadLetter: l, Href: ui.URL("devices", l.From.Device)}
	raw := l.Raw
	if len(raw) > shownBytes {
		raw = raw[:shownBytes]
		for !utf8.Valid(raw) && utf8.Valid(l.Raw) {
			raw = raw[:len(raw)-1] // not within a character
		}
		out.Cut = len(l.Raw) - len(raw)
	}
	if utf8.Valid(raw) {
		out.Text = string(raw)
	} else {
		out.Hex = hex.Dump(raw)
	}
	return out
}

// Where says whether it is the whole message or one event in it.
func (l *letter) Where() string {
	if l.Index < 0 {
		return "whole message"
	}
	return fmt.Sprintf("event %d", l.Index+1)
}

// exportLetters sends dead letters as JSON, one a line.
func (a *area) exportLetters(c *web.Call) error {
	device := tvilling.DeviceID(strings.TrimSpace(c.Query("device")))
	return c.Download("application/x-ndjson", "dead-letters.ndjson", func(emit func([]byte) error) error {
		return a.export(c.Context(), device, emit)
	})
}

func (a *area) export(ctx context.Context, device tvilling.DeviceID, emit func([]byte) error) error {
	n := 0
	for l, err := range a.Letters(ctx, device, event.Position{}) {
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			continue
		}
		if err != nil {
			return err
		}
		b, err := json.Marshal(struct {
			Sequence uint64            `json:"sequence"`
			Index    int               `json:"index"`
			Device   tvilling.DeviceID `json:"device"`
			Module   tvilling.ModuleID `json:"module,omitempty"`
			Received time.Time         `json:"received"`
			Path     string            `json:"path"`
			Reason   string            `json:"reason"`
			Size     int               `json:"size"`
			Raw      []byte            `json:"rawBase64"`
		}{l.Sequence, l.Index, l.From.Device, l.From.Module, l.Received.UTC(), l.Path, l.Reason, l.Size, l.Raw})
		if err != nil {
			return fmt.Errorf("encode a dead letter: %w", err)
		}
		if err := emit(append(b, '\n')); err != nil {
			return err
		}
		if n++; n == lettersExport {
			return nil
		}
	}
	return nil
}
