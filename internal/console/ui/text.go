package ui

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxInert is how many characters of a text that a device sent are shown in
// place. The rest is said to be there.
const maxInert = 4096

// Inert is a text that a device or a stranger wrote: escaped, kept from
// reordering what stands around it, with every character that would not be
// seen, or would change how others are seen, drawn as its code point. Copying
// gives the original. More than 4,096 characters are cut, and said to be.
func Inert(s string) template.HTML { return inert(s, maxInert) }

// Cut is [Inert] for a place with room for so many characters: what is longer
// ends with its length.
func Cut(n int, s string) template.HTML { return inert(s, n) }

func inert(s string, most int) template.HTML {
	var b strings.Builder
	b.WriteString(`<bdi class="inert">`)
	shown, marks := 0, 0
	first, last := edges(s)
	for i, r := range s {
		if shown == most {
			fmt.Fprintf(&b, `… <span class="ctl">%s of %s</span>`, bytesText(int64(len(s)-i))+" more", bytesText(int64(len(s))))
			break
		}
		shown++
		if unicode.Is(unicode.M, r) {
			marks++
		} else {
			marks = 0
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `<span class="ctl" title="not UTF-8">%02X</span>`, s[i])
		case strange(r) || marks > maxMarks || r == ' ' && (i < first || i >= last):
			// The character itself stays in the page, for whoever copies it,
			// in an element that takes no room and lets nothing out.
			fmt.Fprintf(&b, `<span class="ctl" data-char="U+%04X" title="%s"><span class="ctl-char">%s</span></span>`, r, name(r), itself(r))
		default:
			b.WriteString(esc(string(r)))
		}
	}
	b.WriteString("</bdi>")
	return template.HTML(b.String()) //nolint:gosec // escaped, character by character
}

// maxMarks is how many accents one letter may bear. A hundred of them would
// cover the lines above.
const maxMarks = 3

// itself is r as a page may hold it. HTML has no way to hold the character of
// code zero, and would take a carriage return for the end of a line.
func itself(r rune) string {
	switch r {
	case 0:
		return string(utf8.RuneError)
	case '\r':
		return "&#13;"
	default:
		return esc(string(r))
	}
}

// edges returns where the blanks at the beginning end, and where those at the
// end begin.
func edges(s string) (first, last int) {
	first = len(s) - len(strings.TrimLeft(s, " "))
	last = len(strings.TrimRight(s, " "))
	return first, max(first, last)
}

// strange reports whether r is not seen, or changes how others are. What
// Unicode has not given a meaning yet is among it.
func strange(r rune) bool {
	switch r {
	case ' ':
		return false
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800': // blanks that Unicode calls letters or symbols
		return true
	case '\u034f', '\u17b4', '\u17b5': // marks that are not drawn
		return true
	default:
		return !unicode.IsPrint(r) || unicode.Is(unicode.Variation_Selector, r)
	}
}

// name says what a strange character is.
func name(r rune) string {
	switch {
	case r == '\t':
		return "tab"
	case r == '\n':
		return "end of a line"
	case unicode.Is(unicode.M, r) && unicode.IsPrint(r):
		return "one accent of many"
	case unicode.Is(unicode.Bidi_Control, r):
		return "changes the direction of text"
	case unicode.IsControl(r):
		return "control character"
	default:
		return "not visible"
	}
}

// Mono is an [Inert] text in the type of machines.
func Mono(s string) template.HTML { return span("mono", Inert(s)) }

// ID is the id of something, which is a name that a stranger may have chosen.
func ID(s any) template.HTML {
	return span("id", inert(fmt.Sprint(s), 160))
}

// Tag is a key with its value.
func Tag(key, value string) template.HTML {
	return span("tag", "<b>"+inert(key, 40)+"</b> "+inert(value, 60))
}

// Plural is n with the noun in its number: 1 device, 2 devices.
func Plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	switch {
	case strings.HasSuffix(noun, "y") && !strings.HasSuffix(noun, "ay") && !strings.HasSuffix(noun, "ey"):
		noun = strings.TrimSuffix(noun, "y") + "ies"
	case strings.HasSuffix(noun, "s"):
		noun += "es"
	default:
		noun += "s"
	}
	return Count(n) + " " + noun
}

// Root begins the addresses of all pages.
const Root = "/console"

// URL is the address of a page: segments of a path, each escaped, below the
// console's root. A last argument of type url.Values is its query.
func URL(parts ...any) string {
	var b strings.Builder
	b.WriteString(Root)
	for _, p := range parts {
		if q, ok := p.(url.Values); ok {
			if len(q) > 0 {
				b.WriteString("?" + q.Encode())
			}
			continue
		}
		segment := fmt.Sprint(p)
		if _, literal := p.(string); !literal && reserved(segment) {
			b.WriteString("/~" + segment) // an id, not the page of that name
			continue
		}
		b.WriteString("/" + Segment(segment))
	}
	return b.String()
}

// reserved reports whether a page has the name of an id: a device may be called
// new.
func reserved(id string) bool { return id == "new" || id == "export" || id == "filter" }

// Segment is an id as one segment of a path. Browsers take "." and ".." out of
// paths, however escaped, so these two (and what looks like the way out) begin
// with a tilde, which no id of a device has.
func Segment(id string) string {
	if id == "." || id == ".." || strings.HasPrefix(id, "~") {
		id = "~" + id
	}
	return url.PathEscape(id)
}

// Unsegment is the id that [Segment] made a decoded segment of.
func Unsegment(s string) string { return strings.TrimPrefix(s, "~") }

// safeURL lets through the addresses of this console's pages, and queries and
// fragments of the page itself.
func safeURL(s string) string {
	if strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.HasPrefix(s, `/\`) || strings.HasPrefix(s, "?") || strings.HasPrefix(s, "#") {
		return s
	}
	return "#"
}
