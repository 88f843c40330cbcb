package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

const (
	// Scheme is the word that begins a token.
	Scheme = "SharedAccessSignature"
	// MaxTokenLength is the longest token that is looked at, in bytes. Two ids
	// of full length, each character encoded twice, fit.
	MaxTokenLength = 4096
	// Skew is how long after its expiry a token is still taken, because the
	// clocks of devices drift.
	Skew = 5 * time.Minute
)

// latest is the last expiry that every encoding of a time can hold; tokens
// that run longer end then.
var latest = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// Token is a parsed shared access signature. That it parsed says nothing about
// its signature: ask SignedBy.
type Token struct {
	// Policy is skn, the name of a shared access policy; empty when the token
	// was made with a key of its identity.
	Policy string
	// Expires is se.
	Expires time.Time

	scope     scope
	rawScope  string
	rawExpiry string
	signature []byte
}

// ParseToken reads "SharedAccessSignature sr=…&sig=…&se=…[&skn=…]" (wire §3.1).
// The fields may come in any order. The scheme is taken in any letter case, an
// empty skn is none, and unknown fields are ignored, as they are not part of
// what is signed. A field given twice is refused: which one counts would be a
// guess. The error never repeats the token.
func ParseToken(s string) (*Token, error) {
	if len(s) > MaxTokenLength {
		return nil, fmt.Errorf("the token has %d bytes; at most %d are looked at", len(s), MaxTokenLength)
	}
	word, rest, found := strings.Cut(s, " ")
	if !found || !strings.EqualFold(word, Scheme) {
		return nil, errors.New("the token does not begin with " + Scheme + " and a space")
	}
	var sr, sig, se, skn string
	fields := map[string]*string{"sr": &sr, "sig": &sig, "se": &se, "skn": &skn}
	seen := make(map[string]bool, len(fields))
	for field := range strings.SplitSeq(strings.TrimSpace(rest), "&") {
		name, value, _ := strings.Cut(field, "=")
		target := fields[name]
		if target == nil {
			continue
		}
		if seen[name] {
			return nil, errors.New("the token has " + name + " twice")
		}
		seen[name] = true
		*target = value
	}
	for _, name := range []string{"sr", "sig", "se"} {
		if *fields[name] == "" {
			return nil, errors.New("the token has no " + name)
		}
	}
	return buildToken(sr, sig, se, skn)
}

func buildToken(sr, sig, se, skn string) (*Token, error) {
	t := &Token{rawScope: sr, rawExpiry: se}
	var err error
	if t.scope, err = parseScope(sr); err != nil {
		return nil, err
	}
	// A "+" in sig is a plus of the base64 alphabet, never a space: some
	// clients encode it (%2B), others leave it as it is.
	text, err := url.PathUnescape(sig)
	if err != nil {
		return nil, errors.New("sig has a malformed percent escape")
	}
	t.signature, err = base64.StdEncoding.DecodeString(text)
	if err != nil || len(t.signature) != sha256.Size {
		return nil, fmt.Errorf("sig is not the base64 text of %d bytes", sha256.Size)
	}
	if t.Expires, err = parseExpiry(se); err != nil {
		return nil, err
	}
	if t.Policy, err = url.PathUnescape(skn); err != nil {
		return nil, errors.New("skn has a malformed percent escape")
	}
	return t, nil
}

func parseExpiry(se string) (time.Time, error) {
	seconds, err := strconv.ParseUint(se, 10, 63)
	if err != nil {
		return time.Time{}, errors.New("se is not a number of seconds since 1970")
	}
	if seconds > uint64(latest.Unix()) {
		return latest, nil
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}

// Expired reports whether the token is no longer taken at now: [Skew] after
// its expiry.
func (t *Token) Expired(now time.Time) bool { return !now.Before(t.Expires.Add(Skew)) }

// end is when something opened with the token at now ends: at its expiry, or,
// when it was taken after that, with the tolerance.
func (t *Token) end(now time.Time) time.Time {
	if now.Before(t.Expires) {
		return t.Expires
	}
	return t.Expires.Add(Skew)
}

// SignedBy reports whether the token was signed with key, given in base64 as
// it stands in a connection string. What was signed are the raw bytes of sr
// and se: encoding them anew would break clients whose encoding is not ours
// (wire §0.10). The comparison takes the same time whatever differs.
func (t *Token) SignedBy(key string) bool {
	raw, err := base64.StdEncoding.DecodeString(key)
	// An empty key would let anybody sign.
	usable := err == nil && len(raw) > 0
	return hmac.Equal(signature(raw, t.rawScope, t.rawExpiry), t.signature) && usable
}

func signature(key []byte, sr, se string) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, sr) // a hash takes every write
	_, _ = io.WriteString(mac, "\n")
	_, _ = io.WriteString(mac, se)
	return mac.Sum(nil)
}

// Sign makes a token for a resource such as "hub.example/devices/d", given
// unencoded. The key is base64 text; policy is empty when it is the key of the
// identity itself.
func Sign(resource, key, policy string, expires time.Time) (string, error) {
	raw, err := decodeKey(key)
	if err != nil {
		return "", err
	}
	if resource == "" {
		return "", tvilling.Errorf(tvilling.InvalidArgument, "A token needs a resource, at least the host name of the hub.")
	}
	sr := url.QueryEscape(resource)
	se := strconv.FormatInt(expires.Unix(), 10)
	sig := url.QueryEscape(base64.StdEncoding.EncodeToString(signature(raw, sr, se)))
	s := Scheme + " sr=" + sr + "&sig=" + sig + "&se=" + se
	if policy != "" {
		s += "&skn=" + url.QueryEscape(policy)
	}
	return s, nil
}
