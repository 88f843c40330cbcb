package investigate_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

func TestPage(t *testing.T) {
	t.Parallel()
	s := new(store)
	for i := range 25 {
		s.add("d", "ListeningPorts", fmt.Sprintf(`[{"Protocol":"tcp","LocalPort":"%d"},{"Protocol":"udp","LocalPort":"1"}]`, i))
	}
	s.add("d", "Custom", `[{"LocalPort":"5"}]`)
	s.add("d", "Heartbeat", "")
	r := investigate.NewReader(s.events)
	w, err := investigate.ParseWhere([]string{"LocalPort >= 20", "Protocol = tcp"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		where investigate.Where
		top   int
		stop  int // after how many events it is enough; 0 never
		want  string
	}{
		{"all", nil, 100, 0, "27"},
		{"two pages", nil, 20, 0, "20 7"},
		{"exactly", nil, 27, 0, "27"},
		{"conditions", w, 100, 0, "5"},
		{"conditions and pages", w, 2, 0, "2 2 1"},
		{"short of time", w, 100, 10, "0 0 5"},
		{"short of time, all", nil, 100, 10, "10 10 7"},
	} {
		var got []string
		q := event.Query{}
		total := map[event.Position]bool{}
		for {
			n := 0
			p, err := r.Page(t.Context(), q, tt.where, tt.top, func() bool { n++; return tt.stop > 0 && n == tt.stop })
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(len(p.Events)))
			for _, f := range p.Events {
				if total[f.Position] {
					t.Errorf("%s: %v comes twice", tt.name, f.Position)
				}
				total[f.Position] = true
				if tt.where != nil && (len(f.Hit) != 1 || f.Hit[0] != 0) {
					t.Errorf("%s: hit %v", tt.name, f.Hit)
				}
			}
			if p.Next == nil {
				break
			}
			q.After = *p.Next
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: pages of %v, want %s", tt.name, got, tt.want)
		}
	}
}

// TestPageBytes: a page of large events is short.
func TestPageBytes(t *testing.T) {
	t.Parallel()
	s := new(store)
	for range 40 {
		s.add("d", "Custom", `["`+strings.Repeat("x", 200<<10)+`"]`)
	}
	p, err := investigate.NewReader(s.events).Page(t.Context(), event.Query{}, nil, 1000, never)
	if err != nil || len(p.Events) != 21 || p.Next == nil || *p.Next != p.Events[20].Position {
		t.Errorf("got %d events, next %v, %v", len(p.Events), p.Next, err)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	s := new(store)
	s.add("d", "Login", `broken`)
	s.add("d", "Login", `[{"ProcessId":1,"UserName":"u","Operation":"o","Executable":"e","Result":"Fail"}]`)
	w, err := investigate.ParseWhere([]string{"Result = Fail"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for f, err := range investigate.NewReader(s.events).Find(t.Context(), event.Query{}, w) {
		if err != nil {
			got = append(got, string(tvilling.CodeOf(err)))
		} else {
			got = append(got, f.Event.ID)
		}
	}
	if fmt.Sprint(got) != "[Corrupt id-2]" {
		t.Errorf("got %v", got)
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	s := new(store)
	const tail = `"TimestampLocal":"local","EventId":"id-`
	for _, tt := range []struct {
		name, payload string
		hit           []int
		want          []string
	}{
		{"Login", `[{"A":1,"ExtraDetails":{"B":"<"}},{}]`, nil, []string{`{"A":1,"ExtraDetails":{"B":"<"},` + tail + `1"}`, `{` + tail + `1"}`}},
		{"Login", `[{"A":1},{"A":2},{"A":3}]`, []int{0, 2}, []string{`{"A":1,` + tail + `2"}`, `{"A":3,` + tail + `2"}`}},
		{"Heartbeat", ``, nil, []string{`{` + tail + `3"}`}},
		{"ListeningPorts", `[]`, nil, []string{`{` + tail + `4"}`}},
		{"Custom", `[null,[1,2],"x",{"EventId":"forged","TimestampLocal":"forged","B":1}]`, nil, []string{
			`{"Value":null,` + tail + `5"}`, `{"Value":[1,2],` + tail + `5"}`, `{"Value":"x",` + tail + `5"}`, `{"B":1,` + tail + `5"}`,
		}},
	} {
		rec := s.add("d", tt.name, tt.payload)
		rows, err := investigate.Rows(&investigate.Found{Record: rec, Hit: tt.hit}, "hub")
		if err != nil {
			t.Errorf("%s: %v", tt.payload, err)
			continue
		}
		var got []string
		ids := map[string]bool{}
		for _, r := range rows {
			got = append(got, r.EventDetails)
			ids[r.RawEventID] = true
			if !json.Valid([]byte(r.EventDetails)) || r.RawEventName != tt.name || r.AssociatedResourceID != "hub" || r.TimeStamp != rec.Event.Time || r.TimeGenerated != rec.Received {
				t.Errorf("%s: got %+v", tt.payload, r)
			}
			if len(r.Cells()) != len(investigate.Columns()) {
				t.Errorf("%d cells for %d columns", len(r.Cells()), len(investigate.Columns()))
			}
		}
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") || len(ids) != len(rows) {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.payload, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
	rec := s.add("d", "Custom", `{`)
	if _, err := investigate.Rows(&investigate.Found{Record: rec}, ""); tvilling.CodeOf(err) != tvilling.Corrupt {
		t.Errorf("a payload that is no array: %v", err)
	}
}

// TestColumns: the members of a row in JSON are the columns of CSV, in order.
func TestColumns(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(investigate.Row{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	d := json.NewDecoder(strings.NewReader(string(b)))
	for depth, name := 0, true; ; name = !name {
		token, err := d.Token()
		if err != nil {
			break
		}
		if token == json.Delim('{') || token == json.Delim('}') {
			depth++
			name = false
			continue
		}
		if name && depth == 1 {
			got = append(got, fmt.Sprint(token))
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(investigate.Columns()) {
		t.Errorf("got %v, want %v", got, investigate.Columns())
	}
	if _, err := csv.NewReader(strings.NewReader(strings.Join(investigate.Columns(), ","))).Read(); err != nil {
		t.Error(err)
	}
}
