package rest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
)

// Route is one method of one path.
type Route struct {
	Method  string
	Pattern string // "/devices/{device}/modules/{module}"
	// Open routes are answered without a credential.
	Open bool
	// Own routes are those of Tvilling: api-version is optional there.
	Own bool
	// Stream routes answer for as long as the client listens.
	Stream bool
	// Follow routes do so if the query string has follow=true.
	Follow bool
	// Nested routes tell of errors in the other of the two shapes that clients
	// know (wire §4.4): direct methods and digital twins.
	Nested bool
	// Parameters, if not nil, are all that the query string may have besides
	// api-version; anything else is refused.
	Parameters []Parameter
	// Allow, if set, refuses callers that may not use the route.
	Allow func(c *Call) error
	// Handle answers the request.
	Handle func(c *Call) error

	segments []string
}

// Name returns the route as "GET /devices/{device}".
func (r *Route) Name() string { return r.Method + " " + r.Pattern }

// Parameter is one that a query string may have.
type Parameter struct {
	Name string
	// Many lets it be given more than once.
	Many bool
}

// router finds routes by path and method. Literals match whatever their case,
// and one trailing slash is ignored, as in IoT Hub (wire §4.1). Among routes
// that fit, the first of the table wins.
type router struct {
	bySegments map[int][]*Route
}

func newRouter(table []Route) *router {
	r := &router{bySegments: make(map[int][]*Route)}
	for i := range table {
		t := &table[i]
		t.segments = strings.Split(strings.TrimPrefix(t.Pattern, "/"), "/")
		n := len(t.segments)
		r.bySegments[n] = append(r.bySegments[n], t)
	}
	return r
}

// find returns the route of a request and its path parameters, decoded. When
// the path is known but not with this method, it returns the methods there are.
func (r *router) find(method, escaped string) (found *Route, params map[string]string, methods []string) {
	segments, ok := split(escaped)
	if !ok {
		return nil, nil, nil
	}
	for _, t := range r.bySegments[len(segments)] {
		p, ok := t.match(segments)
		switch {
		case !ok:
		case t.Method == method:
			return t, p, nil
		case !slices.Contains(methods, t.Method):
			methods = append(methods, t.Method)
		}
	}
	return nil, nil, methods
}

func (r *Route) match(segments []string) (map[string]string, bool) {
	var params map[string]string
	for i, want := range r.segments {
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
