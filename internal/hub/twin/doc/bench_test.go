package doc_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// The 5-leaf patch of the benchmarks, as a device would report it.
const benchPatch = `{"telemetry":{"temperature":22.75,"rssi":-71},"network":{"ipAddress":"10.20.30.41"},"uptimeSeconds":864123,"lastError":null}`

// benchTwin is a section of about 2 KiB of JSON, 98 members.
func benchTwin(tb testing.TB) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/twin.json")
	if err != nil {
		tb.Fatal(err)
	}
	p := mustParse(tb, b)
	return p.AppendJSON(nil, 0)
}

func benchSection(tb testing.TB) doc.Section {
	tb.Helper()
	return mustMerge(tb, doc.New(1), string(benchTwin(tb)), startStamp)
}

// BenchmarkReport is what one reported patch costs: parse it, merge it into a
// stored twin of 2 KiB, which gives the bytes to store.
func BenchmarkReport(b *testing.B) {
	s := benchSection(b)
	body := []byte(benchPatch)
	b.ReportAllocs()
	for b.Loop() {
		p, err := doc.Parse(body, doc.Reported)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Merge(p, doc.Reported, patchStamp); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(s)), "stored-B")
	b.ReportMetric(float64(len(s.AppendJSON(nil, doc.Form{}))), "json-B")
	b.ReportMetric(float64(len(s.AppendJSON(nil, doc.Form{Metadata: true, UpdatedVersion: true}))), "json+metadata-B")
}

// BenchmarkWhole is the measure that codecs were compared by: parse a twin of
// 2 KiB, merge 5 leaves, stamp, and write it out.
func BenchmarkWhole(b *testing.B) {
	twin, body := benchTwin(b), []byte(benchPatch)
	b.Run("doc", func(b *testing.B) {
		var dst []byte
		b.ReportAllocs()
		b.SetBytes(int64(len(twin)))
		for b.Loop() {
			p, err := doc.Parse(twin, doc.Reported)
			if err != nil {
				b.Fatal(err)
			}
			s, err := doc.New(1).Replace(p, doc.Reported, startStamp)
			if err != nil {
				b.Fatal(err)
			}
			if p, err = doc.Parse(body, doc.Reported); err != nil {
				b.Fatal(err)
			}
			if s, err = s.Merge(p, doc.Reported, patchStamp); err != nil {
				b.Fatal(err)
			}
			dst = s.AppendJSON(dst[:0], doc.Form{Version: true})
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(twin)))
		for b.Loop() {
			var t, p map[string]any
			if err := json.Unmarshal(twin, &t); err != nil {
				b.Fatal(err)
			}
			if err := json.Unmarshal(body, &p); err != nil {
				b.Fatal(err)
			}
			meta := map[string]any{}
			mergeMaps(t, p, meta, patchStamp.Time)
			if _, err := json.Marshal(map[string]any{"reported": t, "$metadata": meta}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// mergeMaps merges and stamps what it touches, no more.
func mergeMaps(into, patch, meta map[string]any, at time.Time) {
	meta["$lastUpdated"] = at
	for k, v := range patch {
		if v == nil {
			delete(into, k)
			continue
		}
		sub := map[string]any{"$lastUpdated": at}
		meta[k] = sub
		p, isObject := v.(map[string]any)
		old, ok := into[k].(map[string]any)
		if isObject && ok {
			mergeMaps(old, p, sub, at)
			continue
		}
		into[k] = v
	}
}

func BenchmarkParse(b *testing.B) {
	for _, bb := range []struct {
		name string
		body []byte
	}{{"patch", []byte(benchPatch)}, {"twin", benchTwin(b)}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.body)))
			for b.Loop() {
				if _, err := doc.Parse(bb.body, doc.Reported); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMerge(b *testing.B) {
	s := benchSection(b)
	for _, bb := range []struct {
		name string
		body []byte
	}{{"patch", []byte(benchPatch)}, {"twin", benchTwin(b)}} {
		p := mustParse(b, bb.body)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Merge(p, doc.Reported, patchStamp); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	s := mustMerge(b, benchSection(b), benchPatch, patchStamp)
	for _, bb := range []struct {
		name string
		form doc.Form
	}{{"device", doc.Form{Version: true}}, {"service", doc.Form{Metadata: true, UpdatedVersion: true, Version: true}}} {
		b.Run(bb.name, func(b *testing.B) {
			dst := s.AppendJSON(nil, bb.form)
			b.ReportAllocs()
			b.SetBytes(int64(len(dst)))
			for b.Loop() {
				dst = s.AppendJSON(dst[:0], bb.form)
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	s := mustMerge(b, benchSection(b), benchPatch, patchStamp)
	b.ReportAllocs()
	for b.Loop() {
		if v, ok := s.Lookup("telemetry", "temperature"); !ok || v.Number() != 22.75 {
			b.Fatal("not found")
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	s := mustMerge(b, benchSection(b), benchPatch, patchStamp)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllocations guards the hot path against allocations that creep in.
func TestAllocations(t *testing.T) {
	s := mustMerge(t, benchSection(t), benchPatch, patchStamp)
	twin := benchTwin(t)
	body := []byte(benchPatch)
	small, large := mustParse(t, body), mustParse(t, twin)
	dst := s.AppendJSON(nil, full)
	out := func(f doc.Form) func() { return func() { dst = s.AppendJSON(dst[:0], f) } }
	for _, tt := range []struct {
		name string
		most float64
		f    func()
	}{
		{"parse a patch", 1, func() { _, _ = doc.Parse(body, doc.Reported) }},
		{"parse a twin", 3, func() { _, _ = doc.Parse(twin, doc.Reported) }},
		{"merge a patch", 1, func() { _, _ = s.Merge(small, doc.Reported, patchStamp) }},
		{"merge a twin", 2, func() { _, _ = s.Merge(large, doc.Reported, patchStamp) }},
		{"patch as JSON", 0, func() { dst = small.AppendJSON(dst[:0], 7) }},
		{"device form", 0, out(doc.Form{Version: true})},
		{"service form", 0, out(doc.Form{Metadata: true, UpdatedVersion: true, Version: true})},
		{"all forms", 0, out(full)},
		{"look up a number", 0, func() {
			if v, _ := s.Lookup("telemetry", "temperature"); v.Number() != 22.75 {
				t.Error("number")
			}
		}},
		{"look up a text", 0, func() {
			if v, _ := s.Lookup("network", "ipAddress"); v.Text() != "10.20.30.41" {
				t.Error("text")
			}
		}},
		{"look up a version", 0, func() {
			if v, _ := s.Lookup("$metadata", "network", "$lastUpdatedVersion"); v.Number() != 3 {
				t.Error("version")
			}
		}},
		{"elements", 0, func() {
			v, _ := s.Lookup("network", "dns")
			for e := range v.Elements() {
				if e.Kind() != doc.String {
					t.Error("elements")
				}
			}
		}},
		{"validate", 0, func() { _ = s.Validate() }},
	} {
		if got := testing.AllocsPerRun(100, tt.f); got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.most)
		}
	}
}
