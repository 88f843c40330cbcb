package doc_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

func TestAppendWhole(t *testing.T) {
	t.Parallel()
	s := mustMerge(t, doc.New(1), `{"a":{"x":{"value":1,"more":{"deep":true}},"y":{"value":2},"q\"":0},"b":{"k":1},"s":1}`, startStamp)
	for _, tt := range []struct{ patch, want string }{
		{`{"a":{"x":{"value":7,"more":null}}}`, `{"a":{"x":{"value":7,"more":null},"y":{"value":2},"q\"":0},"$version":3}`},
		{`{"b":{"k":2},"a":{"y":null,"gone":null,"z":[1]}}`, `{"b":{"k":2},"a":{"x":{"value":1,"more":{"deep":true}},"q\"":0,"z":[1],"y":null,"gone":null},"$version":3}`},
		{`{"a":null,"s":2}`, `{"a":null,"s":2,"$version":3}`},
		{`{"a":5}`, `{"a":5,"$version":3}`},
		{`{"b":{"k":null}}`, `{"b":{"k":null},"$version":3}`},
		{`{"n":{"x":1,"y":null}}`, `{"n":{"x":1,"y":null},"$version":3}`},
		{`{}`, `{"$version":3}`},
	} {
		p := mustParse(t, []byte(tt.patch))
		now, err := s.Merge(p, doc.Desired, patchStamp)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(p.AppendWhole(nil, now, []string{"none", "a", "n"})); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.patch, got, tt.want)
		}
		if got, want := string(p.AppendWhole(nil, now, nil)), string(p.AppendJSON(nil, 3)); got != want {
			t.Errorf("%s with no whole objects: %s, want %s", tt.patch, got, want)
		}
	}
}
