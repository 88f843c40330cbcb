package auth

import (
	"errors"
	"fmt"

	"github.com/tvilling/tvilling"
)

// Reason says in one word why a caller was refused. It is meant for logs and
// for counting, never for the caller.
type Reason string

// The reasons of a refusal.
const (
	NoCredential       Reason = "no_credential"
	MalformedToken     Reason = "malformed_token"
	ExpiredToken       Reason = "expired_token"
	ForeignScope       Reason = "foreign_scope"
	WrongKey           Reason = "wrong_key"
	UnknownIdentity    Reason = "unknown_identity"
	UnknownPolicy      Reason = "unknown_policy"
	MissingPermission  Reason = "missing_permission"
	DisabledIdentity   Reason = "disabled_identity"
	WrongMethod        Reason = "wrong_method"
	WrongCertificate   Reason = "wrong_certificate"
	ExpiredCertificate Reason = "expired_certificate"
)

// Refusal is the cause inside the error of a refused caller.
type Refusal struct {
	Reason Reason
	// Detail says what was wrong and what an operator can do. It holds no
	// token, signature or key.
	Detail string
}

// Error returns the reason and the detail.
func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Detail }

// ReasonOf returns the reason of a refusal, and "" for any other error.
func ReasonOf(err error) Reason {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Reason
	}
	return ""
}

// refusedMessage is all that a refused caller learns: the same for a wrong key,
// an unknown identity and a disabled one, so that ids cannot be probed.
const refusedMessage = "The credentials given do not allow this. Check the host name, the identity, the key and its expiry; the hub's log has the reason."

func refuse(subject string, reason Reason, format string, args ...any) error {
	return &tvilling.Error{
		Code:    tvilling.Unauthorized,
		Op:      "authenticate",
		Subject: clip(subject),
		Message: refusedMessage,
		Err:     &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)},
	}
}

// clip keeps what a stranger sent from flooding a log.
func clip(s string) string {
	const limit = 300
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}
