package device

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
)

const (
	responsePrefix = "$iothub/twin/res/"
	responseFilter = responsePrefix + "#"
	desiredPrefix  = "$iothub/twin/PATCH/properties/desired/"
	desiredFilter  = desiredPrefix + "#"
	getPrefix      = "$iothub/twin/GET/?$rid="
	reportPrefix   = "$iothub/twin/PATCH/properties/reported/?$rid="
)

// eventsTopic is the topic of messages of id, without properties.
func eventsTopic(id tvilling.Identity) string {
	if id.IsModule() {
		return "devices/" + string(id.Device) + "/modules/" + string(id.Module) + "/messages/events/"
	}
	return "devices/" + string(id.Device) + "/messages/events/"
}

// resource is what a token of id is made for.
func resource(host string, id tvilling.Identity) string {
	if id.IsModule() {
		return host + "/devices/" + string(id.Device) + "/modules/" + string(id.Module)
	}
	return host + "/devices/" + string(id.Device)
}

// shortName is the key of a system property in a topic, "" if it has none.
func shortName(long string) string {
	switch long {
	case "message-id":
		return "$.mid"
	case "correlation-id":
		return "$.cid"
	case "user-id":
		return "$.uid"
	case "to":
		return "$.to"
	case "iothub-creation-time-utc":
		return "$.ctime"
	case "iothub-diag-id":
		return "$.diagid"
	case "diag-correlation-context":
		return "$.diagctx"
	case "content-type":
		return "$.ct"
	case "content-encoding":
		return "$.ce"
	case "iothub-outputname":
		return "$.on"
	case "absolute-expiry-time":
		return "$.exp"
	case "dt-subject":
		return "$.sub"
	case "iothub-message-schema":
		return "$.schema"
	case "iothub-interface-id":
		return "$.ifid"
	}
	return ""
}

// appendBag appends the properties of m as a topic carries them:
// percent-encoded, a space as %20.
func appendBag(dst []byte, m *tvilling.Message) ([]byte, error) {
	first := true
	add := func(name string, p tvilling.Property) {
		if !first {
			dst = append(dst, '&')
		}
		first = false
		dst = append(dst, escape(name)...)
		if !p.Null {
			dst = append(dst, '=')
			dst = append(dst, escape(p.Value)...)
		}
	}
	for _, p := range m.System {
		name := shortName(p.Name)
		if name == "" {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "%q is no system property that a device can set.", p.Name)
		}
		add(name, p)
	}
	for _, p := range m.Properties {
		if p.Name == "" {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "A property of a message needs a name.")
		}
		add(p.Name, p)
	}
	return dst, nil
}

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// response is the topic of an answer to a twin request.
type response struct {
	status  int
	rid     uint64
	version int64 // 0 if absent
}

func parseResponse(topic string) (r response, ok bool) {
	rest, ok := strings.CutPrefix(topic, responsePrefix)
	if !ok {
		return response{}, false
	}
	status, query, ok := strings.Cut(rest, "/?")
	if !ok {
		return response{}, false
	}
	var err error
	if r.status, err = strconv.Atoi(status); err != nil {
		return response{}, false
	}
	haveID := false
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		switch key {
		case "$rid":
			r.rid, err = strconv.ParseUint(value, 16, 64)
			haveID = err == nil
		case "$version":
			if r.version, err = strconv.ParseInt(value, 10, 64); err != nil {
				return response{}, false
			}
		}
	}
	return r, haveID
}

// parseDesired returns the version in the topic of a desired patch.
func parseDesired(topic string) (version int64, ok bool) {
	v, ok := strings.CutPrefix(topic, desiredPrefix+"?$version=")
	if !ok {
		return 0, false
	}
	version, err := strconv.ParseInt(v, 10, 64)
	return version, err == nil
}
