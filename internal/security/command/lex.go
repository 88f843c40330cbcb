package command

import "strings"

// kind is what a token is.
type kind uint8

const (
	word     kind = iota
	operator      // | |& || & && ; ( )
	redirect      // > >> < <> <<< >& … with the descriptor before it
)

// token is a word, an operator or a redirection of a script.
type token struct {
	kind kind
	// text is a word without its quotes, or the operator.
	text string
	// start and end are its place in the source.
	start, end int
	// quoted says that all of the word stood in one pair of quotes.
	quoted bool
	// subs are the scripts in $(…), `…`, <(…) and >(…) of the word.
	subs []string
	// only says that the word is one substitution and nothing else.
	only bool
}

// lexer cuts a text into tokens in time linear in its length.
type lexer struct {
	src string
	pos int
	// shell says that src is a script; otherwise it is an argument vector,
	// where operators count only where they stand alone or at a word's end.
	shell bool
	// stuck says that a bracket was found without its partner: no later one is
	// searched for its partner, so that no text costs quadratic time.
	stuck bool
	out   []token
}

func lex(src string, shell bool) []token {
	l := lexer{src: src, shell: shell, out: make([]token, 0, 16)}
	for l.pos < len(src) {
		switch c := src[l.pos]; {
		case c == ' ' || c == '\t' || c == '\r':
			l.pos++
		case c == '\n':
			l.emit(operator, ";", l.pos, l.pos+1)
		case l.separator(l.pos) > 0:
			l.pos += l.separator(l.pos)
		case l.substitutionAhead():
			l.word()
		default:
			if op := l.operatorAt(l.pos); op != "" {
				l.emit(operator, op, l.pos, l.pos+len(op))
			} else if op := l.redirectAt(l.pos); op != "" {
				l.emit(redirect, op, l.pos, l.pos+len(op))
			} else {
				l.word()
			}
		}
	}
	return l.out
}

func (l *lexer) emit(k kind, text string, start, end int) {
	l.out = append(l.out, token{kind: k, text: text, start: start, end: end})
	l.pos = end
}

func (l *lexer) at(i int) byte {
	if i < len(l.src) {
		return l.src[i]
	}
	return 0
}

// substitutionAhead reports whether <( or >( begins here.
func (l *lexer) substitutionAhead() bool {
	c := l.src[l.pos]
	return (c == '<' || c == '>') && l.at(l.pos+1) == '('
}

// operatorAt returns the operator that begins at i, "" for none.
func (l *lexer) operatorAt(i int) string {
	var op string
	switch c, d := l.at(i), l.at(i+1); {
	case c == '|' && (d == '|' || d == '&'), c == '&' && d == '&', c == ';' && d == ';':
		op = l.src[i : i+2]
	case c == '&' && d == '>':
		return ""
	case c == '|', c == '&', c == ';', c == '(', c == ')':
		op = l.src[i : i+1]
	default:
		return ""
	}
	if l.shell {
		return op
	}
	// In an argument vector an operator is a word of its own, or what ends one.
	after := l.at(i + len(op))
	blankAfter := after == 0 || after == ' ' || after == '\t' || after == '\n'
	blankBefore := i == 0 || l.src[i-1] == ' ' || l.src[i-1] == '\t' || l.src[i-1] == '\n'
	switch op {
	case "(", ")":
		return ""
	case ";":
		if blankAfter {
			return op
		}
	default:
		if blankAfter && blankBefore {
			return op
		}
	}
	return ""
}

// redirectAt returns the redirection operator that begins at i, with the
// descriptors on both of its sides, "" for none.
func (l *lexer) redirectAt(i int) string {
	j := i
	for l.at(j) >= '0' && l.at(j) <= '9' {
		j++
	}
	var k int
	switch c := l.at(j); {
	case c == '&' && l.at(j+1) == '>' && i == j:
		k = j + 2
		if l.at(k) == '>' {
			k++
		}
		return l.src[i:k]
	case c == '<' || c == '>':
		k = j + 1
	default:
		return ""
	}
	if l.at(k) == '(' && i == j {
		return ""
	}
	for k < j+3 && (l.at(k) == '<' || l.at(k) == '>' || l.at(k) == '|' && l.at(j) == '>') && l.at(k+1) != '(' {
		k++
	}
	if l.at(k) == '&' && k == j+1 {
		k++
		for c := l.at(k); c >= '0' && c <= '9' || c == '-'; c = l.at(k) {
			k++
		}
	}
	return l.src[i:k]
}

// plainEnd returns where the word at the lexer's position ends if nothing in it
// has a meaning to a shell, as is so with most words; else -1.
func (l *lexer) plainEnd() int {
	for i := l.pos; i < len(l.src); i++ {
		switch l.src[i] {
		case ' ', '\t', '\n', '\r':
			return i
		case '\'', '"', '\\', '$', '`', '|', ';', '&', '<', '>', '(', ')':
			return -1
		}
	}
	return len(l.src)
}

// word reads one word, with its quotes and substitutions.
func (l *lexer) word() {
	start := l.pos
	if end := l.plainEnd(); end > start {
		l.emit(word, l.src[start:end], start, end)
		return
	}
	var b strings.Builder
	t := token{kind: word, start: start}
	pieces, bare := 0, 0
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' || l.separator(l.pos) > 0 {
			break
		}
		if sub, whole, ok := l.substitution(); ok {
			pieces++
			t.subs = append(t.subs, sub)
			b.WriteString(whole)
			continue
		}
		if l.pos > start && (l.operatorAt(l.pos) != "" || l.endsForRedirect()) {
			break
		}
		if q, ok := l.quote(&t); ok {
			pieces++
			b.WriteString(q)
			continue
		}
		bare++
		l.plain(&b)
	}
	if l.pos == start { // nothing that begins a word: take it as it is
		b.WriteByte(l.src[l.pos])
		l.pos++
		bare++
	}
	t.text, t.end = b.String(), l.pos
	t.quoted = pieces == 1 && bare == 0 && len(t.subs) == 0 && t.end-t.start >= 2
	t.only = pieces == 1 && bare == 0 && len(t.subs) == 1
	l.out = append(l.out, t)
}

// endsForRedirect reports whether a redirection ends the word being read.
func (l *lexer) endsForRedirect() bool {
	c := l.src[l.pos]
	return l.shell && (c == '<' || c == '>' || c == '&' && l.at(l.pos+1) == '>')
}

// separator returns the length of the variable at i that droppers write instead
// of a blank, 0 if there is none.
func (l *lexer) separator(i int) int {
	if l.src[i] != '$' || !l.shell {
		return 0
	}
	for _, ifs := range []string{"${IFS}", "$IFS$9", "$IFS"} {
		if strings.HasPrefix(l.src[i:], ifs) {
			return len(ifs)
		}
	}
	return 0
}

// plain takes one unquoted character.
func (l *lexer) plain(b *strings.Builder) {
	rest := l.src[l.pos:]
	if rest[0] == '\\' && len(rest) > 1 {
		switch d := rest[1]; {
		case d == '\n':
			l.pos += 2
			return
		case l.shell, d == ' ', d == '"', d == '\'', d == ';':
			b.WriteByte(d)
			l.pos += 2
			return
		}
	}
	b.WriteByte(rest[0])
	l.pos++
}

// quote takes a quoted piece. A quote without its partner is a character.
func (l *lexer) quote(t *token) (string, bool) {
	i := l.pos
	if l.src[i] == '$' && l.shell && (l.at(i+1) == '\'' || l.at(i+1) == '"') {
		i++
	}
	switch l.at(i) {
	case '\'':
		n := strings.IndexByte(l.src[i+1:], '\'')
		if n < 0 {
			return "", false
		}
		text := l.src[i+1 : i+1+n]
		if i > l.pos {
			text = unescape(text)
		}
		l.pos = i + n + 2
		return text, true
	case '"':
		return l.double(t, i)
	}
	return "", false
}

// double takes a piece in double quotes, which may hold substitutions.
func (l *lexer) double(t *token, i int) (string, bool) {
	end := closing(l.src, i+1)
	if end < 0 {
		return "", false
	}
	var b strings.Builder
	inner := lexer{src: l.src[:end], pos: i + 1, shell: l.shell, stuck: l.stuck}
	for inner.pos < end {
		if sub, whole, ok := inner.substitution(); ok {
			t.subs = append(t.subs, sub)
			b.WriteString(whole)
			continue
		}
		c := inner.src[inner.pos]
		if c == '\\' && inner.pos+1 < end {
			if d := inner.src[inner.pos+1]; d == '"' || d == '\\' || d == '$' || d == '`' || d == '\n' {
				inner.pos++
				c = d
			}
		}
		b.WriteByte(c)
		inner.pos++
	}
	l.pos = end + 1
	return b.String(), true
}

// closing returns the place of the double quote that ends what begins at i,
// -1 if there is none. Quotes inside $(…) belong to it.
func closing(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '$':
			if i+1 < len(s) && s[i+1] == '(' {
				depth++
				i++
			}
		case ')':
			depth = max(0, depth-1)
		case '"':
			if depth == 0 {
				return i
			}
			n := strings.IndexByte(s[i+1:], '"')
			if n < 0 {
				return i
			}
			i += n + 1
		}
	}
	return -1
}

// substitution takes $(…), `…`, <(…) or >(…).
func (l *lexer) substitution() (sub, whole string, ok bool) {
	c := l.src[l.pos]
	open := l.pos + 2
	switch {
	case c == '`':
		n := strings.IndexByte(l.src[l.pos+1:], '`')
		if n < 0 {
			return "", "", false
		}
		start := l.pos
		l.pos += n + 2
		return l.src[start+1 : start+1+n], l.src[start:l.pos], true
	case (c == '$' || c == '<' || c == '>') && l.at(l.pos+1) == '(' && !l.stuck:
		if c == '$' && l.at(l.pos+2) == '(' { // arithmetic
			return "", "", false
		}
	default:
		return "", "", false
	}
	depth := 1
	for i := open; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case '\'':
			if n := strings.IndexByte(l.src[i+1:], '\''); n >= 0 {
				i += n + 1
			}
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				start := l.pos
				l.pos = i + 1
				return l.src[open:i], l.src[start:l.pos], true
			}
		}
	}
	l.stuck = true
	return "", "", false
}
