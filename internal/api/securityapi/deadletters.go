package securityapi

import (
	"encoding/json"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/security/event"
)

// deadLetterJSON is something that could not be read, and why. Index is -1 for
// a whole message. Raw is what was sent, cut to 16 KiB, if it is text.
type deadLetterJSON struct {
	Sequence uint64            `json:"sequence"`
	Index    int               `json:"index"`
	Device   tvilling.DeviceID `json:"device"`
	Module   tvilling.ModuleID `json:"module,omitempty"`
	Received time.Time         `json:"received"`
	Path     string            `json:"path"`
	Reason   string            `json:"reason"`
	Size     int               `json:"size"`
	Raw      string            `json:"raw,omitempty"`
	Base64   []byte            `json:"rawBase64,omitempty"`
}

// deadLetters is GET deadletters: a page, newest first.
func (h *Handler) deadLetters(c *rest.Call) error {
	d, err := device(c)
	if err != nil {
		return err
	}
	n, err := top(c)
	if err != nil {
		return err
	}
	before, err := parsePosition(c.Query.Get("after"))
	if err != nil {
		return err
	}
	var out struct {
		Letters []json.RawMessage `json:"deadLetters"`
		Next    string            `json:"next,omitempty"`
		Damaged int               `json:"damaged,omitempty"`
	}
	sound := skipDamaged(h.opt.Events.DeadLetters(c.Context(), d, before), &out.Damaged)
	list, last, more, err := page(sound, n, encodeDeadLetter)
	if err != nil {
		return err
	}
	if out.Letters = list; more {
		out.Next = position(event.Position{Sequence: last.Sequence, Index: last.Index})
	}
	return c.Answer(out, "")
}

// skipDamaged leaves out what is damaged in the store, and counts it.
func skipDamaged[T any](list iter.Seq2[T, error], damaged *int) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range list {
			if tvilling.CodeOf(err) == tvilling.Corrupt {
				*damaged++
				continue
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

func encodeDeadLetter(l *event.DeadLetter) (json.RawMessage, error) {
	out := deadLetterJSON{
		Sequence: l.Sequence, Index: l.Index, Device: l.From.Device, Module: l.From.Module, Received: l.Received.UTC(),
		Path: l.Path, Reason: l.Reason, Size: l.Size,
	}
	if utf8.Valid(l.Raw) {
		out.Raw = string(l.Raw)
	} else {
		out.Base64 = l.Raw
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode dead letter: %w", err)
	}
	return b, nil
}
