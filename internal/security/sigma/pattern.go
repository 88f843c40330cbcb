package sigma

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind says what a part of a pattern stands for.
type tokenKind uint8

const (
	literal     tokenKind = iota // its text
	star                         // any text, the empty one too: *
	question                     // one rune: ?
	dash                         // one of the dashes that begin an option
	placeholder                  // %name%: its text is the name
)

type tok struct {
	kind tokenKind
	text string
}

// pattern is a value of a rule as the specification writes texts.
type pattern []tok

// dashes are what windash takes for each other.
const dashes = "-/–—―"

// parsePattern reads wildcards and backslashes: a backslash makes a plain
// character of a wildcard or a backslash that follows, and is itself plain
// before anything else.
func parsePattern(s string) pattern {
	var p pattern
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			p = append(p, tok{literal, b.String()})
			b.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			if i+1 < len(s) && (s[i+1] == '*' || s[i+1] == '?' || s[i+1] == '\\') {
				i++
			}
			b.WriteByte(s[i])
		case '*':
			flush()
			if len(p) == 0 || p[len(p)-1].kind != star {
				p = append(p, tok{kind: star})
			}
		case '?':
			flush()
			p = append(p, tok{kind: question})
		default:
			b.WriteByte(c)
		}
	}
	flush()
	return p
}

// text returns the pattern's text if it is nothing but text.
func (p pattern) text() (string, bool) {
	switch {
	case len(p) == 0:
		return "", true
	case len(p) == 1 && p[0].kind == literal:
		return p[0].text, true
	default:
		return "", false
	}
}

func (p pattern) wildcards() int {
	n := 0
	for _, t := range p {
		if t.kind != literal {
			n++
		}
	}
	return n
}

// open returns the pattern with a wildcard before or after it.
func (p pattern) open(before, after bool) pattern {
	out := make(pattern, 0, len(p)+2)
	if before && (len(p) == 0 || p[0].kind != star) {
		out = append(out, tok{kind: star})
	}
	out = append(out, p...)
	if after && out[len(out)-1].kind != star {
		out = append(out, tok{kind: star})
	}
	return out
}

// windash makes a place of each dash that begins an option: no letter or digit
// before it, one after it.
func (p pattern) windash() pattern {
	var out pattern
	for _, t := range p {
		if t.kind != literal {
			out = append(out, t)
			continue
		}
		from, before := 0, false
		for i, size := 0, 0; i < len(t.text); i += size {
			var r rune
			r, size = utf8.DecodeRuneInString(t.text[i:])
			next, _ := utf8.DecodeRuneInString(t.text[i+size:])
			if strings.ContainsRune(dashes, r) && !before && word(next) {
				if i > from {
					out = append(out, tok{literal, t.text[from:i]})
				}
				out = append(out, tok{kind: dash})
				from = i + size
			}
			before = word(r)
		}
		if from < len(t.text) {
			out = append(out, tok{literal, t.text[from:]})
		}
	}
	return out
}

func word(r rune) bool {
	return r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// withoutDashes writes the dashes of windash out; false if that makes more
// than limit texts.
func (p pattern) withoutDashes(limit int) ([]pattern, bool) {
	out := []pattern{nil}
	for _, t := range p {
		if t.kind != dash {
			for i := range out {
				out[i] = out[i].append(t)
			}
			continue
		}
		var more []pattern
		for _, o := range out {
			for _, r := range dashes {
				more = append(more, append(pattern(nil), o...).append(tok{literal, string(r)}))
			}
		}
		if out = more; len(out) > limit {
			return nil, false
		}
	}
	return out, true
}

// append adds a token and joins neighbouring texts and stars.
func (p pattern) append(t tok) pattern {
	if n := len(p); n > 0 {
		switch last := &p[n-1]; {
		case last.kind == literal && t.kind == literal:
			last.text += t.text
			return p
		case last.kind == star && t.kind == star:
			return p
		}
	}
	if t.kind == literal && t.text == "" {
		return p
	}
	return append(p, t)
}

// expand makes placeholders of %name%; \% is a percent sign.
func (p pattern) expand() pattern {
	var out pattern
	for _, t := range p {
		if t.kind != literal {
			out = out.append(t)
			continue
		}
		for s := t.text; s != ""; {
			at := strings.IndexByte(s, '%')
			if at < 0 {
				out = out.append(tok{literal, s})
				break
			}
			if at > 0 && s[at-1] == '\\' {
				out = out.append(tok{literal, s[:at-1] + "%"})
				s = s[at+1:]
				continue
			}
			end := at + 1
			for end < len(s) && nameByte(s[end]) {
				end++
			}
			if end == at+1 || end == len(s) || s[end] != '%' {
				out = out.append(tok{literal, s[:at+1]})
				s = s[at+1:]
				continue
			}
			out = out.append(tok{literal, s[:at]}).append(tok{placeholder, s[at+1 : end]})
			s = s[end+1:]
		}
	}
	return out
}

func nameByte(c byte) bool {
	return c == '_' || c == '-' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
