package mqtt

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/tvilling/tvilling"
)

// status returns the status and the six-digit error code that a client is
// given for a code of the hub (wire §4.4).
func status(code tvilling.Code) (status, errorCode int) {
	switch code {
	case tvilling.InvalidArgument:
		return 400, 400_004 // ArgumentInvalid
	case tvilling.Unsupported:
		return 400, 400_003 // InvalidOperation
	case tvilling.Unauthorized:
		return 401, 401_003 // IotHubUnauthorized
	case tvilling.DeviceNotFound, tvilling.NotFound:
		return 404, 404_001 // DeviceNotFound
	case tvilling.ModuleNotFound:
		return 404, 404_010 // ModuleNotFound
	case tvilling.DeviceAlreadyExists:
		return 409, 409_001 // DeviceAlreadyExists
	case tvilling.ModuleAlreadyExists:
		return 409, 409_301 // ModuleAlreadyExistsOnDevice
	case tvilling.PreconditionFailed:
		return 412, 412_001 // PreconditionFailed
	case tvilling.TooLarge:
		return 413, 413_001 // MessageTooLarge
	case tvilling.TooManyModules:
		return 413, 413_003 // TooManyModulesOnDevice
	case tvilling.Throttled:
		return 429, 429_001 // ThrottlingException
	case tvilling.Unavailable:
		return 503, 503_001 // ServiceUnavailable
	case tvilling.Corrupt, tvilling.Internal:
		return 500, 500_001 // ServerError
	case tvilling.ConfigurationNotFound, tvilling.ConfigurationAlreadyExists, tvilling.TooManyConfigurations,
		tvilling.InvalidTargetCondition, tvilling.InvalidMetricsQuery,
		tvilling.InvalidConfigurationContent, tvilling.ImmutableConfigurationContent:
		// Nothing that a device does is refused so.
	}
	return 500, 500_001
}

// failure is the body of an answer that refuses (wire §1.6). Node's client
// takes an answer for a refusal by errorCode alone.
type failure struct {
	ErrorCode  int    `json:"errorCode"`
	TrackingID string `json:"trackingId"`
	Message    string `json:"message"`
	Timestamp  string `json:"timestampUtc"`
}

// failureBody returns the status and body of the answer to a refused request,
// and the tracking id that belongs in the request's log line.
func failureBody(err error, now time.Time) (code int, body []byte, trackingID string) {
	code, errorCode := status(tvilling.CodeOf(err))
	now = now.UTC()
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	trackingID = hex.EncodeToString(id[:]) + "-G:0-TimeStamp:" + now.Format("01/02/2006 15:04:05")
	body, jsonErr := json.Marshal(failure{
		ErrorCode: errorCode, TrackingID: trackingID, Message: tvilling.MessageOf(err),
		Timestamp: now.Format("2006-01-02T15:04:05.0000000Z"),
	})
	if jsonErr != nil {
		panic(jsonErr) // strings and an int always encode
	}
	return code, body, trackingID
}
