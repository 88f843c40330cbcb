package schema

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// arenaChunk is how much room is made for unescaped texts at a time.
const arenaChunk = 2048

// unescape returns the text of a string token. Half of a surrogate pair
// becomes U+FFFD: Go's texts are UTF-8, which has no other way to say it.
func (s *scanner) unescape(raw string) string {
	// What is unescaped is never longer than it was, so that the arena does
	// not grow while texts that were taken out of it refer to it.
	if s.arena.Cap()-s.arena.Len() < len(raw) {
		s.arena = strings.Builder{}
		s.arena.Grow(max(len(raw), min(arenaChunk, len(s.text))))
	}
	start := s.arena.Len()
	for {
		i := strings.IndexByte(raw, '\\')
		if i < 0 {
			s.arena.WriteString(raw)
			return s.arena.String()[start:]
		}
		s.arena.WriteString(raw[:i])
		raw = raw[s.unescapeOne(raw, i):]
	}
}

// unescapeOne writes what the escape at raw[i] stands for and returns the
// place behind it.
func (s *scanner) unescapeOne(raw string, i int) int {
	switch c := raw[i+1]; c {
	case 'b':
		s.arena.WriteByte('\b')
	case 'f':
		s.arena.WriteByte('\f')
	case 'n':
		s.arena.WriteByte('\n')
	case 'r':
		s.arena.WriteByte('\r')
	case 't':
		s.arena.WriteByte('\t')
	case 'u':
		r := hex4(raw[i+2 : i+6])
		if !utf16.IsSurrogate(r) {
			s.arena.WriteRune(r)
			return i + 6
		}
		if i+12 <= len(raw) && raw[i+6] == '\\' && raw[i+7] == 'u' {
			if both := utf16.DecodeRune(r, hex4(raw[i+8:i+12])); both != utf8.RuneError {
				s.arena.WriteRune(both)
				return i + 12
			}
		}
		s.arena.WriteRune(utf8.RuneError)
		return i + 6
	default:
		s.arena.WriteByte(c)
	}
	return i + 2
}

// hex4 returns the number of four hexadecimal digits, -1 if they are none.
func hex4[T string | []byte](b T) rune {
	var r rune
	for i := range 4 {
		n := hexDigit(b[i])
		if n < 0 {
			return -1
		}
		r = r<<4 | n
	}
	return r
}

func hexDigit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	default:
		return -1
	}
}

// compact appends JSON without its white space.
func compact(dst []byte, raw string) []byte {
	quoted := false
	start := 0
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c <= ' ':
			dst = append(dst, raw[start:i]...)
			start = i + 1
		}
	}
	return append(dst, raw[start:]...)
}

// appendString appends s as a JSON string: quotes, backslashes and control
// characters escaped, everything else as it is.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if plain[c] {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
			start = i + 1
		}
		i += n
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
