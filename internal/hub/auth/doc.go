// Package auth decides who speaks to a hub and what they may do.
//
// A caller proves itself by a shared access signature, made with the key of an
// identity or of a shared access policy, or by the certificate of its TLS
// connection. [Authenticator] turns either into a [Principal]; everything
// behind it speaks of principals only. Every refusal is one Unauthorized error
// whose message tells a client nothing about what was wrong; the [Refusal]
// inside tells the operator.
//
// Symmetric keys must be readable again, because the registry shows them, so
// they are kept sealed by a [Sealer] under the key of the hub.
//
// What it is not: it keeps no records (the registry and the settings do), it
// knows no wire (a gateway hands it a token's text and the certificates), and
// it does not close sessions: it says when a principal ends, and whether its
// credential still opens an identity after a change.
package auth
