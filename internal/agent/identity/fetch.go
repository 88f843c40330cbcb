package identity

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/device"
)

const (
	// fetchTimeout is how long fetching the module's key may take (asc §5.3,
	// ConnectionTimeout).
	fetchTimeout = 30 * time.Second
	// fetchTokenLife is how long the token for it is valid: long enough for a
	// clock that is somewhat behind.
	fetchTokenLife = time.Hour
)

// fetchKey asks the hub for the module's key with the device's proof (asc §5.1,
// wire §12).
func (c *Config) fetchKey(ctx context.Context, p proof) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	token := p.token
	if p.key != "" {
		var err error
		if token, err = device.SASToken(c.HostName+"/devices/"+c.DeviceID, p.key, time.Now().Add(fetchTokenLife)); err != nil {
			return "", err
		}
	}
	t, err := c.tlsConfig(p.cert)
	if err != nil {
		return "", err
	}
	addr := hostPort(c.server(), c.HTTPSPort)
	path := "/devices/" + url.PathEscape(c.DeviceID) + "/modules/" + url.PathEscape(c.ModuleID) + "?api-version=2018-06-30"
	host := c.server()
	if c.HTTPSPort != 443 {
		host = addr
	}
	a, err := roundTrip(ctx, addr, t, appendGet(nil, host, path, token))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return "", Explain(fmt.Errorf("ask for the key of %s: %w", c.ID(), err), addr, time.Now())
	}
	return c.keyIn(a, p)
}

// roundTrip sends a request on a connection of its own, and reads the answer.
func roundTrip(ctx context.Context, addr string, t *tls.Config, request []byte) (_ answer, err error) {
	d := tls.Dialer{NetDialer: &net.Dialer{KeepAlive: -1}, Config: t}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return answer{}, err
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := nc.Write(request); err != nil {
		return answer{}, err
	}
	return readAnswer(nc)
}

// module is what matters of a module identity (wire §4.3).
type module struct {
	Authentication struct {
		Type         string `json:"type"`
		SymmetricKey struct {
			Primary string `json:"primaryKey"`
		} `json:"symmetricKey"`
	} `json:"authentication"`
}

// keyIn returns the key in the hub's answer. Errors never repeat the answer's
// body where it may have a key.
func (c *Config) keyIn(a answer, p proof) (string, error) {
	if a.status != 200 {
		return "", c.refused(a, p, time.Now())
	}
	var m module
	if err := json.Unmarshal(a.body, &m); err != nil {
		return "", problem(tvilling.Unavailable, "Authentication", "Other", c.ID().String(), "The hub's answer is no module identity. Check host-name and https-port.", nil)
	}
	key := m.Authentication.SymmetricKey.Primary
	if k, err := base64.StdEncoding.DecodeString(key); err != nil || len(k) == 0 {
		return "", problem(tvilling.InvalidArgument, "Authentication", "Other", c.ID().String(),
			fmt.Sprintf("The module has no key; it authenticates by %.40q. Give the module a key in the hub, or name its certificate with module-certificate-file.", m.Authentication.Type), nil)
	}
	return key, nil
}

// refused is the error for an answer that is not 200.
func (c *Config) refused(a answer, p proof, now time.Time) error {
	cause := errors.New(hubMessage(a))
	subject := c.ID().String()
	switch a.status {
	case 401, 403:
		text := "The hub refuses the device's " + p.kind() + " (" + p.file + "). Check it, and device-id."
		if p.token != "" {
			text = "The hub refuses the device's token (" + p.file + "): tokens end, or the device's key was replaced. Enrol the device anew with the hub's enroll-command."
		}
		if off := now.Sub(a.date); !a.date.IsZero() && off.Abs() > 5*time.Minute {
			text += fmt.Sprintf(" The device's clock is %s from the hub's: check the clock.", off.Truncate(time.Second))
		} else {
			text += ClockHint(now)
		}
		return problem(tvilling.Unauthorized, "Authentication", "Unauthorized", subject, text, cause)
	case 404:
		return problem(tvilling.ModuleNotFound, "Authentication", "Not Found", subject,
			"The hub has no such module. Create it there: tvilling module create "+subject+" (on an Azure hub: az iot hub module-identity create).", cause)
	}
	return problem(tvilling.Unavailable, "Authentication", "Other", subject, fmt.Sprintf("The hub answers with status %d instead of the module. It will be asked again.", a.status), cause)
}

func (p proof) kind() string {
	switch {
	case p.key != "":
		return "key"
	case p.token != "":
		return "token"
	}
	return "certificate"
}

// hubMessage is what the hub says with a refusal: one line of plain text, in
// bounds.
func hubMessage(a answer) string {
	var b struct {
		Message string `json:"message"` // matches "Message", too
	}
	text := ""
	if json.Unmarshal(a.body, &b) == nil {
		text = b.Message
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, text)
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	if text == "" {
		return fmt.Sprintf("status %d", a.status)
	}
	return fmt.Sprintf("status %d: %s", a.status, text)
}
