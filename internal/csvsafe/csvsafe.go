// Package csvsafe writes CSV of what strangers wrote, for spreadsheets that take
// some text for formulas and terminals that take some for commands.
package csvsafe

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// Append appends a record as RFC 4180 has it: cells with a comma, a quote or
// the end of a line are quoted, quotes doubled, the record ends with CR LF.
//
// Cells are data of devices, and spreadsheets take some text for formulas: a
// cell that begins with = + - @, a tab or a carriage return gets a ' before
// it. Other control characters, and those that turn the direction of writing
// or end a line unseen, are written as \u and four digits, which in the column
// of JSON means the same.
func Append(dst []byte, cells []string) []byte {
	for i, cell := range cells {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCell(dst, cell)
	}
	return append(dst, '\r', '\n')
}

func appendCell(dst []byte, s string) []byte {
	quoted := strings.ContainsAny(s, ",\"\r\n")
	if quoted {
		dst = append(dst, '"')
	}
	if s != "" && strings.IndexByte("=+-@\t\r", s[0]) >= 0 {
		dst = append(dst, '\'')
	}
	for _, r := range s { // what is not UTF-8 becomes U+FFFD
		switch {
		case r == '"':
			dst = append(dst, '"', '"')
		case harmful(r):
			dst = append(dst, '\\', 'u', hexDigits[r>>12&0xf], hexDigits[r>>8&0xf], hexDigits[r>>4&0xf], hexDigits[r&0xf])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	if quoted {
		dst = append(dst, '"')
	}
	return dst
}

// harmful reports whether a character may do something to who shows it.
func harmful(r rune) bool {
	switch {
	case r == '\t', r == '\r', r == '\n':
		return false
	case unicode.IsControl(r):
		return true
	default:
		return r >= 0x200e && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	}
}
