package account

import (
	"crypto/rand"
	"strings"
)

// codeGroup is how many characters of a code stand together.
const codeGroup = 5

// NewSetupCode returns a code that makes the first admin of a hub, in groups
// that can be typed: 100 bits.
func NewSetupCode() string {
	text := strings.ToLower(rand.Text()[:4*codeGroup])
	var groups []string
	for len(text) > 0 {
		groups, text = append(groups, text[:codeGroup]), text[codeGroup:]
	}
	return strings.Join(groups, "-")
}

// plain is a code as it may be typed, in the form that it is given out.
func plain(code string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(code) {
		if r >= 'a' && r <= 'z' || r >= '2' && r <= '7' {
			if n := b.Len(); n%(codeGroup+1) == codeGroup {
				b.WriteByte('-')
			}
			b.WriteRune(r)
		}
		if b.Len() > 10*codeGroup {
			break
		}
	}
	return b.String()
}
