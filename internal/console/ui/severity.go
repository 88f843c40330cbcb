package ui

import (
	"fmt"
	"html/template"
	"strings"
)

// title makes "atRisk" "At risk" and "high" "High".
func title(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case i == 0:
			b.WriteString(strings.ToUpper(string(r)))
		case r >= 'A' && r <= 'Z':
			b.WriteByte(' ')
			b.WriteString(strings.ToLower(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// severityClass keeps what is no severity out of class names.
func severityClass(s string) string {
	switch s {
	case "high", "medium", "low":
		return s
	default:
		return "informational"
	}
}

// Severity is the bars of a severity ("high", "medium", "low", "informational")
// and its word.
func Severity(s string) template.HTML {
	class := severityClass(s)
	return span("sev "+class, Icon(class)+text(title(class)))
}

// SeverityBadge is [Severity] on its tint.
func SeverityBadge(s string) template.HTML {
	class := severityClass(s)
	return span("sev badge "+class, Icon(class)+text(title(class)))
}

// SeverityGlyph is the bars alone; the word is there for screen readers.
func SeverityGlyph(s string) template.HTML {
	class := severityClass(s)
	return template.HTML(`<span class="sev `+class+`" title="`+title(class)+`">`) + Icon(class) + hidden(title(class)) + "</span>" //nolint:gosec // class is one of four
}

// SeverityCounted is the bars and a number that links to what it counts. Counts
// stand in fixed slots, so nothing is an empty slot.
func SeverityCounted(s string, n int64, href string) template.HTML {
	if n == 0 {
		return NoCount()
	}
	class := severityClass(s)
	return template.HTML(fmt.Sprintf(`<a class="sev n %s" href="%s" title="%s, %s severity">`, class, esc(safeURL(href)), Count(n), class)) + //nolint:gosec // escaped
		Icon(class) + hidden(title(class)+": ") + text(Count(n)) + "</a>"
}

// NoCount is the empty slot of a severity that nothing has.
func NoCount() template.HTML { return `<span class="sev n"></span>` }

// stateClass is the class, glyph and word of a state of posture.
func stateClass(s string) (class, word string) {
	switch s {
	case "unhealthy":
		return "unhealthy", "Unhealthy"
	case "atRisk":
		return "atrisk", "At risk"
	case "healthy":
		return "healthy", "Healthy"
	default:
		return "unknown", "Unknown"
	}
}

// State is the outline and the word of a device's state: "unhealthy", "atRisk",
// "healthy", "unknown".
func State(s string) template.HTML {
	class, word := stateClass(s)
	return span("state "+class, Icon(class)+text(word))
}

// StateBadge is [State] on its tint.
func StateBadge(s string) template.HTML {
	class, word := stateClass(s)
	return span("state badge "+class, Icon(class)+text(word))
}

// StateGlyph is the outline alone; the word is there for screen readers.
func StateGlyph(s string) template.HTML {
	class, word := stateClass(s)
	return template.HTML(`<span class="state `+class+`" title="`+word+`">`) + Icon(class) + hidden(word) + "</span>" //nolint:gosec // class is one of four
}

// Sync says how desired and reported agent configuration compare: "inSync",
// "differs", "notReported", or "" for what is not known.
func Sync(s string) template.HTML {
	switch s {
	case "inSync":
		return span("sync ok", Icon("same")+text("In sync"))
	case "differs":
		return span("sync apart", Icon("differs")+text("Out of sync"))
	case "notReported":
		return span("sync none", Icon("none")+text("Not reported"))
	default:
		return span("sync none", Icon("none")+text("Not known"))
	}
}

// Source says who set a value: "operator", "configuration", "default", "device".
// By is the name of a configuration or an operator, "" if there is none to tell.
func Source(kind, by string) template.HTML {
	icon := map[string]string{"operator": "s-person", "configuration": "s-config", "device": "s-devices"}[kind]
	if icon == "" {
		icon, kind = "none", "default"
	}
	inner := Icon(icon) + text(title(kind))
	if by != "" {
		inner += " " + Inert(by)
	}
	return span("src", inner)
}
