package auth

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
)

// scope is the resource that a token is for: its sr, percent-decoded once.
//
// The host is checked for form but not compared: it is a client's idea of the
// hub's name, which differs behind a gateway or a port mapping (wire §1.2), and
// the keys that sign a token belong to this hub alone.
type scope struct {
	host string
	path []string
}

// parseScope reads sr as it stands in a token. It takes "host", "host/devices/d"
// and so on, with or without a port, a scheme (AMQP clients put one before
// the host, wire §6.3) and one slash at the end.
func parseScope(raw string) (scope, error) {
	s, err := url.PathUnescape(raw)
	if err != nil {
		// The C client does not encode sr, and an id may have a percent sign.
		s = raw
	}
	if before, after, found := strings.Cut(s, "://"); found && isWord(before, "+-.") {
		s = after
	}
	s = strings.TrimSuffix(s, "/")
	host, rest, deeper := strings.Cut(s, "/")
	// The host must look like one. Otherwise a scope that was encoded twice as a
	// whole would be taken for a host, and so for the entire hub.
	if !isWord(host, "-._:[]") {
		return scope{}, errors.New("sr does not begin with a host name")
	}
	if !deeper {
		return scope{host: host}, nil
	}
	path := strings.Split(rest, "/")
	if slices.Contains(path, "") {
		return scope{}, errors.New("sr has an empty segment")
	}
	return scope{host: host, path: path}, nil
}

// isWord reports whether s is made of ASCII letters, digits and the characters
// of extra, and is not empty.
func isWord(s, extra string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte(extra, c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// fit says how a scope relates to a resource.
type fit int

const (
	outside fit = iota
	// inside: the scope is a prefix of the resource, segment by segment.
	inside
	// insideDecoded: it is one only when its segments are percent-decoded again.
	insideDecoded
)

// covers reports whether s is a segment prefix of the resource (wire §3.2):
// /a/b covers /a/b/c, not /a/bc.
func (s scope) covers(resource []string) fit {
	if len(s.path) > len(resource) {
		return outside
	}
	result := inside
	for i, have := range s.path {
		switch compareSegment(have, resource[i], isLiteral(resource, i)) {
		case outside:
			return outside
		case insideDecoded:
			result = insideDecoded
		case inside:
		}
	}
	return result
}

// compareSegment compares one segment of a scope with that of a resource. The
// C# client percent-encodes the id, then the whole scope: an id with special
// characters is still encoded after the scope was decoded (wire §3.2).
func compareSegment(have, want string, literal bool) fit {
	if have == want || literal && strings.EqualFold(have, want) {
		return inside
	}
	for range 2 {
		again, err := url.PathUnescape(have)
		if err != nil || again == have {
			return outside
		}
		if again == want {
			return insideDecoded
		}
		have = again
	}
	return outside
}

// isLiteral reports whether segment i is a word of the path grammar, which
// clients write in either letter case, rather than an id.
func isLiteral(segments []string, i int) bool {
	return i == 0 || i == 2 && isIdentityRoot(segments[0])
}

func isIdentityRoot(segment string) bool {
	return strings.EqualFold(segment, "devices") || strings.EqualFold(segment, "twins")
}

// splitResource splits a decoded path, with or without its first and last slash.
func splitResource(path string) []string {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// resourceOf is the resource that a connection of id is.
func resourceOf(id tvilling.Identity) []string {
	r := []string{"devices", string(id.Device)}
	if id.IsModule() {
		r = append(r, "modules", string(id.Module))
	}
	return r
}

// identityIn returns the identity that a resource below /devices belongs to: a
// module for /devices/d/modules/m and below, else the device. ok is false for
// other resources.
func identityIn(resource []string) (id tvilling.Identity, ok bool) {
	if len(resource) < 2 || !strings.EqualFold(resource[0], "devices") {
		return tvilling.Identity{}, false
	}
	id = tvilling.Device(tvilling.DeviceID(resource[1]))
	if len(resource) >= 4 && strings.EqualFold(resource[2], "modules") {
		id.Module = tvilling.ModuleID(resource[3])
	}
	return id, id.Check() == nil
}
