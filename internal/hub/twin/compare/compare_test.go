package compare_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/hub/twin/compare"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func section(t interface{ Fatal(...any) }, part doc.Part, json, actor string, at time.Time) doc.Section {
	p, err := doc.Parse([]byte(json), part)
	if err != nil {
		t.Fatal(err)
	}
	s, err := doc.New(1).Merge(p, part, doc.Stamp{Time: at, Actor: actor})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSections(t *testing.T) {
	deep := `{"1":{"2":{"3":{"4":{"5":{"6":{"7":{"8":{"9":{"10":true}}}}}}}}}}`
	for _, c := range []struct{ name, desired, reported, want string }{
		{"nothing", `{}`, `{}`, ``},
		{"equal", `{"a":1}`, `{"a":1}`, `a 1 1 equal`},
		{"the same number, written in another way", `{"a":1}`, `{"a":1.0}`, `a 1 1.0 equal`},
		{"the same text", `{"a":"x"}`, `{"a":"\u0078"}`, "a \"x\" \"\\u0078\" equal"},
		{"differs", `{"a":1}`, `{"a":2}`, `a 1 2 differs`},
		{"a number is no text", `{"a":1}`, `{"a":"1"}`, `a 1 "1" differs`},
		{"not reported", `{"a":1}`, `{}`, `a 1 - notReported`},
		{"only reported", `{}`, `{"a":1}`, `a - 1 onlyReported`},
		{"arrays", `{"a":[1,{"x":2,"y":[]}]}`, `{"a":[1.0,{"y":[],"x":2}]}`, `a [1,{"x":2,"y":[]}] [1.0,{"y":[],"x":2}] equal`},
		{"arrays of another order", `{"a":[1,2]}`, `{"a":[2,1]}`, `a [1,2] [2,1] differs`},
		{"longer array", `{"a":[1]}`, `{"a":[1,2]}`, `a [1] [1,2] differs`},
		{"shorter array", `{"a":[1,2]}`, `{"a":[1]}`, `a [1,2] [1] differs`},
		{"objects in arrays", `{"a":[{"x":1}]}`, `{"a":[{"x":1,"y":2}]}`, `a [{"x":1}] [{"x":1,"y":2}] differs`},
		{"an object against a value", `{"a":{"b":1}}`, `{"a":1}`, `a {"b":1} 1 differs`},
		{"a value against an object", `{"a":1}`, `{"a":{"b":1}}`, `a 1 {"b":1} differs`},
		{"an empty object against one", `{"a":{}}`, `{"a":{"b":1}}`, `a.b - 1 onlyReported`},
		{"empty objects", `{"a":{}}`, `{"a":{}}`, `a {} {} equal`},
		{"an object of one side", `{"a":{"b":1,"c":2}}`, `{}`, "a.b 1 - notReported\na.c 2 - notReported"},
		{"ten levels", deep, deep, "1.2.3.4.5.6.7.8.9.10 true true equal"},
		{"values before objects", `{"b":{"x":1},"a":{"y":{"z":1},"w":2},"c":3}`, `{"d":4}`, "c 3 - notReported\nd - 4 onlyReported\na.w 2 - notReported\na.y.z 1 - notReported\nb.x 1 - notReported"},
		{"plug and play, taken", `{"a":1}`, `{"a":{"value":1,"ac":200,"av":3}}`, `a 1 {"value":1,"ac":200,"av":3} equal`},
		{"plug and play, refused", `{"a":1}`, `{"a":{"value":2,"ac":400,"ad":"too low"}}`, `a 1 {"value":2,"ac":400,"ad":"too low"} differs`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, err := compare.Sections(section(t, doc.Desired, c.desired, "user:a", noon), section(t, doc.Reported, c.reported, "device:d", noon), nil)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, r := range rows {
				lines = append(lines, fmt.Sprintf("%s %s %s %s", strings.Join(r.Path, "."), side(r.Desired), side(r.Reported), r.Agreement))
			}
			if got := strings.Join(lines, "\n"); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

func side(json []byte) string {
	if json == nil {
		return "-"
	}
	return string(json)
}

func TestWhoAndWhy(t *testing.T) {
	row := func(desired, reported time.Time, told string) compare.Row {
		rows, err := compare.Sections(section(t, doc.Desired, `{"a":1}`, "user:a", desired), section(t, doc.Reported, told, "device:d", reported), nil)
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		return rows[0]
	}
	r := row(noon.Add(time.Minute), noon, `{"a":2}`)
	if r.Set.Actor != "user:a" || !r.Set.Time.Equal(noon.Add(time.Minute)) || r.Set.Version != 2 || r.Told.Actor != "device:d" || !r.Told.Time.Equal(noon) {
		t.Errorf("stamps: %+v, %+v", r.Set, r.Told)
	}
	if !strings.Contains(r.Why, "has not answered yet") {
		t.Errorf("desired later: %q", r.Why)
	}
	if r := row(noon, noon.Add(time.Minute), `{"a":2}`); !strings.Contains(r.Why, "did not take it") {
		t.Errorf("reported later: %q", r.Why)
	}
	if r := row(noon, noon, `{"a":{"value":2,"ac":400,"ad":"too low"}}`); r.Why != "The device answered with status 400: too low" {
		t.Errorf("acknowledged: %q", r.Why)
	}
}

func TestJudge(t *testing.T) {
	judge := func(path []string) (compare.Agreement, string, bool) {
		return compare.Default, "as built", slices.Equal(path, []string{"a"})
	}
	rows, err := compare.Sections(nil, section(t, doc.Reported, `{"a":1,"b":2}`, "device:d", noon), judge)
	if err != nil || len(rows) != 2 || rows[0].Agreement != compare.Default || rows[0].Why != "as built" || rows[1].Agreement != compare.OnlyReported {
		t.Errorf("%+v, %v", rows, err)
	}
}

// TestOrder: rows come in the order of Order, which is how a page of them is
// found again.
func TestOrder(t *testing.T) {
	key := rapid.SampledFrom([]string{"a", "b", "c", "A", "é", "^*"})
	var object func(depth int) *rapid.Generator[any]
	object = func(depth int) *rapid.Generator[any] {
		if depth == 0 {
			return rapid.Map(rapid.IntRange(0, 2), func(i int) any { return i })
		}
		return rapid.OneOf(rapid.Map(rapid.IntRange(0, 2), func(i int) any { return i }), rapid.Map(rapid.MapOfN(key, object(depth-1), 0, 4), func(m map[string]any) any { return m }))
	}
	rapid.Check(t, func(t *rapid.T) {
		top := rapid.MapOfN(key, object(3), 0, 5)
		rows, err := compare.Sections(section(t, doc.Desired, marshal(top.Draw(t, "desired")), "", noon), section(t, doc.Reported, marshal(top.Draw(t, "reported")), "", noon), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(rows); i++ {
			if compare.Order(rows[i-1].Path, rows[i].Path) >= 0 {
				t.Fatalf("%v is not before %v", rows[i-1].Path, rows[i].Path)
			}
		}
	})
}

func marshal(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
