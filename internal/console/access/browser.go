package access

import (
	"html/template"
	"strings"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// known are browsers and systems by what stands in their name, the telling
// ones first: most call themselves by the names of others, too.
var known = [2][][2]string{
	{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"HeadlessChrome/", "Chrome without a window"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}, {"Go-http-client", "a Go program"}},
	{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}},
}

// browser is what a browser calls itself, in two words if they are known; the
// whole is there on hover.
func browser(agent string) template.HTML {
	var words []string
	for _, list := range known {
		for _, k := range list {
			if strings.Contains(agent, k[0]) {
				words = append(words, k[1])
				break
			}
		}
	}
	switch {
	case agent == "":
		return `<span class="faint">not told</span>`
	case len(words) == 0:
		return ui.Cut(60, agent)
	default:
		return template.HTML(`<span title="` + template.HTMLEscapeString(agent) + `">` + template.HTMLEscapeString(strings.Join(words, " on ")) + `</span>`) //nolint:gosec // escaped
	}
}

// sessionRow is a session as tables have it.
type sessionRow struct {
	account.Session
	Browser template.HTML
}

func sessionRows(list []account.Session) []sessionRow {
	rows := make([]sessionRow, len(list))
	for i, s := range list {
		rows[i] = sessionRow{s, browser(s.From.Agent)}
	}
	return rows
}
