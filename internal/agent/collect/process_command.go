package collect

import (
	"bytes"
	"unicode/utf8"
)

// maxCommandLine bounds a command line, in bytes.
const maxCommandLine = 4 << 10

// appendCommandLine appends the arguments of a process, each ended by a NUL
// (the last one may lack it), as a line that a shell reads back to the same
// words: with blanks between, and single quotes around a word that has anything
// in it that a shell takes for something else. Bytes that are not UTF-8 become
// U+FFFD. It says whether the line was cut, which happens within a word, not
// within its quotes.
func appendCommandLine(dst, args []byte) (line []byte, cut bool) {
	limit := len(dst) + maxCommandLine
	for first := true; len(args) > 0; first = false {
		var word []byte
		word, args, _ = bytes.Cut(args, []byte{0})
		if !first {
			if len(dst)+1 >= limit {
				return dst, true
			}
			dst = append(dst, ' ')
		}
		if !utf8.Valid(word) {
			word = bytes.ToValidUTF8(word, []byte("\uFFFD"))
		}
		if dst, cut = appendWord(dst, word, limit); cut {
			return dst, true
		}
	}
	return dst, false
}

// appendWord appends one word, so that dst has at most limit bytes.
func appendWord(dst, word []byte, limit int) (line []byte, cut bool) {
	room := limit - len(dst)
	if plainWord(word) {
		if len(word) <= room {
			return append(dst, word...), false
		}
		return append(dst, wholeRunes(word, room)...), true
	}
	const quote, quoted = '\'', `'\''`
	if room < 2 {
		return dst, true
	}
	limit-- // for the quote at the end
	dst = append(dst, quote)
	for i := 0; i < len(word); {
		n := 1
		if word[i] >= utf8.RuneSelf {
			_, n = utf8.DecodeRune(word[i:])
		}
		text := word[i : i+n]
		if word[i] == quote {
			text = []byte(quoted)
		}
		if len(dst)+len(text) > limit {
			return append(dst, quote), true
		}
		dst = append(dst, text...)
		i += n
	}
	return append(dst, quote), false
}

// plainWord reports whether a word needs no quotes.
func plainWord(word []byte) bool {
	if len(word) == 0 || word[0] == '#' { // nothing, and a comment
		return false
	}
	for _, c := range word {
		if c <= ' ' || c == 0x7f || special[c] {
			return false
		}
	}
	return true
}

// special are the characters that mean something to a shell within a word.
// Those that only match file names (*, ?, [) are none: agents do not quote
// them, and what they match shows in no command line.
var special = [256]bool{
	'\'': true, '"': true, '\\': true, '$': true, '`': true,
	'|': true, '&': true, ';': true, '<': true, '>': true, '(': true, ')': true,
}

// wholeRunes returns the first n bytes of valid text, or up to three fewer.
func wholeRunes(text []byte, n int) []byte {
	for n > 0 && n < len(text) && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
