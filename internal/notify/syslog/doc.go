// Package syslog tells a receiver of alerts and recommendations by syslog:
// messages of RFC 5424, counted by octets over TLS (RFC 5425), each with an
// event in the Common Event Format (CEF) as its text.
//
// Syslog acknowledges nothing. What was written to a connection that fails may
// be lost in buffers on the way, or may have arrived, and nobody can tell. At
// least once therefore means here: an entry counts as delivered when the
// connection that carried it has held for some seconds longer than the
// operating system waits for the receiver's system to confirm the bytes
// ([Settle]); after a failure everything younger is sent again. A receiver that
// has confirmed bytes and loses them before it reads them is the one loss that
// remains; the feed can be replayed to it. What comes twice has the same
// feedSequence (cn1) and sequenceId.
package syslog
