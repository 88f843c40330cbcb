package query_test

import (
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/query/querytest"
)

// agent is the twin of a security module of about 1.3 kB.
func agent(t testing.TB) *querytest.Row {
	t.Helper()
	var reported []string
	for i := range 12 {
		reported = append(reported, fmt.Sprintf(`"check%d":{"result":"pass","severity":"%d","last":"2026-01-01T00:00:00Z"}`, i, i))
	}
	return mustTwin(t, `{"deviceId":"factory-7-line-3-press-12","moduleId":"azureiotsecurity","tags":{"SecurityGroup":"presses","site":"Lund"},
		"properties":{
			"desired":{"ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration":{"highPriorityMessageFrequency":"PT7M"}},
			"reported":{`+strings.Join(reported, ",")+`,"state":{"score":71,"name":"at risk"}}}}`)
}

var benchmarks = []struct{ name, where string }{
	{"two", "tags.site = 'Lund' AND properties.reported.state.score >= 70"},
	{"script", "moduleId='azureiotsecurity' and IS_DEFINED(properties.desired.[[ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration]])"},
	{"time", "lastActivityTime < '2026-01-01' AND properties.reported.$version > 1"},
	{"strings", "STARTSWITH(deviceId, 'factory') AND tags.site IN ['Malmö', 'Lund'] AND CONTAINS(properties.reported.state.name, 'risk')"},
}

// TestMatchAllocates checks that a scan takes no memory for the rows it looks at.
func TestMatchAllocates(t *testing.T) {
	r := agent(t)
	for _, b := range benchmarks {
		q := mustCompile(t, "SELECT * FROM devices.modules WHERE "+b.where)
		if !q.Match(r) {
			t.Errorf("%s: no match", b.name)
		}
		if got := testing.AllocsPerRun(100, func() { q.Match(r) }); got != 0 {
			t.Errorf("%s: %v allocations, want 0", b.name, got)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	r := agent(b)
	for _, tt := range benchmarks {
		b.Run(tt.name, func(b *testing.B) {
			q := mustCompile(b, "SELECT * FROM devices.modules WHERE "+tt.where)
			b.ReportAllocs()
			for b.Loop() {
				q.Match(r)
			}
		})
	}
}

// BenchmarkRun looks at one more twin of a scan that finds nothing.
func BenchmarkRun(b *testing.B) {
	r := agent(b)
	q := mustCompile(b, "SELECT deviceId FROM devices.modules WHERE tags.site = 'Lund' AND properties.reported.state.score > 71")
	b.ReportAllocs()
	rows := func(tvilling.Identity) iter.Seq2[query.Row, error] {
		return func(yield func(query.Row, error) bool) {
			for b.Loop() && yield(r, nil) {
			}
		}
	}
	if _, err := q.Run(b.Context(), rows, query.Options{}); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkProject(b *testing.B) {
	r := agent(b)
	q := mustCompile(b, "SELECT deviceId, moduleId, tags.site, properties.reported.state FROM devices.modules")
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = q.Project(dst[:0], r)
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		mustCompile(b, "SELECT * FROM devices.modules WHERE "+benchmarks[1].where)
	}
}

// BenchmarkBomb evaluates the conditions that take longest for their length.
func BenchmarkBomb(b *testing.B) {
	long := strings.Repeat("a", 4000)
	r := mustTwin(b, `{"deviceId":"d","tags":{"s":"`+long+`"}}`)
	numbers := make([]string, 0, 2000)
	for i := range 1500 {
		numbers = append(numbers, fmt.Sprint(i))
	}
	for _, tt := range []struct{ name, where string }{
		{"like", "tags.s LIKE '%" + strings.Repeat("a_", 126) + "b%'"},
		{"like pieces", "tags.s LIKE '" + strings.Repeat("%a", 126) + "%b'"},
		{"in", "tags.s IN ['b', " + strings.Join(numbers, ", ") + "]"},
		{"paths", strings.Repeat("tags.s = 'b' OR ", 500) + "tags.s = 'b'"},
		{"concat", "CONCAT(" + strings.Repeat("tags.s, ", 1000) + "tags.s) = 'b'"},
		{"nested", strings.Repeat("UPPER(", 90) + "tags.s" + strings.Repeat(")", 90) + " = 'b'"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			q := mustCompile(b, "SELECT * FROM devices WHERE "+tt.where)
			b.ReportAllocs()
			for b.Loop() {
				if q.Match(r) {
					b.Fatal("found")
				}
			}
		})
	}
}
