package client

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/tvilling/tvilling"
)

// Server is what others need to reach the hub that a client talks to.
type Server struct {
	// Port is that of HTTPS.
	Port string
	// Chain are the certificates that the hub shows, its own first.
	Chain []*x509.Certificate
}

// Server asks the hub to show its certificate.
func (c *Client) Server(ctx context.Context) (s Server, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.host+"/healthz", nil)
	if err != nil {
		return s, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "look at the hub", Message: "The address " + c.host + " is not one of a hub.", Err: err}
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return s, fmt.Errorf("look at the hub: %w", err)
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 4096)); err != nil {
		return s, fmt.Errorf("look at the hub: %w", err)
	}
	if answer.TLS == nil {
		return s, fmt.Errorf("look at the hub: %s does not speak TLS", c.host)
	}
	s = Server{Port: "443", Chain: answer.TLS.PeerCertificates}
	address := c.addr
	if address == "" {
		address = c.host
	}
	if _, port, err := net.SplitHostPort(address); err == nil {
		s.Port = port
	}
	return s, nil
}

// AgentPrograms returns nil if the hub has the security agent's program for at
// least one kind of device, else what it says is missing.
func (c *Client) AgentPrograms(ctx context.Context) error {
	var missing error
	for _, platform := range []string{"linux-amd64", "linux-arm64", "linux-armv7"} {
		// HEAD, since a program that is not taken whole is an error to the hub; GET
		// for the text of a refusal, which HEAD does not have.
		var err error
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			var answer *http.Response
			answer, err = c.send(ctx, request{op: "look for the agent", subject: platform, method: method, path: path("tvilling", "agent", platform)})
			if err == nil {
				return answer.Body.Close()
			}
		}
		if tvilling.CodeOf(err) != tvilling.NotFound {
			return err
		}
		if missing == nil {
			missing = err
		}
	}
	return missing
}
