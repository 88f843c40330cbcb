package mqtt

import (
	"net/url"
	"strings"

	"github.com/tvilling/tvilling"
)

// systemName returns the long name of a system property, whose key may have
// its "$" encoded; "" if key is none (wire §1.5).
func systemName(key string) string {
	short, ok := strings.CutPrefix(key, "$.")
	if !ok {
		if short, ok = strings.CutPrefix(key, "%24."); !ok {
			return ""
		}
	}
	switch short {
	case "mid":
		return "message-id"
	case "cid":
		return "correlation-id"
	case "uid":
		return "user-id"
	case "to":
		return "to"
	case "ctime":
		return "iothub-creation-time-utc"
	case "cdid":
		return connectionDevice
	case "cmid":
		return connectionModule
	case "diagid":
		return "iothub-diag-id"
	case "diagctx":
		return "diag-correlation-context"
	case "ct":
		return "content-type"
	case "ce":
		return "content-encoding"
	case "on":
		return "iothub-outputname"
	case "exp":
		return "absolute-expiry-time"
	case "sub":
		return "dt-subject"
	case "schema":
		return "iothub-message-schema"
	case "ifid":
		return "iothub-interface-id"
	}
	return ""
}

// The hub alone says over whose connection a message came.
const (
	connectionDevice = "iothub-connection-device-id"
	connectionModule = "iothub-connection-module-id"
)

// ParseBag reads the property bag of a telemetry topic into m: key=value pairs
// joined by "&", both percent-encoded, "+" literal (wire §1.5). A key without
// "=" has no value, which is not the same as an empty one. Empty pairs are
// passed over. A key that is not known to be a system property is an
// application property, even if it begins with "$.".
func ParseBag(bag string, m *tvilling.Message) error {
	if bag == "" {
		return nil
	}
	most := strings.Count(bag, "&") + 1
	for pair := range strings.SplitSeq(bag, "&") {
		if pair == "" {
			continue
		}
		rawKey, rawValue, hasValue := strings.Cut(pair, "=")
		value, err := decode(rawValue)
		if err != nil {
			return err
		}
		p := tvilling.Property{Name: systemName(rawKey), Value: value, Null: !hasValue}
		if p.Name == "" {
			if p.Name, err = decode(rawKey); err != nil {
				return err
			}
			if name := systemName(p.Name); name != "" {
				p.Name = name // with more of it encoded than was necessary
			} else if err := checkName(p.Name, rawKey); err != nil {
				return err
			} else {
				m.Properties = appendProperty(m.Properties, p, most)
				continue
			}
		}
		if p.Name != connectionDevice && p.Name != connectionModule {
			m.System = appendProperty(m.System, p, most)
		} // else: nobody may claim another's connection; who sent m is in m.From
	}
	return nil
}

func checkName(name, raw string) error {
	if name == "" {
		return bagError("a property has a value and no name", raw)
	}
	if strings.IndexByte(raw, '/') >= 0 {
		return bagError(`a property's name contains an unencoded "/"`, raw)
	}
	return nil
}

// appendProperty is append with room for all that can come, so that it
// allocates once.
func appendProperty(ps []tvilling.Property, p tvilling.Property, most int) []tvilling.Property {
	if ps == nil {
		ps = make([]tvilling.Property, 0, most)
	}
	return append(ps, p)
}

// decode undoes percent-encoding. A "+" stays a plus (RFC 2396).
func decode(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	d, err := url.PathUnescape(s)
	if err != nil {
		return "", bagError("a percent sign is not followed by two hexadecimal digits", s)
	}
	return d, nil
}

func bagError(what, where string) error {
	const most = 80
	if len(where) > most {
		where = where[:most] + "…"
	}
	return &tvilling.Error{
		Code: tvilling.InvalidArgument, Op: "read property bag", Path: where,
		Message: "The properties in the topic are malformed: " + what + ".",
	}
}
