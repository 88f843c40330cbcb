package mqtt

import (
	"math"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// The topics that are the same for every identity (wire §1.4).
const (
	twinPrefix     = "$iothub/twin/"
	twinGet        = twinPrefix + "GET/?"
	twinReport     = twinPrefix + "PATCH/properties/reported/?"
	twinResponse   = twinPrefix + "res/"
	twinDesired    = twinPrefix + "PATCH/properties/desired/"
	methodResponse = "$iothub/methods/res/"
	methodCall     = "$iothub/methods/POST/"
)

// maxRequestID bounds the $rid of a request, which every answer repeats.
const maxRequestID = 1024

// TopicKind says what a PUBLISH to a topic asks for.
type TopicKind uint8

// The kinds of topic that a client may publish to.
const (
	Telemetry TopicKind = iota + 1
	TwinGet
	TwinReport
	MethodResult
)

// Topic is the topic of a client's PUBLISH, taken apart.
type Topic struct {
	Kind TopicKind
	// Bag is the property bag of telemetry, still encoded.
	Bag string
	// RequestID is the $rid of a request, exactly as it stands in the topic.
	RequestID string
	// Version is the base version of a report, -1 if it has none.
	Version int64
	// BadVersion says that the base version is not a number; such a request
	// can be answered.
	BadVersion bool
}

// ParseTopic reads a topic that identity id publishes to. Any topic that is
// not served, another identity's among them, is an error, and the connection
// is to be closed: MQTT has no other way to refuse a PUBLISH.
func ParseTopic(id tvilling.Identity, s string) (Topic, error) {
	if s == "" || s[0] != '$' {
		if rest, ok := cutOwn(id, s); ok {
			return telemetryTopic(rest)
		}
		return Topic{}, topicError(s, "the identity may not publish to it")
	}
	if query, ok := strings.CutPrefix(s, twinGet); ok {
		return requestTopic(s, TwinGet, query)
	}
	if query, ok := strings.CutPrefix(s, twinReport); ok {
		return requestTopic(s, TwinReport, query)
	}
	if rest, ok := strings.CutPrefix(s, methodResponse); ok {
		status, query, ok := strings.Cut(rest, "/?")
		if _, err := strconv.ParseInt(status, 10, 64); !ok || err != nil {
			return Topic{}, topicError(s, "it must be "+methodResponse+"{status}/?$rid={id} with a whole number for status")
		}
		return requestTopic(s, MethodResult, query)
	}
	return Topic{}, topicError(s, "the hub does not serve it")
}

// cutOwn returns what follows "devices/{d}/" or "devices/{d}/modules/{m}/" in
// a topic of id. Ids are never percent-encoded in topics.
func cutOwn(id tvilling.Identity, s string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, "devices/"); !ok {
		return "", false
	}
	if rest, ok = strings.CutPrefix(rest, string(id.Device)); !ok || rest == "" || rest[0] != '/' {
		return "", false
	}
	rest = rest[1:]
	if !id.IsModule() {
		return rest, true
	}
	if rest, ok = strings.CutPrefix(rest, "modules/"); !ok {
		return "", false
	}
	if rest, ok = strings.CutPrefix(rest, string(id.Module)); !ok || rest == "" || rest[0] != '/' {
		return "", false
	}
	return rest[1:], true
}

// telemetryTopic reads "messages/events", with or without a final "/", with
// the bag behind it, and with or without a "/" behind that.
func telemetryTopic(s string) (Topic, error) {
	bag, ok := strings.CutPrefix(s, "messages/events")
	if !ok || bag != "" && bag[0] != '/' {
		return Topic{}, topicError(s, "of its own topics an identity publishes to messages/events/ only")
	}
	bag = strings.TrimPrefix(bag, "/")
	return Topic{Kind: Telemetry, Bag: strings.TrimSuffix(bag, "/")}, nil
}

// requestTopic reads the query part of a request. The $rid may stand anywhere
// in it; parameters that are not known are passed over.
func requestTopic(topic string, kind TopicKind, query string) (Topic, error) {
	t := Topic{Kind: kind, Version: -1}
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		switch key {
		case "$rid":
			t.RequestID = value
		case "$version":
			v, err := strconv.ParseInt(value, 10, 64)
			if err != nil || v < 0 || v == math.MaxInt64 {
				t.BadVersion = true
				continue
			}
			t.Version = v
		}
	}
	// Without a $rid there is nothing to answer to.
	if t.RequestID == "" {
		return Topic{}, topicError(topic, "it has no $rid")
	}
	if len(t.RequestID) > maxRequestID {
		return Topic{}, topicError(topic, "its $rid is longer than "+strconv.Itoa(maxRequestID)+" bytes")
	}
	return t, nil
}

// ParseFilter reads a topic filter that identity id subscribes to (wire §1.4).
// Any other filter is an error, and the connection is to be closed.
func ParseFilter(id tvilling.Identity, s string) (state.Topic, error) {
	switch s {
	case twinResponse + "#":
		return state.TwinResponses, nil
	case twinDesired + "#":
		return state.TwinDesired, nil
	case methodCall + "#":
		return state.Methods, nil
	}
	rest, ok := cutOwn(id, s)
	switch {
	case !ok:
	case !id.IsModule():
		if rest == "messages/devicebound/#" {
			return state.CloudToDevice, nil
		}
	case rest == "inputs/#":
		return state.Inputs, nil
	case rest == "#":
		return state.ModuleWildcard, nil
	case rest == "messages/devicebound/#":
		return state.ModuleMessages, nil
	}
	return 0, &tvilling.Error{
		Code: tvilling.InvalidArgument, Op: "subscribe", Path: clip(s),
		Message: "The topic filter is none of those that the hub serves to this identity.",
	}
}

func topicError(topic, why string) error {
	return &tvilling.Error{
		Code: tvilling.InvalidArgument, Op: "publish", Path: clip(topic),
		Message: "The topic is refused: " + why + ".",
	}
}

// clip bounds what a client can put into the log.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// appendResponseTopic appends the topic of the answer to a twin request. The
// $rid is the first parameter, because clients look for it there; version is
// left out when it is not positive.
func appendResponseTopic(dst []byte, status int, rid string, version int64) []byte {
	dst = append(dst, twinResponse...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, "/?$rid="...)
	dst = append(dst, rid...)
	if version > 0 {
		dst = append(dst, "&$version="...)
		dst = strconv.AppendInt(dst, version, 10)
	}
	return dst
}

// appendDesiredTopic appends the topic of a change of desired properties.
func appendDesiredTopic(dst []byte, version int64) []byte {
	dst = append(dst, twinDesired+"?$version="...)
	return strconv.AppendInt(dst, version, 10)
}
