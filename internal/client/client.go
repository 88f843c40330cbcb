package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

// apiVersion is what the client asks for; a hub takes any.
const apiVersion = "2021-04-12"

// Options say which hub to talk to and as whom: by a connection string, or by
// host name, policy and key.
type Options struct {
	ConnectionString string

	HostName, PolicyName, Key string

	// CAs are the authorities that may sign the hub's certificate, CAFile a PEM
	// file of such; without either, those of the system.
	CAs    *x509.CertPool
	CAFile string
	// Certificate, if set, is shown to the hub; it can stand for a key.
	Certificate *tls.Certificate
	// Addr is the "host:port" to connect to when it is not the host name's.
	Addr string
	// HTTPClient, if set, carries the requests; CAs, CAFile, Certificate and
	// Addr are then its owner's business.
	HTTPClient *http.Client
}

// Client talks to one hub. It is safe for concurrent use.
type Client struct {
	host   string
	addr   string // where it listens, "" for the host
	signer *signer
	http   *http.Client
}

// New returns a client. It does not connect yet.
func New(o Options) (*Client, error) {
	conn := Connection{HostName: o.HostName, Policy: o.PolicyName, Key: o.Key}
	if o.ConnectionString != "" {
		var err error
		if conn, err = ParseConnection(o.ConnectionString); err != nil {
			return nil, err
		}
	} else if err := conn.check(); err != nil && o.Certificate == nil {
		return nil, err
	}
	c := &Client{host: conn.HostName, addr: o.Addr, http: o.HTTPClient}
	var err error
	if conn.Key != "" || conn.Signature != "" {
		if c.signer, err = newSigner(conn); err != nil {
			return nil, err
		}
	}
	if c.http == nil {
		c.http, err = newHTTP(o)
	}
	return c, err
}

// newHTTP returns an HTTP client that trusts and connects as o says.
func newHTTP(o Options) (*http.Client, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.CAs}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read CA file", Subject: o.CAFile, Message: "The CA file cannot be read.", Err: err}
		}
		if conf.RootCAs == nil {
			conf.RootCAs = x509.NewCertPool()
		}
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read CA file", Subject: o.CAFile, Message: "The CA file holds no certificate in PEM form."}
		}
	}
	if o.Certificate != nil {
		conf.Certificates = []tls.Certificate{*o.Certificate}
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:     conf,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     60 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if o.Addr != "" {
				addr = o.Addr
			}
			return dialer.DialContext(ctx, network, addr)
		},
	}}, nil
}

// HostName returns the hub that the client talks to.
func (c *Client) HostName() string { return c.host }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one call of the hub.
type request struct {
	op, subject string
	method      string
	path        string // escaped
	query       url.Values
	header      http.Header
	match       tvilling.Match
	// body is sent as JSON; with kind it is text of that media type.
	body any
	kind string
}

// send makes the request and returns its answer when it is a success.
func (c *Client) send(ctx context.Context, q request) (*http.Response, error) {
	var body io.Reader
	kind := "application/json; charset=utf-8"
	if text, ok := q.body.(string); ok && q.kind != "" {
		body, kind = strings.NewReader(text), q.kind
	} else if q.body != nil {
		b, err := json.Marshal(q.body)
		if err != nil {
			return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: q.op, Subject: q.subject, Message: "The value to send is not JSON: " + err.Error() + ".", Err: err}
		}
		body = bytes.NewReader(b)
	}
	if q.query == nil {
		q.query = url.Values{}
	}
	q.query.Set("api-version", apiVersion)
	r, err := http.NewRequestWithContext(ctx, q.method, "https://"+c.host+q.path+"?"+q.query.Encode(), body)
	if err != nil {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: q.op, Subject: q.subject, Message: "The address " + c.host + " is not one of a hub.", Err: err}
	}
	maps.Copy(r.Header, q.header)
	r.Header.Set("User-Agent", "tvilling")
	if body != nil {
		r.Header.Set("Content-Type", kind)
	}
	if c.signer != nil {
		r.Header.Set("Authorization", c.signer.header(time.Now()))
	}
	if q.match.Given {
		r.Header.Set("If-Match", quote(q.match))
	}
	answer, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, unreachable(q.op, q.subject, c.host, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		defer func() { _ = answer.Body.Close() }() // the refusal is what counts
		return nil, refusal(q.op, q.subject, answer)
	}
	return answer, nil
}

// do makes the request and decodes its answer into v, if that is not nil.
func (c *Client) do(ctx context.Context, q request, v any) (http.Header, error) {
	answer, err := c.send(ctx, q)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // it has been read to its end
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, unreachable(q.op, q.subject, c.host, err)
	}
	if v == nil {
		return answer.Header, nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return nil, &tvilling.Error{Code: tvilling.Internal, Op: q.op, Subject: q.subject, Message: "The answer of the hub is not what this client knows.", Err: err}
	}
	return answer.Header, nil
}

// quote writes a condition as an If-Match header.
func quote(m tvilling.Match) string {
	if m.Any {
		return `"*"`
	}
	return `"` + string(m.Tag) + `"`
}

// Any is the condition that whatever is changed exists.
func Any() tvilling.Match { return tvilling.Match{Given: true, Any: true} }

// IfTag is the condition that what is changed still has a certain etag.
func IfTag(tag tvilling.ETag) tvilling.Match { return tvilling.Match{Given: true, Tag: tag} }

// path joins escaped segments.
func path(segments ...string) string {
	var b bytes.Buffer
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// identityPath is the path of an identity below a root such as "devices".
func identityPath(id tvilling.Identity, root ...string) string {
	p := path(append(root, string(id.Device))...)
	if id.IsModule() {
		p += path("modules", string(id.Module))
	}
	return p
}

// Ready reports why the hub is not ready; nil when it is.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.do(ctx, request{op: "check readiness", subject: c.host, method: http.MethodGet, path: "/readyz"}, nil)
	return err
}
