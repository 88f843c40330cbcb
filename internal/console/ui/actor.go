package ui

import (
	"html/template"
	"strings"
)

// Actor is who did something, as the journal names it ("user:anna",
// "policy:iothubowner", "configuration:fw@63", "device:d", "module:d/m",
// "hub:companion"): a glyph and words. A configuration is a link.
func Actor(actor string) template.HTML {
	kind, name, _ := strings.Cut(actor, ":")
	icon, inner := "s-person", Cut(60, name)
	switch kind {
	case "user":
	case "policy":
		inner = "policy " + inner
	case "configuration":
		if at := strings.LastIndexByte(name, '@'); at >= 0 {
			name = name[:at] // without the digest of its revision
		}
		icon, inner = "s-config", `<a href="`+text(URL("configurations", name))+`">`+Cut(60, name)+"</a>"
	case "device":
		icon, inner = "s-devices", "device"
	case "module":
		_, module, _ := strings.Cut(name, "/")
		icon, inner = "s-devices", "module "+Cut(60, module)
	case "hub":
		icon, inner = "twin", "hub, "+Cut(60, name)
	case "":
		return span("src", Icon("none")+"not known")
	default:
		icon, inner = "s-dot", Cut(60, actor)
	}
	return span("src", Icon(icon)+"<span>"+inner+"</span>")
}
