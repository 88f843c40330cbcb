// Package webhook tells a receiver of alerts and recommendations by HTTPS: one
// signed POST for each entry of the feed, in order.
//
// The body is the entry as JSON, as the feed of the REST API has it. The header
// Tvilling-Signature says when the request was made and holds an HMAC-SHA256,
// with a secret that both sides know, of that time, a full stop and the body;
// [Verify] checks it. The header Idempotency-Key is the entry's sequence: an
// entry may come more than once, always under the same one.
//
// The package does not decide when to try again; package deliver does.
package webhook
