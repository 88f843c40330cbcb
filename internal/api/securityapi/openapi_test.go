package securityapi_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// description is what the tests read of openapi.json.
type description struct {
	OpenAPI string                          `json:"openapi"`
	Paths   map[string]map[string]operation `json:"paths"`
	// Components are looked up by reference.
	Components map[string]map[string]json.RawMessage `json:"components"`
}

type operation struct {
	OperationID string              `json:"operationId"`
	Summary     string              `json:"summary"`
	Security    *[]any              `json:"security"`
	Parameters  []reference         `json:"parameters"`
	RequestBody *body               `json:"requestBody"`
	Responses   map[string]response `json:"responses"`
}

type reference struct {
	Ref string `json:"$ref"`
}

type response struct {
	reference
	body
}

type body struct {
	Content map[string]struct {
		Schema any `json:"schema"`
	} `json:"content"`
}

type parameter struct {
	Name     string `json:"name"`
	In       string `json:"in"`
	Required bool   `json:"required"`
	Explode  bool   `json:"explode"`
}

var readDescription = sync.OnceValues(func() (*description, error) {
	raw, err := os.ReadFile("openapi.json")
	if err != nil {
		return nil, err
	}
	d := new(description)
	return d, json.Unmarshal(raw, d)
})

// find returns the operation of a request, nil if the description has none.
func (d *description) find(r *http.Request) *operation {
	segments := strings.Split(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/tvilling/security/"), "/"), "/")
	var found *operation
	literals := -1
	for path, methods := range d.Paths {
		op, ok := methods[strings.ToLower(r.Method)]
		want := strings.Split(path[1:], "/")
		if !ok || len(want) != len(segments) {
			continue
		}
		n := 0
		for i, w := range want {
			if strings.EqualFold(w, segments[i]) {
				n++
			} else if w[0] != '{' {
				n = -1
				break
			}
		}
		if n > literals {
			found, literals = &op, n
		}
	}
	return found
}

// conforms checks an answer against the description.
func conforms(t testing.TB, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	d, err := readDescription()
	if err != nil {
		t.Fatal(err)
	}
	op := d.find(r)
	if op == nil {
		if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed {
			t.Errorf("openapi.json has no %s %s, which was answered %d", r.Method, r.URL.Path, w.Code)
		}
		return
	}
	answer, ok := op.Responses[fmt.Sprint(w.Code)]
	if !ok {
		answer = op.Responses["default"]
		if w.Code < 300 {
			t.Errorf("%s has no response %d", op.OperationID, w.Code)
			return
		}
	}
	if answer.Ref != "" {
		if err := json.Unmarshal(d.lookup(answer.Ref), &answer.body); err != nil {
			t.Fatal(err)
		}
	}
	if w.Code == http.StatusNoContent {
		return
	}
	kind, _, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	content, ok := answer.Content[kind]
	if !ok {
		t.Errorf("%s does not describe an answer of %s", op.OperationID, kind)
		return
	}
	switch kind {
	case "application/json":
		d.checkText(t, op.OperationID, content.Schema, w.Body.Bytes())
	case "application/x-ndjson":
		for s := bufio.NewScanner(bytes.NewReader(w.Body.Bytes())); s.Scan(); {
			d.checkText(t, op.OperationID, content.Schema, s.Bytes())
		}
	}
}

func (d *description) checkText(t testing.TB, name string, schema any, text []byte) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Errorf("%s: %v in %s", name, err, text)
		return
	}
	if problem := d.check(schema, v, "answer"); problem != "" {
		t.Errorf("%s: %s\n%s", name, problem, text)
	}
	own := name == "getDescription" || bytes.Contains(text, []byte(`"Message":"ErrorCode:`)) // no text of a device
	if !own && bytes.ContainsAny(text, "<>&\u2028\u2029") {
		t.Errorf("%s: not escaped for HTML: %s", name, text)
	}
}

func (d *description) lookup(ref string) json.RawMessage {
	parts := strings.Split(strings.TrimPrefix(ref, "#/components/"), "/")
	return d.Components[parts[0]][parts[1]]
}

// keywords are those that check knows; a schema with others fails the tests.
var keywords = []string{
	"$ref", "type", "description", "properties", "required", "additionalProperties", "propertyNames", "items", "maxItems", "minItems",
	"uniqueItems", "enum", "format", "minimum", "maximum", "maxLength", "default", "oneOf", "anyOf",
}

// check returns what of v is against a schema, "" if nothing. An object may
// have the properties described and no others, though the schema lets clients
// be more lenient.
func (d *description) check(schema, v any, path string) string {
	s, ok := schema.(map[string]any)
	if !ok {
		return path + ": the schema is no object"
	}
	for k := range s {
		if !slices.Contains(keywords, k) {
			return path + ": the schema has the unknown keyword " + k
		}
	}
	if ref, ok := s["$ref"].(string); ok {
		var target any
		if err := json.Unmarshal(d.lookup(ref), &target); err != nil {
			return path + ": " + ref + ": " + err.Error()
		}
		return d.check(target, v, path)
	}
	if problem := d.checkChoice(s, v, path); problem != "" {
		return problem
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Sprintf("%s: %v is none of %v", path, v, enum)
	}
	if t := s["type"]; t != nil && !hasType(t, v) {
		return fmt.Sprintf("%s: %v is no %v", path, v, t)
	}
	switch v := v.(type) {
	case map[string]any:
		return d.checkObject(s, v, path)
	case []any:
		if most, ok := s["maxItems"].(float64); ok && len(v) > int(most) {
			return fmt.Sprintf("%s: %d items", path, len(v))
		}
		for i, item := range v {
			if problem := d.check(s["items"], item, fmt.Sprintf("%s[%d]", path, i)); problem != "" {
				return problem
			}
		}
	case string:
		if _, err := time.Parse(time.RFC3339, v); s["format"] == "date-time" && err != nil {
			return path + ": " + err.Error()
		}
	case json.Number:
		n, err := v.Float64()
		least, atLeast := s["minimum"].(float64)
		most, atMost := s["maximum"].(float64)
		if err != nil || atLeast && n < least || atMost && n > most {
			return fmt.Sprintf("%s: %v is out of range", path, v)
		}
	}
	return ""
}

func (d *description) checkChoice(s map[string]any, v any, path string) string {
	for keyword, most := range map[string]int{"oneOf": 1, "anyOf": math.MaxInt} {
		list, ok := s[keyword].([]any)
		if !ok {
			continue
		}
		fit := 0
		var problems []string
		for _, one := range list {
			if problem := d.check(one, v, path); problem == "" {
				fit++
			} else {
				problems = append(problems, problem)
			}
		}
		if fit == 0 || fit > most {
			return fmt.Sprintf("%s: %d of %s fit: %s", path, fit, keyword, strings.Join(problems, "; "))
		}
	}
	return ""
}

func (d *description) checkObject(s, v map[string]any, path string) string {
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			return path + ": " + name.(string) + " is missing"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		member := path + "." + name
		if p, ok := properties[name]; ok {
			if problem := d.check(p, v[name], member); problem != "" {
				return problem
			}
			continue
		}
		if names := s["propertyNames"]; names != nil {
			if problem := d.check(names, name, member); problem != "" {
				return problem
			}
		}
		if more := s["additionalProperties"]; more != nil {
			if problem := d.check(more, v[name], member); problem != "" {
				return problem
			}
		} else if len(properties) > 0 {
			return member + ": is not described"
		}
	}
	return ""
}

func hasType(t, v any) bool {
	if list, ok := t.([]any); ok {
		return slices.ContainsFunc(list, func(t any) bool { return hasType(t, v) })
	}
	switch v := v.(type) {
	case nil:
		return t == "null"
	case bool:
		return t == "boolean"
	case string:
		return t == "string" && utf8.ValidString(v)
	case json.Number:
		_, err := v.Int64()
		return t == "number" || t == "integer" && err == nil
	case []any:
		return t == "array"
	default:
		return t == "object"
	}
}

// TestDescription holds openapi.json and the table of routes to each other.
func TestDescription(t *testing.T) {
	t.Parallel()
	d, err := readDescription()
	if err != nil {
		t.Fatal(err)
	}
	h := newHub(t)
	described := map[string]operation{}
	ids := map[string]bool{}
	for path, methods := range d.Paths {
		for method, op := range methods {
			described[strings.ToUpper(method)+" /tvilling/security"+path] = op
			if op.OperationID == "" || op.Summary == "" || ids[op.OperationID] {
				t.Errorf("%s %s has no operationId of its own or no summary", method, path)
			}
			ids[op.OperationID] = true
		}
	}
	for _, r := range h.handler.Routes() {
		op, ok := described[r.Name()]
		if !ok {
			t.Errorf("openapi.json does not describe %s", r.Name())
			continue
		}
		delete(described, r.Name())
		if open := op.Security != nil && len(*op.Security) == 0; open != r.Open || open != (r.Allow == nil) {
			t.Errorf("%s: open is %t, described as %t", r.Name(), r.Open, open)
		}
		var want, got []string
		for _, p := range r.Parameters {
			want = append(want, fmt.Sprintf("%s many=%t", p.Name, p.Many))
		}
		for segment := range strings.SplitSeq(r.Pattern, "/") {
			if segment != "" && segment[0] == '{' {
				want = append(want, segment)
			}
		}
		for _, ref := range op.Parameters {
			var p parameter
			if err := json.Unmarshal(d.lookup(ref.Ref), &p); err != nil {
				t.Fatalf("%s: %v", ref.Ref, err)
			}
			switch p.In {
			case "query":
				got = append(got, fmt.Sprintf("%s many=%t", p.Name, p.Explode))
			case "path":
				got = append(got, "{"+p.Name+"}")
			case "header":
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s has parameters %v, described are %v", r.Name(), want, got)
		}
	}
	for name := range described {
		t.Errorf("openapi.json describes %s, which is not there", name)
	}
}

// TestDescriptionReferences: every reference leads somewhere, and every
// component is used.
func TestDescriptionReferences(t *testing.T) {
	t.Parallel()
	d, err := readDescription()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	for kind, list := range d.Components {
		for name := range list {
			if kind != "securitySchemes" && !bytes.Contains(raw, []byte(`"#/components/`+kind+"/"+name+`"`)) {
				t.Errorf("nobody uses %s/%s", kind, name)
			}
		}
	}
	for part := range strings.SplitSeq(string(raw), `"$ref": "`) {
		ref, _, _ := strings.Cut(part, `"`)
		if strings.HasPrefix(ref, "#/") && d.lookup(ref) == nil {
			t.Errorf("%s leads nowhere", ref)
		}
	}
}

// TestCheck: the checker of this file does find what is wrong.
func TestCheck(t *testing.T) {
	t.Parallel()
	d, err := readDescription()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ schema, value, want string }{
		{`{"type":"string"}`, `1`, "answer: 1 is no string"},
		{`{"type":"string","format":"date-time"}`, `"yesterday"`, "cannot parse"},
		{`{"type":"integer","minimum":0}`, `-1`, "out of range"},
		{`{"type":"integer"}`, `1.5`, "is no integer"},
		{`{"type":["string","null"]}`, `null`, ""},
		{`{"enum":["a"]}`, `"b"`, "none of"},
		{`{"type":"object","properties":{"a":{}},"required":["a"]}`, `{}`, "a is missing"},
		{`{"type":"object","properties":{"a":{}}}`, `{"a":1,"b":1}`, "answer.b: is not described"},
		{`{"type":"object","additionalProperties":{"type":"integer"}}`, `{"x":"1"}`, "is no integer"},
		{`{"type":"object","propertyNames":{"enum":["a"]},"additionalProperties":{}}`, `{"x":1}`, "none of"},
		{`{"type":"array","items":{"type":"string"},"maxItems":1}`, `["a","b"]`, "2 items"},
		{`{"type":"array","items":{"type":"string"}}`, `["a",2]`, "answer[1]: 2 is no string"},
		{`{"$ref":"#/components/schemas/Set"}`, `{"values":[]}`, "more is missing"},
		{`{"oneOf":[{"type":"string"},{"type":"string"}]}`, `"a"`, "2 of oneOf fit"},
		{`{"anyOf":[{"type":"string"},{"type":"string"}]}`, `"a"`, ""},
		{`{"pattern":"a"}`, `"a"`, "unknown keyword"},
	} {
		var schema, value any
		dec := json.NewDecoder(strings.NewReader(tt.value))
		dec.UseNumber()
		if err := json.Unmarshal([]byte(tt.schema), &schema); err != nil {
			t.Fatal(err)
		}
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
		got := d.check(schema, value, "answer")
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s of %s: got %q, want %q", tt.value, tt.schema, got, tt.want)
		}
	}
}
