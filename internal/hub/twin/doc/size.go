package doc

import "unicode/utf8"

// sizeOfEscaped is the length of the string that the JSON text s stands for,
// without its control characters.
func sizeOfEscaped(s []byte) int {
	size := 0
	for i := 0; i < len(s); {
		if plain[s[i]] {
			size++
			i++
			continue
		}
		var r rune
		var n int
		if s[i] == '\\' {
			r, n = unescape(s[i:])
		} else {
			r, n = utf8.DecodeRune(s[i:])
		}
		if n == 0 {
			return size // malformed: nothing that Parse lets through
		}
		if !isControl(r) {
			size += utf8.RuneLen(r)
		}
		i += n
	}
	return size
}

// sizeOfArray is the size of an array's JSON text: that of all keys and values
// in it.
func sizeOfArray(b []byte) int {
	size := 0
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			t, ok := scanString(b, i+1)
			if !ok {
				return size
			}
			size += t.length - t.control
			i = t.end + 1
		case c == 't':
			size += 4
			i += len("true")
		case c == 'f':
			size += 4
			i += len("false")
		case c == '-' || c-'0' <= 9:
			size += 8
			for i < len(b) && b[i] != ',' && b[i] != ']' && b[i] != '}' {
				i++
			}
		default:
			i++
		}
	}
	return size
}
