package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

// The headers of a request.
const (
	// SignatureHeader is "t=<seconds since 1970>,v1=<HMAC in hexadecimal digits>".
	SignatureHeader = "Tvilling-Signature"
	// KeyHeader is the sequence of the entry.
	KeyHeader = "Idempotency-Key"
)

// Tolerance is how far the time of a signature may lie from the receiver's.
// Within it a receiver tells repeated requests by their Idempotency-Key.
const Tolerance = 5 * time.Minute

// Sign returns the value of the signature header for a body sent at a time.
func Sign(secret, body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, body))
}

func mac(secret []byte, t string, body []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(t))
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}

// Verify is for receivers: it checks that the value of a signature header was
// made of a body with the secret, within [Tolerance] of now. An error is of
// code Unauthorized.
func Verify(secret []byte, header string, body []byte, now time.Time) error {
	var t string
	var signatures [][]byte
	for part := range strings.SplitSeq(header, ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name {
		case "t":
			t = value
		case "v1":
			if b, err := hex.DecodeString(value); err == nil && len(signatures) < 4 {
				signatures = append(signatures, b)
			}
		}
	}
	seconds, err := strconv.ParseInt(t, 10, 64)
	if err != nil || len(signatures) == 0 {
		return tvilling.Errorf(tvilling.Unauthorized, "The header %s is not t=<seconds>,v1=<signature>.", SignatureHeader)
	}
	// Whether the time is right is told only to those who know the secret.
	want, good := mac(secret, t, body), false
	for _, s := range signatures {
		good = hmac.Equal(s, want) || good
	}
	if !good {
		return tvilling.Errorf(tvilling.Unauthorized, "The signature was not made of this body with this secret.")
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > Tolerance || d < -Tolerance {
		return tvilling.Errorf(tvilling.Unauthorized, "The signature was made more than %v from now; check the clocks.", Tolerance)
	}
	return nil
}
