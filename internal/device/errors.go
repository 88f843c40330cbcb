package device

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// ErrClosed is why a request failed, or a connection ended, after Close.
var ErrClosed error = tvilling.Errorf(tvilling.Unavailable, "The connection was closed by its own side.")

// refusedConnect is the error for a CONNACK that refuses.
func refusedConnect(id tvilling.Identity, code packet.ReturnCode) error {
	e := &tvilling.Error{Code: tvilling.Unavailable, Op: "connect", Subject: id.String()}
	switch code {
	case packet.NotAuthorized, packet.BadUsernamePassword:
		e.Code = tvilling.Unauthorized
		e.Message = "The hub refused the credential. Check the identity, its key and the clock; the hub's log has the reason."
	case packet.IdentifierRejected, packet.UnacceptableLevel:
		e.Code = tvilling.InvalidArgument
		e.Message = fmt.Sprintf("The hub refused the connection: %s.", code)
	case packet.Accepted, packet.ServerUnavailable:
		e.Message = "The hub takes no connections at the moment; try again later."
	}
	return e
}

// refusedRequest is the error for an answer with a status of 300 or more.
func refusedRequest(op string, id tvilling.Identity, status int, body []byte) error {
	e := &tvilling.Error{Code: codeOf(status), Op: op, Subject: id.String()}
	var b struct {
		ErrorCode int    `json:"errorCode"`
		Message   string `json:"message"`
	}
	if err := json.Unmarshal(body, &b); err == nil && b.Message != "" {
		e.Message = b.Message
		if b.ErrorCode == 404_010 {
			e.Code = tvilling.ModuleNotFound
		}
		return e
	}
	e.Message = fmt.Sprintf("The hub answered with status %d.", status)
	return e
}

func codeOf(status int) tvilling.Code {
	switch status {
	case 400:
		return tvilling.InvalidArgument
	case 401, 403:
		return tvilling.Unauthorized
	case 404:
		return tvilling.DeviceNotFound
	case 412:
		return tvilling.PreconditionFailed
	case 413:
		return tvilling.TooLarge
	case 429:
		return tvilling.Throttled
	case 503:
		return tvilling.Unavailable
	}
	return tvilling.Internal
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}
