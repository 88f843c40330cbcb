package hub_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// nested returns a section with objects nested so deep.
func nested(levels int) string {
	return strings.Repeat(`{"a":`, levels) + `{"x":1}` + strings.Repeat("}", levels)
}

// badSections are texts that no section of a twin takes, whoever sends them.
var badSections = map[string]string{
	"empty":                             ``,
	"blank":                             ` `,
	"a number":                          `1`,
	"a string":                          `"a"`,
	"an array":                          `[{"a":1}]`,
	"cut":                               `{"a":1`,
	"cut in a string":                   `{"a":"b`,
	"cut after a backslash":             `{"a":"b\`,
	"something behind it":               `{"a":1}{"b":2}`,
	"a comma too many":                  `{"a":1,}`,
	"no comma":                          `{"a":1 "b":2}`,
	"a name without quotes":             `{a:1}`,
	"single quotes":                     `{'a':1}`,
	"a comment":                         `{"a":1/*x*/}`,
	"a byte order mark":                 "\ufeff" + `{"a":1}`,
	"not UTF-8":                         "{\"a\":\"\xff\"}",
	"a name not UTF-8":                  "{\"\xff\":1}",
	"overlong UTF-8":                    "{\"a\":\"\xc0\xaf\"}",
	"a raw control character":           "{\"a\":\"\x01\"}",
	"a raw line feed in a string":       "{\"a\":\"\n\"}",
	"half a surrogate":                  `{"a":"\ud800"}`,
	"an escape that is none":            `{"a":"\x41"}`,
	"a number with a leading zero":      `{"a":01}`,
	"a number with a plus":              `{"a":+1}`,
	"a number without digits":           `{"a":-}`,
	"a number that ends in a point":     `{"a":1.}`,
	"NaN":                               `{"a":NaN}`,
	"Infinity":                          `{"a":Infinity}`,
	"a number beyond float64":           `{"a":1e400}`,
	"a hexadecimal number":              `{"a":0x10}`,
	"True":                              `{"a":True}`,
	"a name twice":                      `{"a":1,"a":2}`,
	"a name twice, once escaped":        `{"a":1,"\u0061":2}`,
	"a name twice, deep":                `{"x":{"a":1,"a":1}}`,
	"a name with a dot":                 `{"a.b":1}`,
	"a name with a blank":               `{"a b":1}`,
	"a name with a dollar":              `{"a$":1}`,
	"a name that begins with a dollar":  `{"$a":1}`,
	"a name with an escaped dollar":     `{"\u0024a":1}`,
	"a name with a control character":   `{"a\u0001":1}`,
	"a name with a C1 character":        `{"a\u0085":1}`,
	"$version below the root":           `{"a":{"$version":1}}`,
	"$metadata below the root":          `{"a":{"$metadata":{}}}`,
	"null in an array":                  `{"a":[null]}`,
	"null deep in an array":             `{"a":[1,[2,null]]}`,
	"null in an object in an array":     `{"a":[{"b":null}]}`,
	"a name twice in an array":          `{"a":[{"b":1,"b":2}]}`,
	"a name with a dot in an array":     `{"a":[{"b.c":1}]}`,
	"an integer above 2^52-1":           `{"a":4503599627370496}`,
	"an integer below -2^52":            `{"a":-4503599627370497}`,
	"an integer of forty digits":        `{"a":1234567890123456789012345678901234567890}`,
	"a string of 4097 bytes":            `{"a":"` + strings.Repeat("x", 4097) + `"}`,
	"a string of 4098 bytes, two each":  `{"a":"` + strings.Repeat("é", 2049) + `"}`,
	"a name of 1025 bytes":              `{"` + strings.Repeat("k", 1025) + `":1}`,
	"eleven levels":                     nested(11),
	"eleven levels, the last an array":  strings.Repeat(`{"a":`, 11) + `[1]` + strings.Repeat("}", 11),
	"a hundred thousand levels":         strings.Repeat(`{"a":`, 20_000),
	"a hundred thousand open brackets":  `{"a":` + strings.Repeat("[", 100_000),
	"a thousand nulls in an open array": `{"a":[` + strings.Repeat("null,", 1000),
}

// Malformed sections are refused alike on MQTT, where a device reports, and
// on REST, where a service writes desired properties and tags.
func TestSectionsThatAreRefused(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	conn := connect(t, h, device("d"), key)
	conn.subscribe(twinResponses, twinDesired)
	w := watch(t, c, conn)
	api := owner(t, h)
	before := conn.get()
	for name, text := range badSections {
		t.Run(name, func(t *testing.T) {
			conn.t = t
			refusedReport(t, conn.report(text), 400, 400004)
			for where, body := range map[string]string{
				"desired": `{"properties":{"desired":` + text + `}}`,
				"tags":    `{"tags":` + text + `}`,
			} {
				for _, method := range []string{"PATCH", "PUT"} {
					r := api.do(method, "/twins/d?api-version=2021-04-12", body)
					if name, _ := r.fault(t); r.status != 400 || r.name() != "ArgumentInvalid" || name != "ArgumentInvalid" {
						t.Errorf("%s of %s: status %d, %s: %s", method, where, r.status, r.name(), r.body)
					}
				}
			}
			after := conn.get()
			if string(after.body) != string(before.body) {
				t.Errorf("the twin is %s, was %s", after.body, before.body)
			}
		})
	}
	conn.t = t
	if len(conn.waiting) > 0 {
		t.Errorf("the device was told of %d changes that were refused", len(conn.waiting))
	}
	w.check(t)
}

// refusedReport fails unless a is the refusal that Node's client understands:
// a body with errorCode and message.
func refusedReport(t testing.TB, a answer, status, code int) {
	t.Helper()
	var body struct {
		ErrorCode                         int
		Message, TrackingID, TimestampUTC string
	}
	err := json.Unmarshal(a.body, &body)
	if a.status != status || err != nil || body.ErrorCode != code || body.Message == "" || body.TrackingID == "" || body.TimestampUTC == "" || a.version != 0 {
		t.Errorf("status %d, version %d: %s; want %d with errorCode %d and a message", a.status, a.version, a.body, status, code)
	}
}

func TestBaseVersionOfReports(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	w := connect(t, h, device("d"), key)
	w.subscribe(twinResponses)
	report := func(version, rid string) answer {
		p := []byte("$iothub/twin/PATCH/properties/reported/?$rid=" + rid + "&$version=" + version)
		w.send(raw(0x30, str(string(p)), []byte(`{"a":1}`)))
		return w.answered(rid)
	}
	n := traced(t, c)
	refusedReport(t, report("2", "stale"), 412, 412001)
	refusedReport(t, report("0", "zero"), 412, 412001)
	for _, v := range []string{"-1", "x", "", "1.5", "9223372036854775808"} {
		refusedReport(t, report(v, "bad"+itoa(len(v))), 400, 400004)
	}
	if got := traced(t, c); got != n {
		t.Errorf("refused reports left traces: %+v, want %+v", got, n)
	}
	if a := report("1", "good"); a.status != 204 || a.version != 2 {
		t.Errorf("report on the current version: %+v", a)
	}
	if v := w.twin().reportedVersion(); v != 2 {
		t.Errorf("reported version %d, want 2", v)
	}
}

// Bodies around the sections.
func TestTwinBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	w := watch(t, c, connect(t, h, device("d"), key))
	api := owner(t, h)
	bodies := map[string]string{
		"empty":                   ``,
		"null":                    `null`,
		"an array":                `[]`,
		"not JSON":                `tags`,
		"not UTF-8":               "{\"tags\":{\"a\":\"\xff\"}}",
		"tags twice":              `{"tags":{"a":1},"tags":{"b":1}}`,
		"desired twice":           `{"properties":{"desired":{"a":1},"desired":{"b":1}}}`,
		"properties twice":        `{"properties":{"desired":{"a":1}},"properties":{}}`,
		"properties no object":    `{"properties":[]}`,
		"Tags":                    `{"Tags":{"a":1}}`,
		"Desired":                 `{"properties":{"Desired":{"a":1}}}`,
		"deeper than any twin":    `{"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
		"good tags, bad desired":  `{"tags":{"a":1},"properties":{"desired":{"a.b":1}}}`,
		"good desired, bad tags":  `{"properties":{"desired":{"a":1}},"tags":{"a b":1}}`,
		"something behind it all": `{"tags":{"a":1}} x`,
	}
	for name, body := range bodies {
		for _, method := range []string{"PATCH", "PUT"} {
			t.Run(method+" "+name, func(t *testing.T) {
				r := api.do(method, "/twins/d?api-version=2021-04-12", body)
				if name, _ := r.fault(t); r.status != 400 || name != "ArgumentInvalid" {
					t.Errorf("status %d: %s", r.status, r.body)
				}
			})
		}
	}
	r := api.do("PATCH", "/twins/d?api-version=2021-04-12", `{"x":"`+strings.Repeat("x", 1<<20)+`"}`)
	if r.status != 413 || r.name() != "MessageTooLarge" {
		t.Errorf("a body above 1 MiB: status %d %s", r.status, r.name())
	}
	w.check(t)
}

// Etags in all the forms that clients send, and those that do not match.
func TestEtags(t *testing.T) {
	t.Parallel()
	h, c, _ := start(t)
	api := owner(t, h)
	twin, err := c.Twin(t.Context(), device("d"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Device(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Module(t.Context(), securityOf("d"))
	if err != nil {
		t.Fatal(err)
	}
	targets := []struct {
		name, method, path, body, etag string
	}{
		{"patch twin", "PATCH", "/twins/d", `{"tags":{"a":1}}`, string(twin.ETag)},
		{"replace twin", "PUT", "/twins/d", `{"tags":{"a":1}}`, string(twin.ETag)},
		{"update device", "PUT", "/devices/d", `{"deviceId":"d"}`, string(d.ETag)},
		{"update module", "PUT", "/devices/d/modules/azureiotsecurity", `{"deviceId":"d","moduleId":"azureiotsecurity"}`, string(m.ETag)},
		{"delete module", "DELETE", "/devices/d/modules/azureiotsecurity", ``, string(m.ETag)},
		{"delete device", "DELETE", "/devices/d", ``, string(d.ETag)},
	}
	const version = "?api-version=2021-04-12"
	n := traced(t, c)
	for _, target := range targets {
		for _, tag := range []string{"AAAA", `"AAAA"`, `W/"AAAA"`, `""`, `"` + target.etag + `x"`, strings.ToLower(target.etag), "**", `"`, "\u00e9"} {
			r := api.do(target.method, target.path+version, target.body, "If-Match", tag)
			if name, _ := r.fault(t); r.status != 412 || name != "PreconditionFailed" {
				t.Errorf("%s with If-Match %s: status %d: %s", target.name, tag, r.status, r.body)
			}
		}
	}
	if got := traced(t, c); got != n {
		t.Errorf("stale etags left traces: %+v, want %+v", got, n)
	}
	forms := []string{"*", `"*"`, "%s", `"%s"`, `W/"%s"`}
	for _, form := range forms {
		current, err := c.Twin(t.Context(), device("d"))
		if err != nil {
			t.Fatal(err)
		}
		r := api.do("PATCH", "/twins/d"+version, `{"tags":{"a":1}}`, "If-Match", strings.Replace(form, "%s", string(current.ETag), 1))
		if r.status != 200 {
			t.Errorf("If-Match %s: status %d: %s", form, r.status, r.body)
		}
	}
	if r := api.do("DELETE", "/devices/d"+version, "", "If-Match", `"`+string(d.ETag)+`"`); r.status != 204 {
		t.Errorf("delete with the current etag: status %d: %s", r.status, r.body)
	}
	if _, err := c.Device(t.Context(), "d"); err == nil {
		t.Error("the deleted device is there")
	}
}
