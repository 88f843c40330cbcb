package doc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// nest returns open repeated n times around v.
func nest(open, v, end string, n int) string {
	return strings.Repeat(open, n) + v + strings.Repeat(end, n)
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 1024)
	for _, tt := range []struct {
		name, in, want string
	}{
		{"empty object", `{}`, `{}`},
		{"white space", " \t\r\n{ \"a\" :\n1 ,\r\"b\"\t: [ 1 , 2 ] } \n", `{"a":1,"b":[1,2]}`},
		{"nulls are kept", `{"a":null,"b":{"c":null}}`, `{"a":null,"b":{"c":null}}`},
		{"order is kept", `{"z":1,"a":2,"m":{"y":3,"b":4}}`, `{"z":1,"a":2,"m":{"y":3,"b":4}}`},
		{"own members are dropped", `{"$version":7,"a":1,"$metadata":{"$lastUpdated":"x","a":{"$lastUpdated":null}}}`, `{"a":1}`},
		{"own members alone", `{"$metadata":{},"$version":7}`, `{}`},
		{"own members, escaped", `{"\u0024version":7,"b":2}`, `{"b":2}`},
		{"key of 1024 bytes", `{"` + long + `":1}`, `{"` + long + `":1}`},
		{"key of 1024 bytes in 512 characters", `{"` + strings.Repeat("é", 512) + `":1}`, `{"` + strings.Repeat("é", 512) + `":1}`},
		{"key of 1024 bytes, escaped", `{"` + strings.Repeat(`\u006b`, 1024) + `":1}`, `{"` + long + `":1}`},
		{"empty key", `{"":1}`, `{"":1}`},
		{"key with number sign", `{"a#b":1}`, `{"a#b":1}`},
		{"key with quotation mark and backslash", `{"a\"b\\c\/":1}`, `{"a\"b\\c/":1}`},
		{"keys that differ in case", `{"a":1,"A":2}`, `{"a":1,"A":2}`},
		{"key with no-break space", "{\"a\u00a0b\":1}", "{\"a\u00a0b\":1}"},
		{"string of 4096 bytes", `{"a":"` + strings.Repeat("x", 4096) + `"}`, `{"a":"` + strings.Repeat("x", 4096) + `"}`},
		{"string of 4096 bytes in 1024 characters", `{"a":"` + strings.Repeat("😀", 1024) + `"}`, `{"a":"` + strings.Repeat("😀", 1024) + `"}`},
		{"string of 4096 bytes, escaped", `{"a":"` + strings.Repeat(`\n`, 4096) + `"}`, `{"a":"` + strings.Repeat(`\n`, 4096) + `"}`},
		{"string of 4096 bytes of escaped surrogates", `{"a":"` + strings.Repeat(`\ud83d\ude00`, 1024) + `"}`, `{"a":"` + strings.Repeat(`\ud83d\ude00`, 1024) + `"}`},
		{"escapes", `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83D\uDE00\u0000"}`, `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83D\uDE00\u0000"}`},
		{"noncharacter", "{\"a\":\"\uffff\ufffd\"}", "{\"a\":\"\uffff\ufffd\"}"},
		{"dots, dollars and spaces in values", `{"a":"$x. y"}`, `{"a":"$x. y"}`},
		{"largest integer", `{"a":4503599627370495}`, `{"a":4503599627370495}`},
		{"smallest integer", `{"a":-4503599627370496}`, `{"a":-4503599627370496}`},
		{"zeros", `{"a":[0,-0,0.0,-0e0,0E+1]}`, `{"a":[0,-0,0.0,-0e0,0E+1]}`},
		{"number text is kept", `{"a":1.50,"b":1e3,"c":1E-2,"d":4503599627370496.0}`, `{"a":1.50,"b":1e3,"c":1E-2,"d":4503599627370496.0}`},
		{"largest float", `{"a":1.7976931348623157e308,"b":-1.7976931348623157e308}`, `{"a":1.7976931348623157e308,"b":-1.7976931348623157e308}`},
		{"smallest float and below", `{"a":5e-324,"b":1e-400}`, `{"a":5e-324,"b":1e-400}`},
		{"number of 32 bytes", `{"a":0.100000000000000000000000000001}`, `{"a":0.100000000000000000000000000001}`},
		{"number of 33 bytes becomes short", `{"a":0.1000000000000000000000000000001}`, `{"a":0.1}`},
		{"printed double", `{"a":1` + strings.Repeat("0", 300) + `.000000}`, `{"a":1e+300}`},
		{"10 objects", `{"a":` + nest(`{"a":`, `1`, `}`, 10) + `}`, `{"a":` + nest(`{"a":`, `1`, `}`, 10) + `}`},
		{"10 arrays", `{"a":` + nest(`[`, `1`, `]`, 10) + `}`, `{"a":` + nest(`[`, `1`, `]`, 10) + `}`},
		{"5 objects and 5 arrays", `{"a":` + nest(`[{"a":`, `1`, `}]`, 5) + `}`, `{"a":` + nest(`[{"a":`, `1`, `}]`, 5) + `}`},
		{"empty containers", `{"a":{},"b":[],"c":[[],{}]}`, `{"a":{},"b":[],"c":[[],{}]}`},
		{"arrays", `{"a":[ true , false, "x y" , 1.0, { "k" : [ "v" , { } ] } , [ ] ]}`, `{"a":[true,false,"x y",1.0,{"k":["v",{}]},[]]}`},
		{"space in strings of arrays", `{"a":[ "\" ] , \\" ]}`, `{"a":["\" ] , \\"]}`},
		{"17 members", manyMembers(17), manyMembers(17)},
		{"1000 members", manyMembers(1000), manyMembers(1000)},
		{"deep metadata", `{"$metadata":` + nest(`{"a":`, `1`, `}`, 20) + `}`, `{}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := doc.Parse([]byte(tt.in), doc.Desired)
			if err != nil {
				t.Fatalf("Parse: %v", err)
			}
			if diff := cmp.Diff(tt.want, string(p.AppendJSON(nil, 0))); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
			if got, want := p.Empty(), tt.want == "{}"; got != want {
				t.Errorf("Empty() = %v, want %v", got, want)
			}
		})
	}
}

// manyMembers is an object of n members whose keys share first and last letter
// in groups.
func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		b.WriteString(`"k` + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + `":1`)
	}
	return b.String() + "}"
}

// twiceAmong is an object of n members of which the last repeats the first.
func twiceAmong(n int) string { return strings.TrimSuffix(manyMembers(n-1), "}") + `,"kaaa":1}` }

const invalid = "Provided json is not a valid 'tags' or 'properties' object: "

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	key1025 := strings.Repeat("k", 1025)
	inRange := ". Valid values are between -4503599627370496 and 4503599627370495"
	finite := ". Valid values are between -1.7976931348623157e+308 and 1.7976931348623157e+308"
	for _, tt := range []struct {
		name, in, path, message string
	}{
		// Text that is no JSON object.
		{"nothing", ``, ``, invalid + "it must be an object at byte 0"},
		{"white space", "  ", ``, invalid + "it must be an object at byte 2"},
		{"null", `null`, ``, invalid + "it must be an object at byte 0"},
		{"array", `[]`, ``, invalid + "it must be an object at byte 0"},
		{"byte order mark", "\ufeff{}", ``, invalid + "it must be an object at byte 0"},
		{"open", `{`, ``, invalid + "a property name in quotation marks is missing at byte 1"},
		{"something after", `{} x`, ``, invalid + "there is something after its end at byte 3"},
		{"second object", `{}{}`, ``, invalid + "there is something after its end at byte 2"},
		{"no quotation marks", `{a:1}`, ``, invalid + "a property name in quotation marks is missing at byte 1"},
		{"trailing comma", `{"a":1,}`, ``, invalid + "a property name in quotation marks is missing at byte 7"},
		{"no comma", `{"a":1 "b":2}`, `.a`, invalid + "a comma or the end of an object is missing at byte 7"},
		{"no colon", `{"a" 1}`, `.a`, invalid + "a colon is missing at byte 5"},
		{"no value", `{"a":}`, `.a`, invalid + "a value is malformed at byte 5"},
		{"end in a value", `{"a":`, `.a`, invalid + "a value is missing at byte 5"},
		{"end after a value", `{"a":1`, `.a`, invalid + "a comma or the end of an object is missing at byte 6"},
		{"end in a word", `{"a":tru`, `.a`, invalid + "a value is malformed at byte 5"},
		{"wrong word", `{"a":nil}`, `.a`, invalid + "a value is malformed at byte 5"},
		{"array, no comma", `{"a":[1 2]}`, `.a[0]`, invalid + "a comma or the end of an array is missing at byte 8"},
		{"array, trailing comma", `{"a":[1,]}`, `.a[1]`, invalid + "a value is malformed at byte 8"},
		{"array, end", `{"a":[`, `.a[0]`, invalid + "a value is missing at byte 6"},
		{"array, wrong end", `{"a":[1}`, `.a[0]`, invalid + "a comma or the end of an array is missing at byte 7"},
		{"malformed metadata", `{"$metadata":{"a":[1,]}}`, `.$metadata`, invalid + "a value is malformed at byte 21"},
		{"metadata without end", `{"$metadata":`, `.$metadata`, invalid + "a value is malformed at byte 13"},
		{"very deep metadata", `{"$metadata":` + nest("[", "", "]", 66) + `}`, `.$metadata`, invalid + "a value is malformed at byte 78"},
		// Numbers.
		{"leading zero", `{"a":01}`, `.a`, invalid + "a value is malformed at byte 5"},
		{"plus", `{"a":+1}`, `.a`, invalid + "a value is malformed at byte 5"},
		{"minus alone", `{"a":-}`, `.a`, invalid + "a value is malformed at byte 6"},
		{"no fraction", `{"a":1.}`, `.a`, invalid + "a value is malformed at byte 7"},
		{"no integer part", `{"a":.5}`, `.a`, invalid + "a value is malformed at byte 5"},
		{"no exponent", `{"a":1e}`, `.a`, invalid + "a value is malformed at byte 7"},
		{"no exponent after its sign", `{"a":1e+}`, `.a`, invalid + "a value is malformed at byte 8"},
		{"not a number", `{"a":NaN}`, `.a`, invalid + "a value is malformed at byte 5"},
		{"hexadecimal", `{"a":0x1}`, `.a`, invalid + "a comma or the end of an object is missing at byte 6"},
		{"integer one over", `{"a":4503599627370496}`, `.a`, "Property a has an out of bound value" + inRange},
		{"integer one under", `{"a":-4503599627370497}`, `.a`, "Property a has an out of bound value" + inRange},
		{"integer of many digits", `{"a":` + strings.Repeat("9", 400) + `}`, `.a`, "Property a has an out of bound value" + inRange},
		{"integer one over in an array", `{"a":{"b":[0,{"c":4503599627370496}]}}`, `.a.b[1].c`, "Property c has an out of bound value" + inRange},
		{"infinite", `{"a":1e309}`, `.a`, "Property a has an out of bound value" + finite},
		{"infinite, negative", `{"a":[-1.8e308]}`, `.a[0]`, "Property a has an out of bound value" + finite},
		{"infinite, printed", `{"a":1` + strings.Repeat("0", 309) + `.0}`, `.a`, "Property a has an out of bound value" + finite},
		// Strings.
		{"no end of string", `{"a":"x`, `.a`, invalid + "a string is malformed or not UTF-8 at byte 7"},
		{"control character", "{\"a\":\"x\ny\"}", `.a`, invalid + "a string is malformed or not UTF-8 at byte 7"},
		{"zero byte", "{\"a\":\"\x00\"}", `.a`, invalid + "a string is malformed or not UTF-8 at byte 6"},
		{"unknown escape", `{"a":"\x"}`, `.a`, invalid + "a string is malformed or not UTF-8 at byte 6"},
		{"short escape", `{"a":"\u12"}`, `.a`, invalid + "a string is malformed or not UTF-8 at byte 6"},
		{"escape at the end", `{"a":"\`, `.a`, invalid + "a string is malformed or not UTF-8 at byte 6"},
		{"high surrogate alone", `{"a":"\ud83d"}`, `.a`, invalid + "a string is malformed or not UTF-8 at byte 6"},
		{"high surrogate twice", `{"a":"\ud83d\ud83d"}`, `.a`, invalid + "a string is malformed or not UTF-8 at byte 6"},
		{"low surrogate alone", `{"a":"\ude00"}`, `.a`, invalid + "a string is malformed or not UTF-8 at byte 6"},
		{"not UTF-8", "{\"a\":\"\xff\"}", `.a`, invalid + "a string is malformed or not UTF-8 at byte 6"},
		{"overlong UTF-8", "{\"a\":\"\xc0\xaf\"}", `.a`, invalid + "a string is malformed or not UTF-8 at byte 6"},
		{"surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", `.a`, invalid + "a string is malformed or not UTF-8 at byte 6"},
		{"cut UTF-8", "{\"a\":\"\xe2\x82\"}", `.a`, invalid + "a string is malformed or not UTF-8 at byte 6"},
		{"string of 4097 bytes", `{"a":"` + strings.Repeat("x", 4097) + `"}`, `.a`, "Value associated with property name a has length 4097 that exceeds maximum length of 4096"},
		{"string of 4098 bytes in 2049 characters", `{"a":"` + strings.Repeat("é", 2049) + `"}`, `.a`, "Value associated with property name a has length 4098 that exceeds maximum length of 4096"},
		{"string of 4097 control characters", `{"a":"` + strings.Repeat(`\u0001`, 4097) + `"}`, `.a`, "Value associated with property name a has length 4097 that exceeds maximum length of 4096"},
		{"string of 4097 bytes in an array", `{"a":["","` + strings.Repeat("x", 4097) + `"]}`, `.a[1]`, "Value associated with property name a has length 4097 that exceeds maximum length of 4096"},
		// Keys.
		{"key of 1025 bytes", `{"a":{"` + key1025 + `":1}}`, `.a.` + key1025[:64] + "..", "Length of property name kkkkkkkkkk.. exceeds maximum length of 1024"},
		{"key of 1026 bytes in 513 characters", `{"` + strings.Repeat("é", 513) + `":1}`, `.` + strings.Repeat("é", 32) + "..", "Length of property name ééééé.. exceeds maximum length of 1024"},
		{"key of 1025 bytes, cut between characters", `{"k` + strings.Repeat("é", 512) + `":1}`, `.k` + strings.Repeat("é", 31) + "..", "Length of property name kéééé.. exceeds maximum length of 1024"},
		{"key with dot", `{"a.b":1}`, `.a.b`, "Property name a.b contains invalid character '.'"},
		{"key with escaped dot", `{"a\u002eb":1}`, `.a.b`, "Property name a.b contains invalid character '.'"},
		{"key with dollar", `{"a":{"$b":1}}`, `.a.$b`, "Property name $b contains invalid character '$'"},
		{"another system key", `{"$etag":"x"}`, `.$etag`, "Property name $etag contains invalid character '$'"},
		{"$version below", `{"a":{"$version":1}}`, `.a.$version`, "Property name $version contains invalid character '$'"},
		{"$metadata in an array", `{"a":[{"$metadata":1}]}`, `.a[0].$metadata`, "Property name $metadata contains invalid character '$'"},
		{"key with space", `{"a b":1}`, `.a b`, "Property name a b contains invalid character ' '"},
		{"key with escaped control character", `{"a\u0009":1}`, ".a\ufffd", "Property name a\ufffd contains invalid character '\\u0009'"},
		{"key with C1 control character", "{\"\u009fa\":1}", ".\ufffda", "Property name \ufffda contains invalid character '\\u009f'"},
		{"key with raw control character", "{\"a\tb\":1}", ``, invalid + "a property name is malformed or not UTF-8 at byte 3"},
		{"key that is not UTF-8", "{\"a\xff\":1}", ``, invalid + "a property name is malformed or not UTF-8 at byte 3"},
		{"key without end", `{"a`, ``, invalid + "a property name is malformed or not UTF-8 at byte 3"},
		{"key twice", `{"a":1,"b":2,"a":3}`, `.a`, "Property name a is given more than once"},
		{"key twice, once escaped", `{"x":{"ab":1,"\u0061b":{}}}`, `.x.ab`, "Property name ab is given more than once"},
		{"key twice in an array", `{"x":[1,{"a":1,"a":1}]}`, `.x[1].a`, "Property name a is given more than once"},
		{"key twice among 16", twiceAmong(16), `.kaaa`, "Property name kaaa is given more than once"},
		{"key twice among 17", twiceAmong(17), `.kaaa`, "Property name kaaa is given more than once"},
		{"key twice among 1000", `{"o":` + twiceAmong(1000) + `}`, `.o.kaaa`, "Property name kaaa is given more than once"},
		{"key twice among 40 in an array", `{"o":["x",` + twiceAmong(40) + `]}`, `.o[1].kaaa`, "Property name kaaa is given more than once"},
		// Depth and nulls.
		{"11 objects", `{"a":` + nest(`{"a":`, `1`, `}`, 11) + `}`, strings.Repeat(".a", 11), "Nested depth of twin property exceeds 10"},
		{"11 empty objects", `{"a":` + nest(`{"a":`, `{}`, `}`, 10) + `}`, strings.Repeat(".a", 11), "Nested depth of twin property exceeds 10"},
		{"array in 10 objects", `{"a":` + nest(`{"a":`, `[]`, `}`, 10) + `}`, strings.Repeat(".a", 11), "Nested depth of twin property exceeds 10"},
		{"11 arrays", `{"a":` + nest(`[`, `1`, `]`, 11) + `}`, `.a` + strings.Repeat("[0]", 10), "Nested depth of twin property exceeds 10"},
		{"object in 10 arrays", `{"a":` + nest(`[`, `{}`, `]`, 10) + `}`, `.a` + strings.Repeat("[0]", 10), "Nested depth of twin property exceeds 10"},
		{"200,000 arrays", `{"a":` + strings.Repeat("[", 200_000), `.a` + strings.Repeat("[0]", 10), "Nested depth of twin property exceeds 10"},
		{"null in an array", `{"a":[1,null]}`, `.a[1]`, "Arrays cannot contain 'null' as value"},
		{"null in an array in an array", `{"a":[[null]]}`, `.a[0][0]`, "Arrays cannot contain 'null' as value"},
		{"null in an object in an array", `{"a":[{"b":{"c":null}}]}`, `.a[0].b.c`, "Property c of an object in an array cannot be 'null'"},
		{"null in an array in an object in an array", `{"a":[{"b":[null]}]}`, `.a[0].b[0]`, "Arrays cannot contain 'null' as value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, part := range []doc.Part{doc.Tags, doc.Desired, doc.Reported} {
				p, err := doc.Parse([]byte(tt.in), part)
				e, ok := errors.AsType[*tvilling.Error](err)
				if !ok || p != nil {
					t.Fatalf("Parse = %v, %v; want a refusal", p, err)
				}
				if e.Code != tvilling.InvalidArgument {
					t.Errorf("code %s, want %s", e.Code, tvilling.InvalidArgument)
				}
				if got, want := e.Path, part.String()+tt.path; got != want {
					t.Errorf("path %q, want %q", got, want)
				}
				if e.Message != tt.message {
					t.Errorf("message\n got %s\nwant %s", e.Message, tt.message)
				}
			}
		})
	}
}

func TestParseMaxBody(t *testing.T) {
	t.Parallel()
	body := func(n int) []byte { return []byte(`{"a":1` + strings.Repeat(" ", n-len(`{"a":1}`)) + `}`) }
	if _, err := doc.Parse(body(doc.MaxBody), doc.Reported); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	_, err := doc.Parse(body(doc.MaxBody+1), doc.Reported)
	want := "properties.reported: The update of properties.reported has 262145 bytes of JSON, which exceeds maximum 262144"
	if tvilling.CodeOf(err) != tvilling.InvalidArgument || tvilling.MessageOf(err) != want {
		t.Errorf("one over: %v", err)
	}
}

func TestPatchAppendJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in      string
		version int64
		want    string
	}{
		{`{}`, 0, `{}`},
		{`{}`, 3, `{"$version":3}`},
		{`{"$version":1,"a":null}`, 12, `{"a":null,"$version":12}`},
		{`{"a":{"b":[1, 2]},"c":"é\u00e9"}`, -1, `{"a":{"b":[1,2]},"c":"é\u00e9"}`},
	} {
		p, err := doc.Parse([]byte(tt.in), doc.Desired)
		if err != nil {
			t.Fatalf("Parse(%s): %v", tt.in, err)
		}
		if got := string(p.AppendJSON([]byte("-"), tt.version)); got != "-"+tt.want {
			t.Errorf("%s at %d: got %s, want %s", tt.in, tt.version, got, tt.want)
		}
	}
}
