package syslog

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Limits of a message, in bytes. Receivers should take 8 KiB (RFC 5425, 4.3.1).
const (
	maxHeader = 256
	maxValue  = 1000
	maxBytes  = 8 << 10
)

// record is what the sink shows of an alert or a recommendation.
type record struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Severity string `json:"severity"`

	// of an alert
	Status   string    `json:"status"`
	Cause    string    `json:"cause"`
	Rule     string    `json:"rule"`
	Reason   string    `json:"reason"`
	Note     string    `json:"note"`
	Owner    string    `json:"owner"`
	Count    int64     `json:"count"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Evidence []struct {
		Matched []ledger.Match `json:"matched"`
	} `json:"evidence"`

	// of a recommendation
	State   string          `json:"state"`
	Details json.RawMessage `json:"details"`
}

// severities are how the levels are written in CEF (0 to 10) and in syslog (7
// to 0).
var severities = map[string]struct{ cef, syslog int }{
	"informational": {1, 6},
	"low":           {3, 5},
	"medium":        {6, 4},
	"high":          {8, 3},
}

// extension writes the members of a CEF event.
type extension struct {
	b     strings.Builder
	limit int
}

// add writes a member unless its value is empty or the event is full.
func (x *extension) add(key, value string) {
	if value != "" {
		x.write(key + "=" + escape(value, maxValue, `\=`))
	}
}

// custom writes a member that CEF has no key for, with its label.
func (x *extension) custom(key, label, value string) {
	if value != "" {
		x.write(key + "Label=" + label + " " + key + "=" + escape(value, maxValue, `\=`))
	}
}

func (x *extension) write(s string) {
	if x.b.Len()+1+len(s) > x.limit {
		return
	}
	if x.b.Len() > 0 {
		x.b.WriteByte(' ')
	}
	x.b.WriteString(s)
}

func (x *extension) time(key string, t time.Time) {
	if !t.IsZero() {
		x.add(key, strconv.FormatInt(t.UnixMilli(), 10))
	}
}

// cef returns an entry as a CEF event, and its severity for syslog.
func cef(e *ledger.Entry, version string) (event string, severity int) {
	var r record
	if err := json.Unmarshal(e.Body, &r); err != nil {
		r = record{} // it is told of with what the entry itself says
	}
	level, known := severities[r.Severity]
	if !known {
		level = severities["high"]
	}
	typ, name := r.Type, r.Title
	if typ == "" {
		typ = e.Subject
	}
	if name == "" {
		name = "Recommendation " + typ
		if e.Subject == "alert" {
			name = "Alert " + typ
		}
	}
	head := "CEF:0|Tvilling|Tvilling"
	var headSb112 strings.Builder
	for _, f := range []string{version, typ, name, strconv.Itoa(level.cef)} {
		headSb112.WriteString("|" + escape(f, maxHeader, `\|`))
	}
	head += headSb112.String()
	x := &extension{limit: maxBytes - len(head) - 512}
	x.time("rt", e.Time)
	x.add("cat", e.Subject)
	x.add("act", e.Action)
	x.add("deviceExternalId", string(e.Device))
	x.add("externalId", e.ID)
	x.custom("cn1", "feedSequence", strconv.FormatUint(e.Sequence, 10))
	x.add("suser", e.Actor)
	x.custom("cs1", "status", r.Status+r.State)
	x.custom("cs2", "rule", r.Rule)
	x.custom("cs3", "cause", r.Cause)
	x.custom("cs4", "owner", r.Owner)
	x.add("reason", r.Reason)
	if r.Count > 0 {
		x.add("cnt", strconv.FormatInt(r.Count, 10))
	}
	x.time("start", r.First)
	x.time("end", r.Last)
	x.custom("cs5", "matched", r.matched())
	if len(r.Details) > 0 {
		x.custom("cs6", "details", string(r.Details))
	}
	x.add("msg", r.Note)
	return head + "|" + x.b.String(), level.syslog
}

// matched is what the newest evidence was recognised by.
func (r *record) matched() string {
	if len(r.Evidence) == 0 {
		return ""
	}
	var parts []string
	for _, m := range r.Evidence[len(r.Evidence)-1].Matched {
		parts = append(parts, fmt.Sprintf("%s: %s", m.Field, m.Value))
	}
	return strings.Join(parts, "; ")
}

// escape returns a text for a place in a CEF event: a backslash goes before
// the characters in special, a line break becomes \n (a space in the header),
// and what a terminal or a viewer would take for more than text becomes
// visible. It is cut to limit bytes, whole escapes and runes only.
func escape(s string, limit int, special string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		var out string
		switch {
		case r == '\r' && i < len(s) && s[i] == '\n':
			continue
		case (r == '\n' || r == '\r') && special == `\=`:
			out = `\n`
		case r == '\n' || r == '\r' || r == '\t':
			out = " "
		case strings.ContainsRune(special, r):
			out = `\` + string(r)
		case r == utf8.RuneError:
			out = "\ufffd"
		case hidden(r):
			out = fmt.Sprintf("<U+%04X>", r)
		default:
			out = string(r)
		}
		if b.Len()+len(out) > limit-len("…") {
			return b.String() + "…"
		}
		b.WriteString(out)
	}
	return b.String()
}

// hidden reports whether a rune does something instead of being seen: control
// characters, line and paragraph separators, marks that turn the direction of
// writing, zero-width ones.
func hidden(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x2069 || r == 0xfeff
}
