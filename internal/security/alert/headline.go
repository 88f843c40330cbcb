package alert

import (
	"encoding/json"
	"net"
	"strings"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Headline says what happened: the rule's words, and the value that decided.
type Headline struct{ What, Value string }

// deciding are the fields whose value says most of what happened, the most
// telling first.
var deciding = []string{
	"Fetched", "Script", "Commands", "RemoteAddress", "DestinationHostname", "DestinationIp", "GroupNames", "UserName", "Hash", "Hosts", "CommandLine",
	"ConfigurationName", "Image", "Executable",
}

// HeadlineOf reads the deciding value out of the first evidence, which stays
// with an alert for good: a headline does not change while evidence comes.
func HeadlineOf(a *ledger.Alert) Headline {
	h := Headline{What: strings.TrimSuffix(a.Title, ".")}
	if h.What == "" {
		h.What = a.Type
	}
	// What a detection with a memory names as cause is whom or what it is about;
	// that of a rule is only what it counts by.
	named := strings.TrimPrefix(a.Cause, "address ")
	if digits(named) {
		named = ""
	}
	if len(a.Evidence) > 0 && (named == "" || ruled(&a.Evidence[0])) {
		h.Value = decisive(&a.Evidence[0])
	}
	if h.Value == "" {
		h.Value = named
	}
	return h
}

// ruled reports whether a rule found the evidence.
func ruled(ev *ledger.Evidence) bool { return len(ev.Matched) > 0 && ev.Matched[0].Selection != "" }

func decisive(ev *ledger.Evidence) string {
	var item struct{ RemoteAddress, RemotePort, Direction string }
	// Evidence without an item, or of another kind, has no address to tell.
	if ev.Name == "ConnectionCreate" && json.Unmarshal(ev.Item, &item) == nil && item.RemoteAddress != "" {
		if item.Direction == "Out" && item.RemotePort != "" {
			return net.JoinHostPort(item.RemoteAddress, item.RemotePort)
		}
		return item.RemoteAddress
	}
	for _, field := range deciding {
		for _, m := range ev.Matched {
			if strings.EqualFold(m.Field, field) && m.Value != "" && m.Value != "none" {
				return m.Value
			}
		}
	}
	return ""
}

// digits reports whether a cause is a number that says nothing to people.
func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// String is the headline as plain text, for titles.
func (h Headline) String() string {
	if h.Value == "" {
		return h.What
	}
	return h.What + ": " + h.Value
}

// Says reports whether the headline, the cause or the note of an alert has a
// text in it, however it is written; all have "".
func Says(a *ledger.Alert, text string) bool {
	if text == "" {
		return true
	}
	h := HeadlineOf(a)
	return contains(h.What, text) || contains(h.Value, text) || contains(a.Cause, text) || contains(a.Note, text)
}

func contains(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
