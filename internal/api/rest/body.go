package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
)

const (
	// maxBody is the longest request body. The longest useful one is a twin
	// with full tags and desired properties, a good 40 KiB.
	maxBody = 1 << 20
	// maxDepth is the deepest JSON of a body. A twin needs 13 levels.
	maxDepth = 64
	// bodyTime is how long a client may take to send its body.
	bodyTime = 30 * time.Second
)

// Body reads the whole body of a request, of at most maxBody bytes, sent with
// a length or in chunks.
func (c *Call) Body() ([]byte, error) {
	if e := c.R.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "A body with Content-Encoding %q is not taken; send it uncompressed.", e)
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.W, c.R.Body, maxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tvilling.Errorf(tvilling.TooLarge, "A request body may have at most %d bytes.", maxBody)
		}
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read body", Message: "The request body could not be read to its end.", Err: err}
	}
	c.endBody()
	return b, nil
}

// beginBody gives the client bodyTime for a body. The deadline is not lifted
// before all of it is there: net/http reads on after the answer, to use the
// connection again, and would wait for a client that never sends the rest.
func (c *Call) beginBody() {
	if c.R.ContentLength != 0 {
		// A recorder in a test knows no deadlines; a real connection always does.
		_ = c.control.SetReadDeadline(time.Now().Add(bodyTime))
	}
}

func (c *Call) endBody() {
	if c.R.ContentLength != 0 {
		_ = c.control.SetReadDeadline(time.Time{})
	}
}

// Object reads the body and checks that it is one JSON object.
func (c *Call) Object() ([]byte, error) {
	b, err := c.Body()
	if err != nil {
		return nil, err
	}
	return b, CheckObject(b)
}

// CheckObject reports whether b is one well-formed JSON object in UTF-8 that
// is not nested deeper than maxDepth.
func CheckObject(b []byte) error {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 {
		return tvilling.Errorf(tvilling.InvalidArgument, "The request needs a body: a JSON object.")
	}
	if !utf8.Valid(b) {
		return tvilling.Errorf(tvilling.InvalidArgument, "The request body is not valid UTF-8.")
	}
	if err := checkDepth(b); err != nil {
		return err
	}
	if !json.Valid(b) {
		var v any
		return badJSON(json.Unmarshal(b, &v))
	}
	if b[0] != '{' {
		return tvilling.Errorf(tvilling.InvalidArgument, "The request body must be a JSON object.")
	}
	return nil
}

func badJSON(err error) error {
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return tvilling.Errorf(tvilling.InvalidArgument, "The request body is not valid JSON, at byte %d: %v.", s.Offset, s)
	}
	return tvilling.Errorf(tvilling.InvalidArgument, "The request body is not valid JSON.")
}

// checkDepth counts brackets outside strings; it wants no valid JSON.
func checkDepth(b []byte) error {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > maxDepth {
				return tvilling.Errorf(tvilling.InvalidArgument, "The request body is nested deeper than %d levels.", maxDepth)
			}
		case '}', ']':
			depth--
		}
	}
	return nil
}

// Decode unmarshals a checked object into a plain struct. Members that v does
// not have are ignored, and names match whatever their case, as in IoT Hub.
func Decode(b []byte, v any) error {
	err := json.Unmarshal(b, v)
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*tvilling.Error](err); ok {
		return e // what the value itself says
	}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read body", Path: t.Field, Message: "The value must not be a JSON " + t.Value + "."}
	}
	return badJSON(err)
}

// DecodeStrict is [Decode] for the bodies of Tvilling alone, where a member that
// is not known is a mistake of its author.
func DecodeStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		return nil
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return tvilling.Errorf(tvilling.InvalidArgument, "The member %s is not known here.", name)
	}
	return Decode(b, v)
}

// Members calls f for each member of a checked object, in order, with its
// decoded name and the bytes of its value.
func Members(b []byte, f func(name string, value []byte) error) error {
	i := skipSpace(b, 0) + 1 // past '{'
	for {
		i = skipSpace(b, i)
		if b[i] == '}' {
			return nil
		}
		if b[i] == ',' {
			i = skipSpace(b, i+1)
		}
		end := skipString(b, i)
		var name string
		if err := json.Unmarshal(b[i:end], &name); err != nil {
			return badJSON(err)
		}
		i = skipSpace(b, end) + 1 // past ':'
		i = skipSpace(b, i)
		end = skipValue(b, i)
		if err := f(name, b[i:end]); err != nil {
			return err
		}
		i = end
	}
}

func skipSpace(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r' {
		i++
	}
	return i
}

func skipString(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
	default:
		for i < len(b) && !endsScalar(b[i]) {
			i++
		}
		return i
	}
}

func endsScalar(b byte) bool {
	switch b {
	case ' ', '\t', '\r', '\n', ',', '}', ']':
		return true
	default:
		return false
	}
}
