package query

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// tokenKind says what a token is.
type tokenKind uint8

const (
	tokenEnd     tokenKind = iota
	tokenWord              // a bare identifier that is not reserved
	tokenKeyword           // a reserved word; text is upper case
	tokenEscaped           // [[ text ]]; text is what is inside
	tokenNumber
	tokenString
	tokenSymbol // an operator or a punctuation mark; text is canonical
)

// token is one lexical unit and where it stands.
type token struct {
	kind tokenKind
	at   int
	// text is the identifier, the keyword in upper case, the decoded string or
	// the symbol; raw is the token as it stands in the query.
	text, raw string
	number    float64
}

// is reports whether t is the given symbol.
func (t token) is(symbol string) bool { return t.kind == tokenSymbol && t.text == symbol }

// keyword reports whether t is the given reserved word.
func (t token) keyword(word string) bool { return t.kind == tokenKeyword && t.text == word }

// reserved are the words that must be escaped where a path begins.
var reserved = map[string]bool{
	"SELECT": true, "TOP": true, "FROM": true, "WHERE": true, "GROUP": true, "ORDER": true, "BY": true, "AS": true,
	"AND": true, "OR": true, "NOT": true, "IN": true, "NIN": true,
	"TRUE": true, "FALSE": true, "NULL": true, "UNDEFINED": true,
}

// symbols are the operators and marks, longer ones before their prefixes, with
// their canonical spelling.
var symbols = []struct{ written, text string }{
	{"!=", "!="},
	{"<>", "!="},
	{"<=", "<="},
	{">=", ">="},
	{"=", "="},
	{"<", "<"},
	{">", ">"},
	{"(", "("},
	{")", ")"},
	{"[", "["},
	{"]", "]"},
	{",", ","},
	{".", "."},
	{"*", "*"},
	{"+", "+"},
	{"-", "-"},
	{"/", "/"},
	{"%", "%"},
}

// strangers are spellings of other languages, each with what to write instead.
var strangers = []struct{ written, instead string }{
	{"==", "write = to compare"},
	{"&&", "write AND"},
	{"||", "write OR"},
	{"!", "write NOT, or != to compare"},
}

// lexer cuts a query into tokens. Its text is valid UTF-8.
type lexer struct {
	text string
	at   int
}

// next returns the token at the lexer's place and moves behind it.
func (l *lexer) next() (token, error) {
	for l.at < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0 {
		l.at++
	}
	rest := l.text[l.at:]
	if rest == "" {
		return token{at: l.at}, nil
	}
	first, _ := utf8.DecodeRuneInString(rest)
	switch {
	case strings.HasPrefix(rest, "[["):
		return l.escaped()
	case first == '\'' || first == '"':
		return l.quoted(byte(first))
	case first >= '0' && first <= '9':
		return l.numeral()
	case wordRune(first):
		return l.word(), nil
	case first == ';': // not shown: clients show an error up to the next one (wire §4.4)
		return token{}, invalid(l.text, l.at, "a query is one statement and ends without a semicolon.")
	}
	for _, s := range strangers {
		if strings.HasPrefix(rest, s.written) && !strings.HasPrefix(rest, "!=") {
			return token{}, invalid(l.text, l.at, "%s is not in the query language; %s.", s.written, s.instead)
		}
	}
	for _, s := range symbols {
		if strings.HasPrefix(rest, s.written) {
			t := token{kind: tokenSymbol, at: l.at, text: s.text, raw: s.written}
			l.at += len(s.written)
			return t, nil
		}
	}
	return token{}, invalid(l.text, l.at, "the character %q has no meaning outside of a string or [[ ]].", first)
}

// wordRune reports whether r may be part of a bare identifier.
func wordRune(r rune) bool {
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// word reads a bare identifier or a reserved word.
func (l *lexer) word() token {
	start := l.at
	for l.at < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.text[l.at:])
		if !wordRune(r) {
			break
		}
		l.at += n
	}
	raw := l.text[start:l.at]
	if upper := upperASCII(raw); reserved[upper] {
		return token{kind: tokenKeyword, at: start, text: upper, raw: raw}
	}
	return token{kind: tokenWord, at: start, text: raw, raw: raw}
}

// escaped reads [[ text ]]. The text ends at the first ]], so a name that
// contains ]] cannot be written.
func (l *lexer) escaped() (token, error) {
	start := l.at
	inside, _, found := strings.Cut(l.text[start+2:], "]]")
	switch {
	case !found:
		return token{}, invalid(l.text, start, "[[ has no closing ]].")
	case inside == "":
		return token{}, invalid(l.text, start, "[[ ]] must hold a name.")
	}
	l.at = start + 2 + len(inside) + 2
	return token{kind: tokenEscaped, at: start, text: inside, raw: l.text[start:l.at]}, nil
}

// numeral reads a decimal number, with fraction and exponent, or a hexadecimal
// integer.
func (l *lexer) numeral() (token, error) {
	start := l.at
	var number float64
	var err error
	if hex := l.text[start:]; strings.HasPrefix(hex, "0x") || strings.HasPrefix(hex, "0X") {
		l.at += 2
		l.digits("0123456789abcdefABCDEF")
		var n uint64
		n, err = strconv.ParseUint(l.text[start+2:l.at], 16, 53)
		number = float64(n)
	} else {
		l.decimal()
		number, err = strconv.ParseFloat(l.text[start:l.at], 64)
	}
	raw := l.text[start:l.at]
	if r, n := utf8.DecodeRuneInString(l.text[l.at:]); n > 0 && wordRune(r) {
		return token{}, invalid(l.text, start, "%q runs into a number; a name that begins with a digit is written [[%s…]].", string(r), raw)
	}
	if err != nil {
		return token{}, invalid(l.text, start, "%s is not a number that the hub can hold (decimal within ±1.8e308, hexadecimal up to 0x1fffffffffffff).", clip(raw))
	}
	return token{kind: tokenNumber, at: start, raw: raw, number: number}, nil
}

// decimal moves behind digits [. digits] [e [sign] digits]. A point or an e
// that no digit follows is not part of the number.
func (l *lexer) decimal() {
	const digits = "0123456789"
	l.digits(digits)
	if mark := l.at; strings.HasPrefix(l.text[mark:], ".") {
		l.at++
		if !l.digits(digits) {
			l.at = mark
		}
	}
	if mark := l.at; mark < len(l.text) && l.text[mark]|0x20 == 'e' {
		l.at++
		if l.at < len(l.text) && (l.text[l.at] == '+' || l.text[l.at] == '-') {
			l.at++
		}
		if !l.digits(digits) {
			l.at = mark
		}
	}
}

// digits moves behind the characters of set and reports whether there was one.
func (l *lexer) digits(set string) bool {
	start := l.at
	for l.at < len(l.text) && strings.IndexByte(set, l.text[l.at]) >= 0 {
		l.at++
	}
	return l.at > start
}

// escapes are the single-letter escapes of a string. JSON's are taken beside
// those of the language, because texts are often copied from JSON.
var escapes = map[byte]byte{
	'\'': '\'', '"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// quoted reads a string in either kind of quotes.
func (l *lexer) quoted(quote byte) (token, error) {
	start := l.at
	var decoded strings.Builder
	for l.at++; l.at < len(l.text); {
		c := l.text[l.at]
		switch c {
		case quote:
			l.at++
			return token{kind: tokenString, at: start, text: decoded.String(), raw: l.text[start:l.at]}, nil
		case '\\':
			if err := l.escape(&decoded); err != nil {
				return token{}, err
			}
		default:
			decoded.WriteByte(c)
			l.at++
		}
	}
	return token{}, invalid(l.text, start, "the string has no closing %c.", quote)
}

// escape reads one backslash sequence.
func (l *lexer) escape(decoded *strings.Builder) error {
	rest := l.text[l.at:]
	if len(rest) >= 2 {
		if c, ok := escapes[rest[1]]; ok {
			decoded.WriteByte(c)
			l.at += 2
			return nil
		}
	}
	r, ok := unicodeEscape(rest)
	if !ok {
		return invalid(l.text, l.at, `a backslash in a string stands before ', ", \, /, b, f, n, r, t or u and four hexadecimal digits.`)
	}
	l.at += 6
	if utf16.IsSurrogate(r) {
		low, _ := unicodeEscape(l.text[l.at:])
		if r = utf16.DecodeRune(r, low); r == unicode.ReplacementChar {
			return invalid(l.text, l.at-6, `a \u sequence of the range D800 to DFFF must be a pair.`)
		}
		l.at += 6
	}
	decoded.WriteRune(r)
	return nil
}

// unicodeEscape reads the \uXXXX at the start of s.
func unicodeEscape(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// upperASCII returns s with a to z in upper case. Other letters stay, so that no
// foreign letter folds into a keyword.
func upperASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}
