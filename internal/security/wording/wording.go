package wording

import (
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Part is a piece of a sentence.
type Part struct {
	Text string
	// Value says that the device sent the text.
	Value bool
	// Field is what the value is of, NoField for words.
	Field event.Field
}

// Sentence is one line of words and values, without a full stop.
type Sentence []Part

// String is the sentence as plain text.
func (s Sentence) String() string {
	var b strings.Builder
	for _, p := range s {
		b.WriteString(p.Text)
	}
	return b.String()
}

// Event says what an event tells: that of its first item, and how many others
// there are. Events without items are told by their name.
func Event(e *event.Event, items []event.Item) Sentence {
	if len(items) > 0 {
		s := Item(items[0])
		if more := len(items) - 1; more > 0 {
			s = append(s, Part{Text: ", and " + count(int64(more), "more item", "more items")})
		}
		return s
	}
	if text := nothing(e.Kind); text != "" && (e.Empty || e.Kind == event.HeartbeatKind) {
		return Sentence{{Text: text}}
	}
	if e.Kind == event.Unknown {
		return Sentence{{Text: "An event of a kind that this hub does not know: "}, {Text: e.Name, Value: true}}
	}
	return Sentence{{Text: "Nothing was told"}}
}

// nothing is what an event of a kind says that has no items.
func nothing(k event.Kind) string {
	switch k {
	case event.HeartbeatKind:
		return "The agent is there"
	case event.ListeningPortsKind:
		return "Nothing listens on any port"
	case event.FirewallConfigurationKind:
		return "The firewall has no rules"
	case event.LocalUsersKind:
		return "There are no accounts"
	case event.ConnectedHardwareKind:
		return "No hardware is connected"
	case event.OSBaselineKind:
		return "All checks of the baseline passed"
	case event.SystemInformationKind:
		return "Nothing is known of the system"
	case event.DroppedEventsStatisticsKind, event.MessageStatisticsKind:
		return "The agent has no figures"
	default:
		return "Nothing happened"
	}
}

// Item says what one item of a payload tells.
func Item(it event.Item) Sentence {
	w := &writer{it: it}
	switch it := it.(type) {
	case *event.ProcessCreate:
		w.process(it)
	case *event.ProcessTerminate:
		w.words("Process ").either(event.Executable, "of an unknown program").words(" ended").field(", status ", event.ExitStatus).id(it.ProcessID)
	case *event.ConnectionCreate:
		w.connection(it)
	case *event.Login:
		w.login(it)
	case *event.ListeningPorts:
		w.words("Listens on ").address(event.LocalAddress, event.LocalPort).field(", ", event.Protocol)
	case *event.FirewallConfiguration:
		w.firewall(it)
	case *event.LocalUsers:
		w.words("Account ").either(event.UserName, "without a name").field(", in ", event.GroupNames).field(", user id ", event.UserID)
	case *event.ConnectedHardware:
		w.words("Hardware: ").either(event.HardwareName, "a part without a name").field(", ", event.HardwareCategory)
	case *event.OSBaseline:
		w.baseline(it)
	case *event.SystemInformation:
		w.words("Runs ").either(event.OSName, "an unknown system").field(" ", event.OSVersion).field(" on ", event.OSArchitecture).field(", host ", event.HostName)
	case *event.ConfigurationError:
		w.words("Agent configuration: ").either(event.ConfigurationName, "a setting").field(" ", event.ErrorType).field(", ", event.Text)
	case *event.DroppedEventsStatistics:
		w.words("Of ").number(it.CollectedEvents, "collected event", "collected events").words(" the agent dropped ").number(it.DroppedEvents, "", "").field(" in queue ", event.Queue)
	case *event.MessageStatistics:
		w.words("The agent sent ").number(it.MessagesSent, "message", "messages").words(", ").number(it.TotalFailed, "", "").words(" failed")
	case *event.Diagnostic:
		w.words("Agent log: ").either(event.Text, "an empty line").field(", ", event.Severity)
	case *event.HubAuthentication:
		w.words("The hub refused ").words(reason(it.Reason)).field(" from ", event.RemoteAddress).field(" of module ", event.ModuleName)
	}
	if n := event.Hits(it); n > 1 && len(w.s) > 0 {
		w.words(", ").words(count(n, "time", "times"))
	}
	return w.s
}

// reasons are what the hub refused, by its one word for it.
var reasons = map[string]string{
	"no_credential": "a caller without a credential", "malformed_token": "a malformed token", "expired_token": "an expired token",
	"foreign_scope": "a token for something else", "wrong_key": "a token of a wrong key", "unknown_identity": "an identity that it does not know",
	"unknown_policy": "a policy that it does not know", "missing_permission": "a caller without the permission", "disabled_identity": "a disabled identity",
	"wrong_method": "a way of signing in that the identity does not have", "wrong_certificate": "a wrong certificate",
	"expired_certificate": "an expired certificate",
}

func reason(r string) string {
	if text := reasons[r]; text != "" {
		return text
	}
	return "a credential"
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}
