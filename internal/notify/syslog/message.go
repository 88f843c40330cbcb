package syslog

import (
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// facility is that of security messages (4, "auth").
const facility = 4

// appendMessage appends an entry as a message of RFC 5424 with its count of
// octets before it (RFC 5425, 4.3).
func appendMessage(dst []byte, e *ledger.Entry, host, version string) []byte {
	event, severity := cef(e, version)
	// sequenceId has a value from 1 to 2147483647 (RFC 5424, 7.3.1).
	id := (e.Sequence-1)%2147483647 + 1
	at := "-"
	if !e.Time.IsZero() {
		at = e.Time.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	}
	head := "<" + strconv.Itoa(facility*8+severity) + ">1 " + at + " " + name(host, 255) + " tvilling - " + name(e.Subject, 32) +
		` [meta sequenceId="` + strconv.FormatUint(id, 10) + `"] `
	dst = strconv.AppendInt(dst, int64(len(head)+len(event)), 10)
	dst = append(dst, ' ')
	dst = append(dst, head...)
	return append(dst, event...)
}

// name returns a text as a field of the header: printable ASCII without
// spaces, "-" if there is none.
func name(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), limit)]
}
