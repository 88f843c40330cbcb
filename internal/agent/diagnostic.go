//go:build linux

package agent

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Lines of the log that say that something is wrong are told to the hub as
// events, so many at most in a while; the log itself has them all.
const (
	maxDiagnostics   = 20
	diagnosticWindow = 10 * time.Minute
	maxDiagnostic    = 1024 // bytes of a message
)

// diagnostics is a log handler that gives warnings and errors to the sink, too.
type diagnostics struct {
	slog.Handler
	sink  *diagnosticSink
	attrs []slog.Attr
}

type diagnosticSink struct {
	observe func(at time.Time, it event.Item)

	mu    sync.Mutex
	begun time.Time
	n     int
}

// newDiagnostics returns a handler over another. observe is set before anything
// is logged by who makes the sink.
func newDiagnostics(h slog.Handler) *diagnostics {
	return &diagnostics{Handler: h, sink: &diagnosticSink{}}
}

// Handle gives a line on.
func (d *diagnostics) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		d.sink.take(r, d.attrs)
	}
	return d.Handler.Handle(ctx, r)
}

// Enabled says that warnings are always wanted.
func (d *diagnostics) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn || d.Handler.Enabled(ctx, l)
}

// WithAttrs returns a handler that adds attributes.
func (d *diagnostics) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &diagnostics{Handler: d.Handler.WithAttrs(attrs), sink: d.sink, attrs: append(slices.Clip(d.attrs), attrs...)}
}

// WithGroup returns a handler that groups attributes; events show them flat.
func (d *diagnostics) WithGroup(name string) slog.Handler {
	return &diagnostics{Handler: d.Handler.WithGroup(name), sink: d.sink, attrs: d.attrs}
}

func (s *diagnosticSink) take(r slog.Record, attrs []slog.Attr) {
	now := time.Now()
	s.mu.Lock()
	observe := s.observe
	if now.Sub(s.begun) > diagnosticWindow {
		s.begun, s.n = now, 0
	}
	s.n++
	n := s.n
	s.mu.Unlock()
	if observe == nil || n > maxDiagnostics {
		return
	}
	text := r.Message
	add := func(a slog.Attr) bool {
		text += "; " + a.Key + ": " + a.Value.Resolve().String()
		return len(text) < maxDiagnostic
	}
	for _, a := range attrs {
		add(a)
	}
	r.Attrs(add)
	if len(text) > maxDiagnostic {
		text = text[:maxDiagnostic]
	}
	if n == maxDiagnostics {
		text += " (the next ones are only in the device's own log)"
	}
	severity := "Warning"
	if r.Level >= slog.LevelError {
		severity = "Error"
	}
	pid := int64(os.Getpid())
	observe(now, &event.Diagnostic{Severity: severity, Message: strings.ToValidUTF8(text, ""), ProcessID: pid, ThreadID: pid})
}
