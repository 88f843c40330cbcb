package rest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

// CodeHeader carries the [tvilling.Code] of a refusal beside the names that
// clients of IoT Hub know, so that our own client need not guess it.
const CodeHeader = "Tvilling-Error-Code"

// wire is how a refusal looks to a client: the HTTP status, the name of the
// iothub-errorcode header, and the six-digit number.
type wire struct {
	status int
	name   string
	number int
}

// wires is the one table from the codes of the hub to those of the wire
// (wire §4.4; numbers from the error page of IoT Hub's documentation).
var wires = map[tvilling.Code]wire{
	tvilling.InvalidArgument:               {http.StatusBadRequest, "ArgumentInvalid", 400004},
	tvilling.Unsupported:                   {http.StatusBadRequest, "InvalidOperation", 400003},
	tvilling.Unauthorized:                  {http.StatusUnauthorized, "IotHubUnauthorizedAccess", 401002},
	tvilling.DeviceNotFound:                {http.StatusNotFound, "DeviceNotFound", 404001},
	tvilling.ModuleNotFound:                {http.StatusNotFound, "ModuleNotFound", 404010},
	tvilling.NotFound:                      {http.StatusNotFound, "GenericNotFound", 404000},
	tvilling.DeviceAlreadyExists:           {http.StatusConflict, "DeviceAlreadyExists", 409001},
	tvilling.ModuleAlreadyExists:           {http.StatusConflict, "ModuleAlreadyExistsOnDevice", 409301},
	tvilling.ConfigurationNotFound:         {http.StatusNotFound, "ConfigurationNotFound", 404301},
	tvilling.ConfigurationAlreadyExists:    {http.StatusConflict, "ConfigurationAlreadyExists", 409401},
	tvilling.TooManyConfigurations:         {http.StatusRequestEntityTooLarge, "ConfigurationCountLimitExceeded", 413101},
	tvilling.InvalidTargetCondition:        {http.StatusBadRequest, "InvalidConfigurationTargetCondition", 400401},
	tvilling.InvalidConfigurationContent:   {http.StatusBadRequest, "InvalidConfigurationContent", 400402},
	tvilling.ImmutableConfigurationContent: {http.StatusBadRequest, "CannotModifyImmutableConfigurationContent", 400403},
	tvilling.InvalidMetricsQuery:           {http.StatusBadRequest, "InvalidConfigurationCustomMetricsQuery", 400404},
	tvilling.PreconditionFailed:            {http.StatusPreconditionFailed, "PreconditionFailed", 412001},
	tvilling.TooLarge:                      {http.StatusRequestEntityTooLarge, "MessageTooLarge", 413001},
	tvilling.TooManyModules:                {http.StatusRequestEntityTooLarge, "TooManyModulesOnDevice", 413003},
	tvilling.Throttled:                     {http.StatusTooManyRequests, "ThrottlingException", 429001},
	tvilling.Unavailable:                   {http.StatusServiceUnavailable, "ServiceUnavailable", 503001},
	tvilling.Corrupt:                       {http.StatusInternalServerError, "ServerError", 500001},
	tvilling.Internal:                      {http.StatusInternalServerError, "ServerError", 500001},
}

// The refusals that only HTTP knows.
var (
	noVersion     = wire{http.StatusBadRequest, "InvalidProtocolVersion", 400001}
	wrongMethod   = wire{http.StatusMethodNotAllowed, "GenericMethodNotAllowed", 405000}
	tookTooLong   = wire{http.StatusInternalServerError, "GenericTimeout", 500008}
	clientHasGone = wire{499, "ClientClosedRequest", 499000}
)

// refusal is an error whose place on the wire is not that of its code.
type refusal struct {
	wire wire
	err  *tvilling.Error
}

// Error describes the refusal.
func (r *refusal) Error() string { return r.err.Error() }

// Unwrap returns the error that the refusal carries.
func (r *refusal) Unwrap() error { return r.err }

func refuse(w wire, code tvilling.Code, format string, args ...any) error {
	return &refusal{wire: w, err: tvilling.Errorf(code, format, args...)}
}

// fault is an error made ready for the wire.
type fault struct {
	wire
	code    tvilling.Code
	message string
}

// translate decides what a client learns of err: never a cause, never the text
// of an error that is not ours.
func translate(err error) fault {
	if r, ok := errors.AsType[*refusal](err); ok {
		return fault{wire: r.wire, code: r.err.Code, message: tvilling.MessageOf(r.err)}
	}
	code := tvilling.CodeOf(err)
	if code == tvilling.Internal {
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return fault{tookTooLong, tvilling.Unavailable, "The hub could not finish the request in time; try again."}
		case errors.Is(err, context.Canceled):
			return fault{clientHasGone, tvilling.Unavailable, "The request was given up before it was answered."}
		}
	}
	w, known := wires[code]
	if !known {
		return fault{wires[tvilling.Internal], tvilling.Internal, tvilling.MessageOf(&tvilling.Error{Code: tvilling.Internal})}
	}
	f := fault{w, code, tvilling.MessageOf(err)}
	if code == tvilling.Unauthorized {
		// wire §3.3: the text starts with this word whatever the reason.
		if f.message = strings.TrimSpace(f.message); f.message == "" {
			f.message = "Unauthorized"
		} else if !strings.HasPrefix(f.message, "Unauthorized") {
			f.message = "Unauthorized: " + f.message
		}
	}
	if f.message == "" {
		// Node reads a code only when a text follows it (wire §4.4).
		f.message = "The request was refused."
	}
	return f
}

// appendFault appends the body of an error answer, one of the two of wire §4.4:
// "ErrorCode:Name;text", or, nested, a JSON object inside the Message string.
// timeOf is when it happened.
func appendFault(dst []byte, f fault, nested bool, tracking string, timeOf time.Time) []byte {
	timeOf = timeOf.UTC()
	id := tracking + "-G:0-TimeStamp:" + timeOf.Format("01/02/2006 15:04:05")
	if !nested {
		dst = append(dst, `{"Message":`...)
		// Node shows the text up to the next semicolon (wire §4.4). No id holds
		// a space, so this one can only be prose.
		dst = AppendString(dst, "ErrorCode:"+f.name+";"+strings.ReplaceAll(f.message, "; ", ", "))
		dst = append(dst, `,"ExceptionMessage":`...)
		dst = AppendString(dst, "Tracking ID:"+id)
		return append(dst, '}')
	}
	inner := append([]byte(nil), `{"errorCode":`...)
	inner = strconv.AppendInt(inner, int64(f.number), 10)
	inner = append(inner, `,"trackingId":`...)
	inner = AppendString(inner, id)
	inner = append(inner, `,"message":`...)
	inner = AppendString(inner, f.message)
	inner = append(inner, `,"timestampUtc":`...)
	inner = AppendTime(inner, timeOf)
	inner = append(inner, '}')
	dst = append(dst, `{"Message":`...)
	dst = AppendString(dst, string(inner))
	return append(dst, `,"ExceptionMessage":""}`...)
}

// trackingID returns what ties an error answer to its line in the log.
func trackingID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// fail answers err and logs it, once: this is the edge where errors end.
func (h *Handler) fail(c *Call, err error) {
	f := translate(err)
	c.status, c.failed = f.status, f.name
	c.tracking = trackingID()
	c.Log(levelOf(f), "request refused", slog.Int("number", f.number), ErrorAttr(err))
	if c.wrote {
		// The answer has begun: cut the connection, so that nobody takes the
		// part for the whole.
		panic(http.ErrAbortHandler)
	}
	header := c.W.Header()
	header.Set("Content-Type", JSONType)
	header.Set("Iothub-Errorcode", f.name)
	header.Set(CodeHeader, string(f.code))
	header.Set("Cache-Control", "no-store")
	if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "1")
	}
	body := appendFault(nil, f, c.Route != nil && c.Route.Nested, c.tracking, time.Now())
	header.Set("Content-Length", strconv.Itoa(len(body)))
	c.W.WriteHeader(f.status)
	_, _ = c.W.Write(body)
}

func levelOf(f fault) slog.Level {
	if f.status >= http.StatusInternalServerError {
		return slog.LevelError
	}
	return slog.LevelInfo
}

// ErrorAttr is the attribute of an error in the log.
func ErrorAttr(err error) slog.Attr { return slog.String("error", err.Error()) }
