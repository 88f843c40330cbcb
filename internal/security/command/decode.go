package command

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape undoes the backslash escapes of printf and $'…'.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'x':
			i = number(&b, s, i+1, 2, 16)
		case '0', '1', '2', '3', '4', '5', '6', '7':
			i = number(&b, s, i, 4-int(min(c-'0', 1)), 8)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// number appends the byte whose digits begin at i and returns where the last
// digit stands.
func number(b *strings.Builder, s string, i, most, base int) int {
	n := i
	for n < len(s) && n < i+most {
		if _, err := strconv.ParseUint(s[n:n+1], base, 8); err != nil {
			break
		}
		n++
	}
	if v, err := strconv.ParseUint(s[i:n], base, 16); err == nil {
		b.WriteByte(byte(v)) // an octal escape may be beyond 255 and wraps, as in a shell
	}
	return n - 1
}

// fromBase64 decodes text in either alphabet, padded or not. It fails unless
// what comes out is text.
func fromBase64(s string) (string, bool) {
	s = strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\n', '\r', '\t', '=':
			return -1
		case '-':
			return '+'
		case '_':
			return '/'
		}
		return r
	}, s)
	if len(s) < 8 {
		return "", false
	}
	out, err := base64.RawStdEncoding.DecodeString(s)
	return text(out, err)
}

func fromHex(s string) (string, bool) {
	s = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\n' {
			return -1
		}
		return r
	}, s)
	if len(s) < 8 {
		return "", false
	}
	out, err := hex.DecodeString(s)
	return text(out, err)
}

func text(b []byte, err error) (string, bool) {
	if err != nil || !utf8.Valid(b) {
		return "", false
	}
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' {
			return "", false
		}
	}
	return string(b), true
}
