package doc

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
)

// Part is one of the sections of a twin. Limits and the words of refusals
// differ by part.
type Part uint8

// The parts of a twin. Owned is the content of a root member that the hub
// itself keeps in a twin for somebody, which no client can write.
const (
	Tags Part = iota
	Desired
	Reported
	Owned
)

// String returns where the part stands in a twin: "tags",
// "properties.desired" or "properties.reported"; "owned" for an owned member,
// which stands at the root under a name of its own.
func (p Part) String() string {
	switch p {
	case Tags:
		return "tags"
	case Desired:
		return "properties.desired"
	case Reported:
		return "properties.reported"
	case Owned:
		return "owned"
	}
	return fmt.Sprintf("part %d", uint8(p))
}

// The limits of wire §2.5.
const (
	maxKey    = 1024
	maxString = 4096
	maxDepth  = 10
	maxInt    = 1<<52 - 1
	minInt    = -1 << 52
	maxTags   = 8 << 10
	maxProps  = 32 << 10
	// maxOwned is our own: an owned member is a summary.
	maxOwned = 16 << 10
)

const (
	// MaxBody is the longest text that [Parse] takes. The limits of a section
	// are on what remains after the merge, so a text may be longer than that,
	// but none has a reason to be longer than this.
	MaxBody = 256 << 10
	// maxStored is the longest compact form of a section. What the size limit
	// does not count (control characters, escapes, empty objects and arrays)
	// cannot grow a section beyond it.
	maxStored = 256 << 10
	// maxNumber is the longest text of a number that is kept as it is given; a
	// longer one is kept as the shortest text of the same float64.
	maxNumber = 32
)

// maxSize is the size limit of a part.
func (p Part) maxSize() int {
	switch p {
	case Tags:
		return maxTags
	case Owned:
		return maxOwned
	case Desired, Reported:
	}
	return maxProps
}

// refuse returns the error for input that breaks a rule at path.
func refuse(path, text string, args ...any) *tvilling.Error {
	return &tvilling.Error{
		Code:    tvilling.InvalidArgument,
		Path:    path,
		Message: fmt.Sprintf(text, args...),
	}
}

// shown returns s as it may stand in a message: at most n bytes of it, and
// nothing that does not print.
func shown(s []byte, n int) string {
	dots := ""
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s, dots = s[:n], ".."
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, string(s)) + dots
}
