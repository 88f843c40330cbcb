package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"
)

// JSON is a JSON text as people read and edit it: indented, with every
// character that would not be seen, or would change how others are seen, as an
// escape. It means the same as the text that it is made of, which must be JSON.
func JSON(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return PlainJSON(string(raw))
	}
	return PlainJSON(b.String())
}

// PlainJSON is a JSON text with its strange characters as escapes. All of them
// that JSON allows as they are stand in strings.
func PlainJSON(s string) string {
	if !strings.ContainsFunc(s, escapes) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !escapes(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// escapes reports whether r is to be an escape. Line feeds and tabs stand
// between the values.
func escapes(r rune) bool { return r != '\n' && r != '\t' && r != '\r' && strange(r) }
