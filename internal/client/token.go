package client

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
)

const (
	// tokenLife is how long a token is valid, renewBefore how long before its
	// end a new one is made.
	tokenLife   = time.Hour
	renewBefore = 5 * time.Minute
)

// signer makes the tokens of a client and keeps the last one.
type signer struct {
	scope  string // percent-encoded
	policy string
	key    []byte

	// mu guards token and ends.
	mu    sync.Mutex
	token string
	ends  time.Time
}

func newSigner(c Connection) (*signer, error) {
	if c.Signature != "" {
		return &signer{token: c.Signature}, nil
	}
	key, err := base64.StdEncoding.DecodeString(c.Key)
	if err != nil || len(key) == 0 {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read connection string", Message: "The key is not base64."}
	}
	scope := c.HostName
	if c.ID.Device != "" {
		scope += "/devices/" + string(c.ID.Device)
	}
	if c.ID.Module != "" {
		scope += "/modules/" + string(c.ID.Module)
	}
	return &signer{scope: url.QueryEscape(scope), policy: c.Policy, key: key}, nil
}

// header returns the Authorization header for a request made at now.
func (s *signer) header(now time.Time) string {
	if s.key == nil {
		return s.token
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Add(renewBefore).Before(s.ends) {
		return s.token
	}
	s.ends = now.Add(tokenLife)
	s.token = s.sign(s.ends)
	return s.token
}

// sign makes a shared access signature: the HMAC-SHA256, under the key, of the
// encoded scope, a line feed and the expiry in seconds.
func (s *signer) sign(ends time.Time) string {
	expiry := strconv.FormatInt(ends.Unix(), 10)
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(s.scope + "\n" + expiry))
	token := "SharedAccessSignature sr=" + s.scope +
		"&sig=" + url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil))) + "&se=" + expiry
	if s.policy != "" {
		token += "&skn=" + url.QueryEscape(s.policy)
	}
	return token
}
