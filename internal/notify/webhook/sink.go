package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Limits of one request.
const (
	timeout       = 30 * time.Second
	answerBytes   = 4 << 10
	shownBytes    = 200
	minSecret     = 16
	maxSecret     = 4 << 10
	maxRetryAfter = time.Hour
)

// Options say whom to tell.
type Options struct {
	// URL is where to post to, https.
	URL string
	// Secret signs the requests.
	Secret []byte
	// Roots are the certificates to trust; nil for the system's.
	Roots *x509.CertPool
	// Version is the hub's, for User-Agent.
	Version string
}

// Sink posts entries to one URL. Make one with [New].
type Sink struct {
	opt    Options
	client *http.Client
}

// ReadSecret reads the secret in a file; a line break at its end does not
// belong to it.
func ReadSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the secret of a webhook: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, fmt.Errorf("read the secret of a webhook: %w", err)
	}
	b = bytes.TrimRight(b, "\r\n")
	if len(b) < minSecret || len(b) > maxSecret {
		return nil, &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: "read the secret of a webhook", Subject: path,
			Message: fmt.Sprintf("The file has to hold a secret of %d to %d bytes; make one with: openssl rand -hex 32.", minSecret, maxSecret),
		}
	}
	return b, nil
}

// New returns a sink.
func New(o Options) (*Sink, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "The URL of a webhook has to begin with https:// and name a host.")
	}
	if len(o.Secret) < minSecret {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "The secret of a webhook has at least %d bytes.", minSecret)
	}
	return &Sink{opt: o, client: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:       &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 20 * time.Second,
			IdleConnTimeout:       90 * time.Second,
			MaxIdleConnsPerHost:   1,
			// No answer needs large headers.
			MaxResponseHeaderBytes: 16 << 10,
			ForceAttemptHTTP2:      true,
		},
		// A redirect would show the entry, and a signature, to somebody whom
		// the operator did not name.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// entry is an entry of the feed as the REST API has it.
type entry struct {
	Sequence uint64            `json:"sequence"`
	Time     time.Time         `json:"time"`
	Subject  string            `json:"subject"`
	ID       string            `json:"id"`
	Device   tvilling.DeviceID `json:"device"`
	Action   string            `json:"action"`
	Actor    string            `json:"actor"`
	Body     json.RawMessage   `json:"body,omitempty"`
}

// Deliver posts the entries one after the other and stops at the first that is
// not answered with success.
func (s *Sink) Deliver(ctx context.Context, entries []ledger.Entry) (taken int, err error) {
	for i := range entries {
		if err := s.post(ctx, &entries[i]); err != nil {
			return i, err
		}
	}
	return len(entries), nil
}

func (s *Sink) post(ctx context.Context, e *ledger.Entry) error {
	body, err := json.Marshal(entry{e.Sequence, e.Time, e.Subject, e.ID, e.Device, e.Action, e.Actor, e.Body})
	if err != nil {
		return fmt.Errorf("encode entry %d of the feed: %w", e.Sequence, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.opt.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make the request of a webhook: %w", hideURL(err))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", strings.TrimSuffix("Tvilling/"+s.opt.Version, "/"))
	req.Header.Set(SignatureHeader, Sign(s.opt.Secret, body, time.Now()))
	req.Header.Set(KeyHeader, strconv.FormatUint(e.Sequence, 10))
	resp, err := s.client.Do(req)
	if err != nil {
		return unreachable(hideURL(err))
	}
	defer resp.Body.Close()
	// What is read to its end leaves the connection to the next request.
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerBytes))
	if resp.StatusCode/100 == 2 {
		return nil // it is taken, whatever became of the text
	}
	if err != nil {
		text = nil
	}
	return refused(resp, text)
}

// hideURL takes the URL out of an error: it may hold a token.
func hideURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func unreachable(err error) error {
	why := "The receiver cannot be reached."
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		why = fmt.Sprintf("The receiver did not answer within its time (%v in all).", timeout)
	} else if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		why = "The certificate of the receiver cannot be verified: " + err.Error()
	} else if _, ok := errors.AsType[*net.OpError](err); ok {
		why = "The receiver cannot be reached: " + err.Error()
	}
	return &tvilling.Error{Code: tvilling.Unavailable, Op: "post to the webhook", Message: why, Err: err}
}

// refusal is an answer that is no success.
type refusal struct {
	why   *tvilling.Error
	after time.Duration
}

// Error describes the answer.
func (r *refusal) Error() string { return r.why.Error() }

// Unwrap returns the project's error.
func (r *refusal) Unwrap() error { return r.why }

// RetryAfter returns how long the receiver wants to be left alone, 0 if it did
// not say.
func (r *refusal) RetryAfter() time.Duration { return r.after }

func refused(resp *http.Response, text []byte) error {
	why := fmt.Sprintf("The receiver answered %d", resp.StatusCode)
	if t := http.StatusText(resp.StatusCode); t != "" {
		why += " " + t
	}
	switch shown := printable(text); {
	case resp.StatusCode/100 == 3:
		why += "; redirects are not followed, so the URL has to be that of the receiver itself"
	case shown != "":
		why += ": " + shown
	}
	return &refusal{
		why:   &tvilling.Error{Code: tvilling.Unavailable, Op: "post to the webhook", Message: why + "."},
		after: retryAfter(resp.Header.Get("Retry-After"), time.Now()),
	}
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(v string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(v); err == nil {
		return time.Duration(min(max(n, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// printable is the beginning of a text without what a terminal or a log would
// take for more than text.
func printable(text []byte) string {
	s := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(string(text), " "), func(r rune) bool {
		return r <= ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	}), " ")
	if len(s) > shownBytes {
		s = strings.ToValidUTF8(s[:shownBytes], "") + "…"
	}
	return s
}
