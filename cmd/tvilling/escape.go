package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// steers reports whether a terminal may take a character for more than one to
// show: control characters, of C1 too, line ends of Unicode's own, and what
// changes the direction of writing.
func steers(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// clean keeps what devices send from steering the terminal: what would steer
// it becomes visible. Line ends and tabs stay.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && steers(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// oneLine is clean for what stands in a line or a cell: what a device sends
// cannot begin a line or a column of its own.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case steers(r):
			return utf8.RuneError
		}
		return r
	}, s)
}

// writeJSON writes v on one line, as it is: HTML escapes would only hurt. What
// could steer a terminal is escaped, which changes nothing of the value.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	if raw, ok := v.(json.RawMessage); ok {
		if err := json.Compact(&b, raw); err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		b.WriteByte('\n')
	} else {
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
	}
	_, err := w.Write(escapeJSON(b.Bytes()))
	return err
}

// escapeJSON escapes in the strings of a line of JSON what JSON lets stand and
// a terminal may obey. Outside of strings there is no such character.
func escapeJSON(line []byte) []byte {
	if utf8.Valid(line) && !bytes.ContainsFunc(line, func(r rune) bool { return r != '\n' && steers(r) }) {
		return line
	}
	out := make([]byte, 0, len(line)+64)
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		switch {
		case r == utf8.RuneError && n == 1: // as every reader of JSON takes it
			out = utf8.AppendRune(out, utf8.RuneError)
		case r != '\n' && steers(r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, line[:n]...)
		}
		line = line[n:]
	}
	return out
}

// cleanWriter passes text on to a terminal without what could steer it.
type cleanWriter struct {
	w    io.Writer
	part []byte // of the last write: the beginning of what is still to come whole
}

// Write writes p.
func (c *cleanWriter) Write(p []byte) (int, error) {
	text := slices.Concat(c.part, p)
	whole := len(text)
	// A character may be cut by the end of p, and then lacks up to three bytes;
	// so may a line end of two.
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if b := text[len(text)-n]; utf8.RuneStart(b) {
			if !utf8.FullRune(text[len(text)-n:]) || b == '\r' && n == 1 {
				whole = len(text) - n
			}
			break
		}
	}
	c.part = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(c.w, clean(strings.ReplaceAll(string(text[:whole]), "\r\n", "\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// safely is w, made safe if a person looks at it: text that is not the
// program's own comes unchanged only into files and pipes.
func safely(w io.Writer) io.Writer {
	if isTerminal(w) {
		return &cleanWriter{w: w}
	}
	return w
}
