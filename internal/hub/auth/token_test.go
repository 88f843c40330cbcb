package auth_test

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// vector is one line of testdata/tokens.txt.
type vector struct {
	client, resource, policy, token string
}

func readVectors(t testing.TB) (key string, vectors []vector) {
	t.Helper()
	text, err := os.ReadFile("testdata/tokens.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		fields := strings.Split(line, "\t")
		switch {
		case strings.HasPrefix(line, "#"):
		case len(fields) == 2 && fields[0] == "key":
			key = fields[1]
		case len(fields) == 4:
			vectors = append(vectors, vector{fields[0], fields[1], fields[2], fields[3]})
		default:
			t.Fatalf("malformed line %q", line)
		}
	}
	if key == "" || len(vectors) < 20 {
		t.Fatalf("read a key of %d characters and %d tokens", len(key), len(vectors))
	}
	return key, vectors
}

// TestClientTokens opens what each client's token is for with that token.
func TestClientTokens(t *testing.T) {
	t.Parallel()
	key, vectors := readVectors(t)
	for _, v := range vectors {
		t.Run(strings.ReplaceAll(v.client, " ", "_"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // the clock stands before every expiry
				h := newHub(t)
				keys := auth.Pair{Primary: auth.NewKey(), Secondary: key}
				parts := strings.Split(strings.Trim(v.resource, "/"), "/")
				if parts[0] == "devices" && v.policy == "" {
					h.addWith(parts[1], keys)
					if len(parts) == 4 {
						h.addWith(parts[1]+"/"+parts[3], keys)
					}
				}
				if v.policy != "" {
					old, _ := h.Policies().Get(v.policy)
					p, err := auth.NewPolicy(h.sealer, v.policy, old.Permissions, keys)
					if err != nil {
						t.Fatal(err)
					}
					set, err := h.Policies().With(p)
					if err != nil {
						t.Fatal(err)
					}
					h.SetPolicies(set)
				}
				p, err := h.Request(t.Context(), v.resource, auth.Credentials{Token: v.token})
				if err != nil {
					t.Fatal(err)
				}
				if p.Policy != v.policy {
					t.Errorf("got policy %q, want %q", p.Policy, v.policy)
				}
				if v.policy == "" && p.ID.Device == "" {
					t.Error("the principal has no identity")
				}
				tampered := strings.Replace(v.token, "se=18", "se=19", 1)
				_, err = h.Request(t.Context(), v.resource, auth.Credentials{Token: tampered})
				wantRefused(t, err, auth.WrongKey)
			})
		})
	}
}

func TestParseTokenRefuses(t *testing.T) {
	t.Parallel()
	const sig = "AuioQ%2B3BlR3CO2SJ3ZavwaERybxPZliRgzxbZLgt%2FNo%3D"
	const good = "SharedAccessSignature sr=hub.example%2Fdevices%2Fd&sig=" + sig + "&se=1800000000"
	if _, err := auth.ParseToken(good); err != nil {
		t.Fatalf("the token that the others are made of: %v", err)
	}
	replace := func(from, to string) string {
		s := strings.Replace(good, from, to, 1)
		if s == good {
			t.Fatalf("nothing to replace: %q", from)
		}
		return s
	}
	tests := map[string]struct{ token, want string }{
		"empty":              {"", "does not begin"},
		"other scheme":       {"Bearer abc", "does not begin"},
		"scheme alone":       {"SharedAccessSignature", "does not begin"},
		"no fields":          {"SharedAccessSignature ", "no sr"},
		"no sr":              {replace("sr=", "rs="), "no sr"},
		"no sig":             {replace("sig=", "gis="), "no sig"},
		"no se":              {replace("se=", "es="), "no se"},
		"sr twice":           {good + "&sr=other", "sr twice"},
		"sr empty and twice": {replace("sr=", "sr=&sr="), "sr twice"},
		"se not digits":      {replace("1800000000", "18e8"), "se is not"},
		"se negative":        {replace("1800000000", "-1"), "se is not"},
		"se with sign":       {replace("1800000000", "+1800000000"), "se is not"},
		"se with space":      {replace("1800000000", "1800000000 0"), "se is not"},
		"se underscore":      {replace("1800000000", "18_00000000"), "se is not"},
		"se beyond 63 bits":  {replace("1800000000", "9223372036854775808"), "se is not"},
		"sig short":          {replace(sig, "AAAA"), "sig is not"},
		"sig not base64":     {replace(sig, "!!!!"), "sig is not"},
		"sig escape":         {replace("%2B", "%2"), "sig "},
		"sig encoded twice":  {replace("%2B", "%252B"), "sig is not"},
		"skn escape":         {good + "&skn=%zz", "skn has a malformed"},
		"host missing":       {replace("hub.example", ""), "host name"},
		"all encoded twice":  {replace("hub.example%2F", "hub.example%252F"), "host name"},
		"empty segment":      {replace("%2Fdevices", "%2F%2Fdevices"), "empty segment"},
		"too long":           {good + "&x=" + strings.Repeat("x", auth.MaxTokenLength), "at most 4096"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.ParseToken(test.token)
			if err == nil {
				t.Fatalf("%q was taken", test.token)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %q, want one that says %q", err, test.want)
			}
			if strings.Contains(err.Error(), "AuioQ") {
				t.Errorf("the error repeats the signature: %q", err)
			}
		})
	}
}

func TestTokenFarExpiryEndsWithTheCalendar(t *testing.T) {
	t.Parallel()
	token, err := auth.ParseToken("SharedAccessSignature sr=h&sig=AuioQ%2B3BlR3CO2SJ3ZavwaERybxPZliRgzxbZLgt%2FNo%3D&se=9223372036854775807")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := token.Expires, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got expiry %v, want %v", got, want)
	}
}

// TestSignRoundTrip signs for any resource and checks that the key and only
// the key verifies, and that no byte of the token can change.
func TestSignRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[A-Za-z0-9\-:.+%_#*?!(),=@;$']{1,128}`).Draw(t, "id")
		policy := rapid.StringMatching(`[A-Za-z0-9._\-]{0,64}`).Draw(t, "policy")
		end := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "end"), 0)
		key, other := auth.NewKey(), auth.NewKey()
		text, err := auth.Sign("hub.example/devices/"+id, key, policy, end)
		if err != nil {
			t.Fatal(err)
		}
		token, err := auth.ParseToken(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if token.Policy != policy || !token.Expires.Equal(end) {
			t.Errorf("got policy %q and expiry %v, want %q and %v", token.Policy, token.Expires, policy, end)
		}
		if !token.SignedBy(key) {
			t.Error("its own key does not verify the token")
		}
		if token.SignedBy(other) || token.SignedBy("") || token.SignedBy("not base64") {
			t.Error("another key verifies the token")
		}
		// Any change to what is signed, or to the signature, must show.
		from := strings.Index(text, "sr=") + len("sr=")
		to := len(text)
		if policy != "" {
			to = strings.Index(text, "&skn=")
		}
		at := rapid.IntRange(from, to-1).Draw(t, "at")
		changed := text[:at] + string(rune('0'+(text[at]+1)%10)) + text[at+1:]
		if changed == text {
			return
		}
		if token, err := auth.ParseToken(changed); err == nil && token.SignedBy(key) && !sameToken(text, changed) {
			t.Errorf("%q was signed, but %q is verified, too", text, changed)
		}
	})
}

// sameToken reports whether two texts differ in nothing but stray bits of the
// last base64 character, which carry no information.
func sameToken(a, b string) bool {
	cut := func(s string) (string, string) {
		before, rest, _ := strings.Cut(s, "sig=")
		sig, after, _ := strings.Cut(rest, "&")
		raw, err := base64.StdEncoding.DecodeString(strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(sig))
		if err != nil {
			return s, ""
		}
		return before + after, string(raw)
	}
	restA, sigA := cut(a)
	restB, sigB := cut(b)
	return restA == restB && sigA == sigB
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	if _, err := auth.Sign("hub.example", "c2hvcnQ=", "", time.Now()); err == nil {
		t.Error("a key of 5 bytes was taken")
	}
	if _, err := auth.Sign("", auth.NewKey(), "", time.Now()); err == nil {
		t.Error("an empty resource was taken")
	}
}

func FuzzParseToken(f *testing.F) {
	key, vectors := readVectors(f)
	for _, v := range vectors {
		f.Add(v.token)
	}
	f.Add("SharedAccessSignature sr=a%2F%2Fb&sig=%&se=1&skn=%41")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := auth.ParseToken(s)
		if err != nil {
			return
		}
		if token.Expires.Year() > 9999 {
			t.Errorf("expiry %v", token.Expires)
		}
		// What parses with the key's signature was signed: a made-up token has none.
		if token.SignedBy(key) && !strings.Contains(s, "&") {
			t.Errorf("%q is verified", s)
		}
		if token.SignedBy("") {
			t.Errorf("%q is verified by an empty key", s)
		}
		h := fuzzHub(t)
		for _, resource := range []string{"/devices/d/modules/m", "/twins/d", "/", s} {
			if _, err := h.Request(t.Context(), resource, auth.Credentials{Token: s}); err == nil {
				t.Errorf("%q opens %q", s, resource)
			}
		}
	})
}

// fuzzHub returns a hub with keys that no token is signed with.
func fuzzHub(t testing.TB) *hub {
	t.Helper()
	h := newHub(t)
	h.add("d")
	h.add("d/m")
	h.change("d/m", func(r *state.Identity) { r.Auth.Type = state.None })
	return h
}
