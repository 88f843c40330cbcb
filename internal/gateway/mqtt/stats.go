package mqtt

import "sync/atomic"

// Refusal is why a connection never got a session.
type Refusal uint8

// The refusals.
const (
	RefusedTLS Refusal = iota
	RefusedTimeout
	RefusedMalformed
	RefusedLevel
	RefusedClientID
	RefusedUnauthorized
	RefusedWill
	RefusedUnavailable
	refusals
)

// String returns the refusal as a label.
func (r Refusal) String() string {
	return [...]string{"tls", "timeout", "malformed", "protocol_level", "client_id", "unauthorized", "will", "unavailable"}[r]
}

// End is why a connection with a session ended.
type End uint8

// The ends.
const (
	// EndDisconnect: the client sent DISCONNECT.
	EndDisconnect End = iota
	// EndLost: the client or the network closed the connection without one.
	EndLost
	EndKeepAlive
	EndExpired
	EndTakenOver
	EndRevoked
	// EndMalformed: a packet breaks the standard.
	EndMalformed
	// EndProtocol: a packet that may not come, or asks for what is not served.
	EndProtocol
	// EndTopic and EndFilter: a topic, property bag or filter that is not served.
	EndTopic
	EndFilter
	EndTooLarge
	// EndOverflow: too much waits to be sent. EndStuck: nothing of it gets out.
	EndOverflow
	EndStuck
	// EndUnavailable: the hub could not make something durable.
	EndUnavailable
	EndInternal
	EndStopping
	ends
)

// String returns the end as a label.
func (e End) String() string {
	return [...]string{
		"disconnect", "lost", "keep_alive", "expired", "taken_over", "revoked", "malformed", "protocol",
		"topic", "filter", "too_large", "overflow", "stuck", "unavailable", "internal", "stopping",
	}[e]
}

// Stats counts what a server does. All of it may be read at any time.
type Stats struct {
	// Open and Greeting are connections there are now, with a session and
	// without one yet.
	Open, Greeting atomic.Int64
	// Accepted counts connections, AcceptErrors failures to accept one.
	Accepted, AcceptErrors atomic.Int64
	// Received and Sent count packets, ReceivedBytes and SentBytes their size.
	Received, Sent, ReceivedBytes, SentBytes atomic.Int64
	// Messages, TwinGets and TwinReports count requests taken; TwinRefused
	// those that were answered with an error.
	Messages, TwinGets, TwinReports, TwinRefused atomic.Int64
	// Unanswered counts answers that were not sent because the client does not
	// subscribe to them, MethodResults answers to calls that nobody made.
	Unanswered, MethodResults atomic.Int64
	// DesiredSent counts changes of desired properties delivered.
	DesiredSent atomic.Int64
	// Stalls counts how often a client was not read because too much of it was
	// unanswered.
	Stalls atomic.Int64
	// Wills counts wills sent, LostWills those the hub could not make durable.
	Wills, LostWills atomic.Int64

	refused [refusals]atomic.Int64
	ended   [ends]atomic.Int64
}

// Refused returns how many connections were refused for r.
func (s *Stats) Refused(r Refusal) int64 { return s.refused[r].Load() }

// Ended returns how many connections ended for e.
func (s *Stats) Ended(e End) int64 { return s.ended[e].Load() }

// Each calls f with every count: its name, its reason or "", and its value.
// The names "open" and "greeting" are gauges, all others only grow.
func (s *Stats) Each(f func(name, reason string, value int64)) {
	for _, c := range []struct {
		name  string
		value *atomic.Int64
	}{
		{"open", &s.Open},
		{"greeting", &s.Greeting},
		{"accepted", &s.Accepted},
		{"accept_errors", &s.AcceptErrors},
		{"received", &s.Received},
		{"sent", &s.Sent},
		{"received_bytes", &s.ReceivedBytes},
		{"sent_bytes", &s.SentBytes},
		{"messages", &s.Messages},
		{"twin_gets", &s.TwinGets},
		{"twin_reports", &s.TwinReports},
		{"twin_refused", &s.TwinRefused},
		{"unanswered", &s.Unanswered},
		{"method_results", &s.MethodResults},
		{"desired_sent", &s.DesiredSent},
		{"stalls", &s.Stalls},
		{"wills", &s.Wills},
		{"lost_wills", &s.LostWills},
	} {
		f(c.name, "", c.value.Load())
	}
	for r := range refusals {
		f("refused", r.String(), s.refused[r].Load())
	}
	for e := range ends {
		f("ended", e.String(), s.ended[e].Load())
	}
}
