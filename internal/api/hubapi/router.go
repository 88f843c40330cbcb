package hubapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
)

// route is one method of one path.
type route struct {
	method  string
	pattern string // "/devices/{device}/modules/{module}"
	// open routes are answered without a credential.
	open bool
	// need is the permission that the route asks for.
	need need
	// own routes are those of Tvilling: api-version is optional there.
	own bool
	// stream routes answer for as long as the client listens.
	stream bool
	shape  shape
	handle func(h *Handler, c *call) error

	segments []string
}

// router finds routes by path and method. Literals match whatever their case,
// and one trailing slash is ignored, as in IoT Hub (wire §4.1). Among routes
// that fit, the first of the table wins.
type router struct {
	bySegments map[int][]*route
}

func newRouter(table []route) *router {
	r := &router{bySegments: make(map[int][]*route)}
	for i := range table {
		t := &table[i]
		t.segments = strings.Split(strings.TrimPrefix(t.pattern, "/"), "/")
		n := len(t.segments)
		r.bySegments[n] = append(r.bySegments[n], t)
	}
	return r
}

// find returns the route of a request and its path parameters, decoded. When
// the path is known but not with this method, it returns the methods there are.
func (r *router) find(method, escaped string) (found *route, params map[string]string, methods []string) {
	segments, ok := split(escaped)
	if !ok {
		return nil, nil, nil
	}
	for _, t := range r.bySegments[len(segments)] {
		p, ok := t.match(segments)
		switch {
		case !ok:
		case t.method == method:
			return t, p, nil
		case !slices.Contains(methods, t.method):
			methods = append(methods, t.method)
		}
	}
	return nil, nil, methods
}

func (t *route) match(segments []string) (map[string]string, bool) {
	var params map[string]string
	for i, want := range t.segments {
		if want[0] != '{' {
			if !strings.EqualFold(want, segments[i]) {
				return nil, false
			}
			continue
		}
		if params == nil {
			params = make(map[string]string, 2)
		}
		params[want[1:len(want)-1]] = segments[i]
	}
	return params, true
}

// split cuts an escaped path into decoded segments. It does not clean the
// path: "." and ".." are legal ids.
func split(escaped string) ([]string, bool) {
	path, ok := strings.CutPrefix(escaped, "/")
	if !ok {
		return nil, false
	}
	path = strings.TrimSuffix(path, "/")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if s == "" {
			return nil, false
		}
		if !strings.Contains(s, "%") {
			continue
		}
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return nil, false
		}
		segments[i] = decoded
	}
	return segments, true
}

// noRoute is the refusal of a request that no route takes (wire §4.4 shape).
func noRoute(w http.ResponseWriter, r *http.Request, methods []string) error {
	if len(methods) == 0 {
		return tvilling.Errorf(tvilling.NotFound, "There is nothing at %s.", r.URL.Path)
	}
	allow := strings.Join(methods, ", ")
	w.Header().Set("Allow", allow)
	return refuse(wrongMethod, tvilling.Unsupported, "%s is not allowed at %s; use %s.", r.Method, r.URL.Path, allow)
}
