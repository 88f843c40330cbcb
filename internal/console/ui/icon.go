package ui

import (
	"html/template"
	"strings"

	"github.com/tvilling/tvilling/internal/console/assets"
)

// Icon is a symbol of the sprite, 16 px, hidden from screen readers: a word
// stands beside it, always. More classes may follow the name.
func Icon(name string, classes ...string) template.HTML {
	class := strings.Join(append([]string{"i"}, classes...), " ")
	return template.HTML(`<svg class="` + esc(class) + `" aria-hidden="true"><use href="` + Asset("icons.svg") + `#` + esc(name) + `"/></svg>`) //nolint:gosec // escaped
}

// Asset is the address of a file of package assets, good for ever.
func Asset(name string) string { return assets.URL(name) }

func esc(s string) string { return template.HTMLEscapeString(s) }

// span is an element of a class around HTML that is safe already.
func span(class string, inner template.HTML) template.HTML {
	return template.HTML(`<span class="`+esc(class)+`">`) + inner + "</span>" //nolint:gosec // escaped
}

func text(s string) template.HTML { return template.HTML(esc(s)) } //nolint:gosec // escaped

// hidden is a word for screen readers only.
func hidden(s string) template.HTML { return span("sr", text(s)) }
