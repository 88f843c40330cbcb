package device

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
)

// SASToken makes a shared access signature for a resource, such as
// "hub.example/devices/d1/modules/m1", with a base64 key. It is valid until
// expires, to the second.
func SASToken(resource, key string, expires time.Time) (string, error) {
	k, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(k) == 0 {
		// The key itself does not belong in an error.
		return "", tvilling.Errorf(tvilling.InvalidArgument, "The key to sign for %s with is not base64.", resource)
	}
	sr := url.QueryEscape(resource)
	se := strconv.FormatInt(expires.Unix(), 10)
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(sr + "\n" + se))
	sig := url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return "SharedAccessSignature sr=" + sr + "&sig=" + sig + "&se=" + se, nil
}
