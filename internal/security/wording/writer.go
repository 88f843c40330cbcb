package wording

import (
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
)

// writer makes the sentence of an item.
type writer struct {
	it event.Item
	s  Sentence
}

func (w *writer) words(text string) *writer {
	if text != "" {
		w.s = append(w.s, Part{Text: text})
	}
	return w
}

// value returns what was sent in a field, "" for nothing.
func (w *writer) value(f event.Field) string {
	v, ok := w.it.Field(f)
	if !ok {
		return ""
	}
	return v.Text
}

// field adds what was sent in a field, behind some words, if anything was.
func (w *writer) field(before string, f event.Field) *writer {
	if v := w.value(f); v != "" {
		w.words(before)
		w.s = append(w.s, Part{Text: v, Value: true, Field: f})
	}
	return w
}

// either adds what was sent in a field, or words for nothing.
func (w *writer) either(f event.Field, nothing string) *writer {
	if w.value(f) == "" {
		return w.words(nothing)
	}
	return w.field("", f)
}

func (w *writer) number(n int64, one, many string) *writer {
	text := strconv.FormatInt(n, 10)
	if many != "" {
		text = count(n, one, many)
	}
	return w.words(text)
}

func (w *writer) id(pid int64) {
	if pid != 0 {
		w.words(", process " + strconv.FormatInt(pid, 10))
	}
}

// address adds an address with its port.
func (w *writer) address(address, port event.Field) *writer {
	w.either(address, "any address")
	return w.field(":", port)
}

func (w *writer) user() *writer {
	if w.value(event.UserName) != "" {
		return w.field(" as ", event.UserName)
	}
	return w.field(" as user ", event.UserID)
}

func (w *writer) process(p *event.ProcessCreate) {
	w.words("Started ")
	if p.CommandLine != "" {
		w.field("", event.CommandLine)
	} else {
		w.either(event.Executable, "an unknown program")
	}
	w.user().id(p.ProcessID)
}

func (w *writer) connection(c *event.ConnectionCreate) {
	switch {
	case strings.EqualFold(c.Direction, "in"):
		w.words("Connection from ").address(event.RemoteAddress, event.RemotePort).field(" to port ", event.LocalPort)
	case strings.EqualFold(c.Direction, "out"):
		w.words("Connection to ").address(event.RemoteAddress, event.RemotePort)
	default:
		w.words("Connection with ").address(event.RemoteAddress, event.RemotePort)
	}
	if c.CommandLine != "" {
		w.field(" by ", event.CommandLine)
	} else {
		w.field(" by ", event.Executable)
	}
	w.field(", ", event.Protocol)
}

func (w *writer) login(l *event.Login) {
	switch {
	case strings.EqualFold(l.Result, "success"):
		w.words("Login of ")
	case strings.EqualFold(l.Result, "fail"):
		w.words("Failed login of ")
	default:
		w.words("Attempt to log in as ")
	}
	if l.UserName != "" {
		w.field("", event.UserName)
	} else {
		w.either(event.UserID, "an unknown user")
	}
	if l.RemoteAddress != "" {
		w.field(" from ", event.RemoteAddress)
	} else {
		w.words(" at the device")
	}
	w.field(" by ", event.Executable)
}

func (w *writer) firewall(f *event.FirewallConfiguration) {
	w.words("Firewall rule: ").either(event.Action, "no action")
	w.field(" ", event.Direction).field(" ", event.Protocol)
	if w.value(event.SourceAddress) != "" || w.value(event.SourcePort) != "" {
		w.words(" from ").address(event.SourceAddress, event.SourcePort)
	}
	if w.value(event.DestinationAddress) != "" || w.value(event.DestinationPort) != "" {
		w.words(" to ").address(event.DestinationAddress, event.DestinationPort)
	}
	w.field(", chain ", event.ChainName)
	if !f.Enabled {
		w.words(", switched off")
	}
}

func (w *writer) baseline(b *event.OSBaseline) {
	switch {
	case strings.EqualFold(b.Result, "fail"):
		w.words("Check failed: ")
	case strings.EqualFold(b.Result, "err"):
		w.words("Check could not be made: ")
	default:
		w.words("Check: ")
	}
	w.either(event.Description, "without a description")
	w.field(", ", event.Severity).field(", ", event.CceID).field(": ", event.ErrorText)
}
