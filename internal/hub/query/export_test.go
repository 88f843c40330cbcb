package query

import "github.com/tvilling/tvilling"

// Tokens returns the tokens of a text, each as its kind and its meaning.
func Tokens(text string) ([]string, error) {
	names := map[tokenKind]string{
		tokenWord: "word", tokenKeyword: "keyword", tokenEscaped: "escaped",
		tokenNumber: "number", tokenString: "string", tokenSymbol: "symbol",
	}
	var tokens []string
	for l := (lexer{text: text}); ; {
		t, err := l.next()
		if err != nil || t.kind == tokenEnd {
			return tokens, err
		}
		meaning := t.text
		if t.kind == tokenNumber {
			meaning = string(appendNumber(nil, t.number))
		}
		tokens = append(tokens, names[t.kind]+" "+meaning)
	}
}

// Continuation returns the continuation of q after an identity.
func (q *Query) Continuation(after tvilling.Identity, left int) string {
	return q.encode(Position{After: after, Left: left})
}

// After reads a continuation of q.
func (q *Query) After(continuation string) (tvilling.Identity, int, error) {
	p, err := q.Position(continuation)
	return p.After, p.Left, err
}

// Encode returns a position of q as a continuation.
func (q *Query) Encode(p Position) string { return q.encode(p) }
