package webhook_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/notify/webhook"
)

// vector is a signature made by another program.
const vector = "f05f2539e3ae1c49aec5f8cfdad75ef6b06480b133973ffbb7ec9e18827af177"

var secret = []byte("0123456789abcdef0123456789abcdef")

func TestSign(t *testing.T) {
	// echo -n '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
	want := "t=1700000000,v1=" + vector
	if got := webhook.Sign(secret, []byte(`{"a":1}`), time.Unix(1700000000, 5)); got != want {
		t.Errorf("Sign = %s, want %s", got, want)
	}
}

func TestVerify(t *testing.T) {
	body, at := []byte(`{"a":1}`), time.Unix(1700000000, 0)
	good := webhook.Sign(secret, body, at)
	other := webhook.Sign([]byte("another secret of this length..."), body, at)
	for _, c := range []struct {
		name, header string
		body         string
		now          time.Time
		want         string // in the message; "" is good
	}{
		{"good", good, `{"a":1}`, at, ""},
		{"late", good, `{"a":1}`, at.Add(webhook.Tolerance), ""},
		{"too late", good, `{"a":1}`, at.Add(webhook.Tolerance + time.Second), "check the clocks"},
		{"too early", good, `{"a":1}`, at.Add(-webhook.Tolerance - time.Second), "check the clocks"},
		{"body", good, `{"a":2}`, at, "not made of this body"},
		{"time", strings.Replace(good, "t=1700000000", "t=1700000001", 1), `{"a":1}`, at, "not made of this body"},
		{"secret", other, `{"a":1}`, at, "not made of this body"},
		{"two signatures", other + "," + strings.Split(good, ",")[1], `{"a":1}`, at, ""},
		{"spaces", strings.Replace(good, ",", ", ", 1), `{"a":1}`, at, ""},
		{"empty", "", `{"a":1}`, at, "is not t="},
		{"no time", strings.Split(good, ",")[1], `{"a":1}`, at, "is not t="},
		{"no signature", "t=1700000000", `{"a":1}`, at, "is not t="},
		{"no hexadecimal digits", "t=1700000000,v1=zz", `{"a":1}`, at, "is not t="},
		{"short", "t=1700000000,v1=00", `{"a":1}`, at, "not made of this body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := webhook.Verify(secret, c.header, []byte(c.body), c.now)
			if c.want == "" {
				if err != nil {
					t.Errorf("Verify = %v", err)
				}
				return
			}
			if tvilling.CodeOf(err) != tvilling.Unauthorized || !strings.Contains(tvilling.MessageOf(err), c.want) {
				t.Errorf("Verify = %v, want Unauthorized: … %s …", err, c.want)
			}
			if err != nil && bytes.Contains([]byte(err.Error()), secret) {
				t.Error("the error shows the secret")
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(webhook.Sign(secret, []byte("x"), time.Unix(1700000000, 0)), []byte("x"))
	f.Add("t=,v1=,", []byte{})
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		if webhook.Verify([]byte("a secret that nobody has signed with"), header, body, time.Unix(1700000000, 0)) == nil {
			t.Fatalf("%q is taken for a signature", header)
		}
	})
}
