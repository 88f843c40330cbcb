package sigma

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// encodeUTF16 returns s in UTF-16 of a byte order, with a byte order mark if
// asked for.
func encodeUTF16(s string, order binary.AppendByteOrder, mark bool) string {
	var b []byte
	if mark {
		b = order.AppendUint16(b, 0xfeff)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

// offsets returns how s looks within Base64 when it begins at the first,
// second or third byte of a group of three: the characters that depend on s
// alone. Short texts may leave nothing.
func offsets(s string) [3]string {
	var out [3]string
	for shift := range out {
		whole := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", shift) + s))
		from := [3]int{0, 2, 3}[shift]
		to := len(whole) - [3]int{0, 3, 2}[(len(s)+shift)%3]
		if from < to {
			out[shift] = whole[from:to]
		}
	}
	return out
}
