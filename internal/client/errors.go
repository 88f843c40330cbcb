package client

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tvilling/tvilling"
)

// codeHeader is where the hub names the code of a refusal in its own words.
const codeHeader = "Tvilling-Error-Code"

// maxErrorBody bounds what is read of an error answer.
const maxErrorBody = 64 << 10

// Answer is the cause inside the error of a request that the hub refused: what
// the wire said.
type Answer struct {
	Status int
	// Name is the name of the error, as in "DeviceNotFound".
	Name string
	// Tracking is the tracking id under which the hub's log has the details.
	Tracking string
}

// Error describes the answer.
func (a *Answer) Error() string {
	s := fmt.Sprintf("HTTP status %d", a.Status)
	if a.Name != "" {
		s += ", " + a.Name
	}
	if a.Tracking != "" {
		s += ", tracking id " + a.Tracking
	}
	return s
}

// names gives the code for the names that other hubs answer with; ours says
// the code itself.
var names = map[string]tvilling.Code{
	"DeviceNotFound":              tvilling.DeviceNotFound,
	"ModuleNotFound":              tvilling.ModuleNotFound,
	"DeviceAlreadyExists":         tvilling.DeviceAlreadyExists,
	"ModuleAlreadyExistsOnDevice": tvilling.ModuleAlreadyExists,
	"TooManyModulesOnDevice":      tvilling.TooManyModules,
	"InvalidOperation":            tvilling.Unsupported,
	"ConfigurationNotFound":       tvilling.ConfigurationNotFound,
	"ConfigurationAlreadyExists":  tvilling.ConfigurationAlreadyExists,
}

// statuses gives the code for a status when nothing says more.
var statuses = map[int]tvilling.Code{
	http.StatusBadRequest:            tvilling.InvalidArgument,
	http.StatusUnauthorized:          tvilling.Unauthorized,
	http.StatusForbidden:             tvilling.Unauthorized,
	http.StatusNotFound:              tvilling.NotFound,
	http.StatusMethodNotAllowed:      tvilling.Unsupported,
	http.StatusPreconditionFailed:    tvilling.PreconditionFailed,
	http.StatusRequestEntityTooLarge: tvilling.TooLarge,
	http.StatusTooManyRequests:       tvilling.Throttled,
	http.StatusBadGateway:            tvilling.Unavailable,
	http.StatusServiceUnavailable:    tvilling.Unavailable,
	http.StatusGatewayTimeout:        tvilling.Unavailable,
}

// refusal makes an error of an answer that is not a success.
func refusal(op, subject string, r *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxErrorBody))
	if err != nil {
		body = nil // the status says enough
	}
	name, message, tracking := parseFault(body)
	if h := r.Header.Get("Iothub-Errorcode"); h != "" {
		name = h
	}
	code := tvilling.Code(r.Header.Get(codeHeader))
	if code == "" {
		code = names[name]
	}
	if code == "" {
		code = statuses[r.StatusCode]
	}
	if code == "" {
		code = tvilling.Internal
	}
	if message == "" {
		message = fmt.Sprintf("The hub answered with status %d and no reason.", r.StatusCode)
	}
	return &tvilling.Error{
		Code: code, Op: op, Subject: subject, Message: message,
		Err: &Answer{Status: r.StatusCode, Name: name, Tracking: tracking},
	}
}

// parseFault reads either of the two error bodies of a hub.
func parseFault(body []byte) (name, message, tracking string) {
	var outer struct{ Message, ExceptionMessage string }
	if json.Unmarshal(body, &outer) != nil {
		return "", "", ""
	}
	tracking = strings.TrimPrefix(outer.ExceptionMessage, "Tracking ID:")
	if rest, ok := strings.CutPrefix(outer.Message, "ErrorCode:"); ok {
		name, message, _ = strings.Cut(rest, ";")
		return name, message, tracking
	}
	var inner struct{ Message, TrackingID string }
	if json.Unmarshal([]byte(outer.Message), &inner) == nil {
		return "", inner.Message, inner.TrackingID
	}
	return "", outer.Message, tracking
}

// unreachable makes an error of a request that got no answer.
func unreachable(op, subject, host string, err error) error {
	e := &tvilling.Error{Code: tvilling.Unavailable, Op: op, Subject: subject, Err: err}
	unknown, byUnknown := errors.AsType[x509.UnknownAuthorityError](err)
	wrongName, byName := errors.AsType[x509.HostnameError](err)
	switch {
	case byUnknown && unknown.Cert != nil:
		e.Message = fmt.Sprintf("The certificate of %s is not signed by a trusted authority; give the hub's CA file (ca.pem in its data directory).", host)
	case byName:
		e.Message = fmt.Sprintf("The certificate of the hub is not for the name %s; start the hub with --host %s, or use a name that its certificate has.", wrongName.Host, wrongName.Host)
	default:
		e.Message = fmt.Sprintf("The hub at %s cannot be reached: %v.", host, rootCause(err))
	}
	return e
}

// rootCause drops the layers that only repeat the URL.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
