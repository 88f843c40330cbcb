package doc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

func TestNeverWritten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		s       doc.Section
		version int64
	}{
		{nil, 0}, {doc.Section{}, 0}, {doc.New(0), 0}, {doc.New(1), 1}, {doc.New(300), 300}, {doc.New(1<<63 - 1), 1<<63 - 1}, {doc.New(-5), 0},
	} {
		if err := tt.s.Validate(); err != nil {
			t.Errorf("%v: %v", tt.s, err)
		}
		if got := tt.s.Version(); got != tt.version {
			t.Errorf("%v: version %d, want %d", tt.s, got, tt.version)
		}
		if !tt.s.IsEmpty() || tt.s.Size() != 0 || !tt.s.Updated().IsZero() {
			t.Errorf("%v: empty %v, size %d, updated %v", tt.s, tt.s.IsEmpty(), tt.s.Size(), tt.s.Updated())
		}
		want := fmt.Sprintf(`{"$metadata":{"$lastUpdated":"0001-01-01T00:00:00Z"},"$version":%d}`, tt.version)
		if got := string(tt.s.AppendJSON(nil, full)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestFirstMergeOfNil(t *testing.T) {
	t.Parallel()
	s := mustMerge(t, nil, `{"a":1}`, doc.Stamp{Time: startStamp.Time})
	want := `{"a":1,"$metadata":{"$lastUpdated":"2026-01-01T01:01:01Z","a":{"$lastUpdated":"2026-01-01T01:01:01Z"}},"$version":1}`
	if got := string(s.AppendJSON(nil, doc.Form{Metadata: true, Version: true})); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	s := mustMerge(t, doc.New(1), `{"a":{"b":"x"}}`, startStamp)
	const at = `"$lastUpdated":"2026-01-01T01:01:01Z"`
	for _, tt := range []struct {
		form doc.Form
		want string
	}{
		{doc.Form{}, `{"a":{"b":"x"}}`},
		{doc.Form{Version: true}, `{"a":{"b":"x"},"$version":2}`},
		{doc.Form{UpdatedVersion: true, Actors: true}, `{"a":{"b":"x"}}`},
		{doc.Form{Metadata: true}, `{"a":{"b":"x"},"$metadata":{` + at + `,"a":{` + at + `,"b":{` + at + `}}}}`},
		{
			doc.Form{Metadata: true, UpdatedVersion: true, Version: true},
			`{"a":{"b":"x"},"$metadata":{` + at + `,"$lastUpdatedVersion":2,"a":{` + at + `,"$lastUpdatedVersion":2,"b":{` + at + `,"$lastUpdatedVersion":2}}},"$version":2}`,
		},
		{
			doc.Form{Metadata: true, Actors: true},
			`{"a":{"b":"x"},"$metadata":{` + at + `,"$actor":"policy:iothubowner","a":{` + at + `,"$actor":"policy:iothubowner","b":{` + at + `,"$actor":"policy:iothubowner"}}}}`,
		},
	} {
		if diff := cmp.Diff(tt.want, string(s.AppendJSON(nil, tt.form))); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.form, diff)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	oslo := time.FixedZone("CET", 3600)
	for _, tt := range []struct {
		in   time.Time
		want string
	}{
		{time.Date(2023, 1, 17, 17, 56, 24, 162605600, time.UTC), "2023-01-17T17:56:24.1626056Z"},
		{time.Date(2023, 1, 17, 17, 56, 24, 162605699, time.UTC), "2023-01-17T17:56:24.1626056Z"},
		{time.Date(2023, 1, 17, 17, 56, 24, 162000000, time.UTC), "2023-01-17T17:56:24.162Z"},
		{time.Date(2023, 1, 17, 17, 56, 24, 99, time.UTC), "2023-01-17T17:56:24Z"},
		{time.Date(2023, 1, 1, 0, 30, 0, 0, oslo), "2022-12-31T23:30:00Z"},
		{time.Date(1969, 12, 31, 23, 59, 59, 999999999, time.UTC), "1969-12-31T23:59:59.9999999Z"},
		{time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), "9999-12-31T23:59:59.9999999Z"},
		{time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), "9999-12-31T23:59:59.9999999Z"},
		{time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), "0001-01-01T00:00:00Z"},
		{time.Time{}, "0001-01-01T00:00:00Z"},
	} {
		s := mustMerge(t, doc.New(1), `{}`, doc.Stamp{Time: tt.in})
		want := `{"$metadata":{"$lastUpdated":"` + tt.want + `"}}`
		if got := string(s.AppendJSON(nil, doc.Form{Metadata: true})); got != want {
			t.Errorf("%v: got %s, want %s", tt.in, got, want)
		}
		if got := s.Updated().Format(time.RFC3339Nano); got != tt.want {
			t.Errorf("%v: updated %s, want %s", tt.in, got, tt.want)
		}
	}
}

// filler is an object of the given size: 1-byte keys below "f" and strings.
func filler(size int) string {
	var b strings.Builder
	b.WriteString(`{"f":{`)
	size--
	for c := 'A'; size > 0; c++ {
		n := min(size-1, 4000)
		if c != 'A' {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%c":"%s"`, c, strings.Repeat("x", n))
		size -= n + 1
	}
	return b.String() + "}}"
}

func TestSizeLimit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		part  doc.Part
		limit int
	}{
		{doc.Tags, 8192}, {doc.Desired, 32768}, {doc.Reported, 32768},
	} {
		t.Run(tt.part.String(), func(t *testing.T) {
			t.Parallel()
			s, err := doc.New(1).Merge(mustParse(t, []byte(filler(tt.limit-10))), tt.part, startStamp)
			if err != nil {
				t.Fatal(err)
			}
			for _, add := range []string{
				`{"k":"123456789"}`,                           // at the limit
				`{"k":"12345\u0000\u009f6789"}`,               // control characters do not count
				`{"kk":12}`,                                   // 2 and 8
				`{"a":true,"b":false}`,                        // 1 and 4, twice
				`{"k":[true,"x","y","z",[{"v":"w"}]],"f":{}}`, // 1, 4, 3, 2
			} {
				full, err := s.Merge(mustParse(t, []byte(add)), tt.part, startStamp)
				if err != nil {
					t.Errorf("%s: %v", add, err)
				} else if got := full.Size(); got != tt.limit {
					t.Errorf("%s: size %d, want %d", add, got, tt.limit)
				}
			}
			before := bytes.Clone(s)
			for _, add := range []string{
				`{"k":"1234567890"}`, `{"kkk":12}`, `{"a":true,"bb":false}`, `{"k":[true,"x","y","z",[{"v":"wv"}]]}`, `{"f":{"A":null,"Z":` + strings.TrimPrefix(filler(4012), `{"f":`) + `}`,
			} {
				got, err := s.Merge(mustParse(t, []byte(add)), tt.part, startStamp)
				e, ok := errors.AsType[*tvilling.Error](err)
				if !ok || got != nil {
					t.Errorf("%.30s: no refusal: %v", add, err)
					continue
				}
				want := fmt.Sprintf("Twin properties size %d exceeds maximum %d", tt.limit+1, tt.limit)
				if e.Code != tvilling.InvalidArgument || e.Path != tt.part.String() || e.Message != want {
					t.Errorf("%.30s: got %v, want %s", add, e, want)
				}
			}
			if !bytes.Equal(before, s) {
				t.Error("a refused patch changed the section")
			}
			if _, err := s.Replace(mustParse(t, []byte(filler(tt.limit))), tt.part, startStamp); err != nil {
				t.Errorf("replace at the limit: %v", err)
			}
			if _, err := s.Replace(mustParse(t, []byte(filler(tt.limit+1))), tt.part, startStamp); tvilling.CodeOf(err) != tvilling.InvalidArgument {
				t.Errorf("replace one over: %v", err)
			}
			// A section at its limit can be made smaller, and changed within it.
			s = mustMerge(t, s, `{"k":"123456789"}`, startStamp)
			if s, err = s.Merge(mustParse(t, []byte(`{"k":null,"l":"987654321"}`)), tt.part, startStamp); err != nil || s.Size() != tt.limit {
				t.Errorf("size %d: %v", s.Size(), err)
			}
		})
	}
}

// TestStoredLimit: what the size limit does not count cannot grow a section
// without end.
func TestStoredLimit(t *testing.T) {
	t.Parallel()
	s := doc.New(1)
	body := func(i int) string {
		return fmt.Sprintf(`{"k%d":"%s"}`, i, strings.Repeat(`\u0001`, 4000))
	}
	for i := range 10 {
		s = mustMerge(t, s, body(i), startStamp)
	}
	if s.Size() > 30 {
		t.Fatalf("size %d", s.Size())
	}
	_, err := s.Merge(mustParse(t, []byte(body(11))), doc.Desired, startStamp)
	if tvilling.CodeOf(err) != tvilling.InvalidArgument || !strings.Contains(tvilling.MessageOf(err), "to store, which exceeds maximum 262144") {
		t.Errorf("got %v", err)
	}
}

// TestManyStamps: sections whose members were all written at different times,
// by many actors.
func TestManyStamps(t *testing.T) {
	t.Parallel()
	s := doc.New(1)
	const n = 300
	for i := range n {
		s = mustMerge(t, s, fmt.Sprintf(`{"k%d":%d}`, i, i), doc.Stamp{
			Time:  startStamp.Time.Add(time.Duration(i) * time.Hour),
			Actor: fmt.Sprintf("policy:%d", i%40),
		})
	}
	check := func() {
		t.Helper()
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			key := fmt.Sprintf("k%d", i)
			at, _ := s.Lookup("$metadata", key, "$lastUpdated")
			version, _ := s.Lookup("$metadata", key, "$lastUpdatedVersion")
			actor, _ := s.Lookup("$metadata", key, "$actor")
			want := startStamp.Time.Add(time.Duration(i) * time.Hour).Format(time.RFC3339)
			if at.Text() != want || version.Number() != float64(i+2) || actor.Text() != fmt.Sprintf("policy:%d", i%40) {
				t.Fatalf("%s: %s %v %s", key, at.Text(), version.Number(), actor.Text())
			}
		}
	}
	check()
	before := len(s)
	for i := range 1000 {
		s = mustMerge(t, s, `{"x":null}`, doc.Stamp{Time: startStamp.Time, Actor: fmt.Sprint("policy:", i)})
	}
	check()
	if len(s) > before+300*3+50 {
		t.Errorf("%d bytes after updates that leave nothing, %d before", len(s), before)
	}
	// One update of everything leaves one stamp.
	var all []byte
	all = s.AppendJSON(all, doc.Form{})
	s = mustMerge(t, s, string(all), patchStamp)
	s = mustMerge(t, s, string(all), patchStamp)
	fresh := mustMerge(t, doc.New(s.Version()-1), string(all), patchStamp)
	if len(s) > len(fresh)+n {
		t.Errorf("%d bytes after an update of everything, %d when written at once", len(s), len(fresh))
	}
}

// TestMergeOutOfOrder: patches of many members in another order than the
// section's, at both levels, some of them new and some of them nulls.
func TestMergeOutOfOrder(t *testing.T) {
	t.Parallel()
	var start, patch strings.Builder
	want := map[string]any{}
	for i := range 200 {
		fmt.Fprintf(&start, `,"k%d":%d`, i, i)
		want[fmt.Sprint("k", i)] = json.Number(strconv.Itoa(i))
	}
	for i := 240; i > 0; i -= 3 {
		v := json.Number(strconv.Itoa(i + 1000))
		if key := fmt.Sprint("k", i); i%2 == 0 {
			fmt.Fprintf(&patch, `,"%s":null`, key)
			delete(want, key)
		} else {
			fmt.Fprintf(&patch, `,"%s":%s`, key, v)
			want[key] = v
		}
	}
	wrap := func(members string) string { return `{"o":{"x":1` + members + `}` + members + `}` }
	s := mustMerge(t, doc.New(1), wrap(start.String()), startStamp)
	s = mustMerge(t, s, wrap(patch.String()), patchStamp)
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	got := decode(t, s.AppendJSON(nil, doc.Form{}))
	o, _ := got["o"].(map[string]any)
	delete(got, "o")
	delete(o, "x")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("section (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
}

func TestPatchIsReusable(t *testing.T) {
	t.Parallel()
	p := mustParse(t, []byte(`{"a":{"b":null,"c":1},"d":[1]}`))
	text := string(p.AppendJSON(nil, 0))
	var first doc.Section
	for i := range 3 {
		s := mustMerge(t, doc.New(1), `{"a":{"b":2}}`, startStamp)
		s, err := s.Merge(p, doc.Desired, patchStamp)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = s
		}
		if !bytes.Equal(first, s) || string(p.AppendJSON(nil, 0)) != text {
			t.Fatalf("use %d differs", i)
		}
	}
}
