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

// tag writes an element around HTML that is safe already.
func element(name, class string, inner template.HTML) template.HTML {
	return template.HTML("<"+name+` class="`+esc(class)+`">`) + inner + template.HTML("</"+name+">") //nolint:gosec // name is a constant of this package
}

func text(s string) template.HTML { return template.HTML(esc(s)) } //nolint:gosec // escaped

// hidden is a word for screen readers only.
func hidden(s string) template.HTML { return element("span", "sr", text(s)) }
