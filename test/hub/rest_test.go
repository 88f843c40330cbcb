package hub_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
)

// rest sends requests as they stand, where the client package would not.
type rest struct {
	t    testing.TB
	http *http.Client
	auth string
}

// newREST returns a sender with a fixed Authorization header, "" for none.
func newREST(t testing.TB, h *apptest.Hub, authorization string) *rest {
	t.Helper()
	addr, dialer := h.HTTPS(), &tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: h.TLS()}
	tr := &http.Transport{DisableCompression: true}
	tr.DialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, addr)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &rest{t: t, http: &http.Client{Transport: tr, Timeout: patience}, auth: authorization}
}

// owner returns a sender that may do everything.
func owner(t testing.TB, h *apptest.Hub) *rest {
	t.Helper()
	c, err := client.ParseConnection(h.OwnerConnectionString())
	if err != nil {
		t.Fatal(err)
	}
	return newREST(t, h, token(t, hostName, c.Key, c.Policy, time.Now().Add(time.Hour)))
}

// as returns a sender with the credential of a device or module.
func as(t testing.TB, h *apptest.Hub, id tvilling.Identity, key string) *rest {
	t.Helper()
	return newREST(t, h, token(t, resourceOf(id), key, "", time.Now().Add(time.Hour)))
}

// response is what came back.
type response struct {
	status int
	header http.Header
	body   []byte
}

// name is the error's name on the wire.
func (r response) name() string { return r.header.Get("Iothub-Errorcode") }

// fault reads the body of an error: its name and text.
func (r response) fault(t testing.TB) (name, message string) {
	t.Helper()
	var body struct{ Message, ExceptionMessage string }
	if err := json.Unmarshal(r.body, &body); err != nil {
		t.Errorf("the body of the error is not JSON: %v: %s", err, r.body)
		return "", ""
	}
	if !strings.HasPrefix(body.ExceptionMessage, "Tracking ID:") {
		t.Errorf("ExceptionMessage is %q, without a tracking id", body.ExceptionMessage)
	}
	rest, ok := strings.CutPrefix(body.Message, "ErrorCode:")
	name, message, found := strings.Cut(rest, ";")
	if !ok || !found || message == "" {
		t.Errorf("Message is %q, want ErrorCode:{name};{text}", body.Message)
	}
	return name, message
}

// do sends a request. path is escaped and has its query; headers come in pairs.
func (c *rest) do(method, path, body string, headers ...string) response {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, "https://"+hostName+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.auth != "" {
		r.Header.Set("Authorization", c.auth)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a, err := c.http.Do(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return response{a.StatusCode, a.Header, bytes.TrimSpace(b)}
}
