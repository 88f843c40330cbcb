package doc_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

var update = flag.Bool("update", false, "rewrite the results in testdata")

var (
	startStamp = doc.Stamp{Time: time.Date(2026, 1, 1, 1, 1, 1, 0, time.UTC), Actor: "policy:iothubowner"}
	patchStamp = doc.Stamp{Time: time.Date(2026, 2, 2, 2, 2, 2, 20000200, time.UTC), Actor: "policy:service"}
)

// TestMergeFiles runs testdata/merge/*.txtar. A file has the section before
// (start; empty = never written), then one of patch, replace and clear, now
// and then the time of the change, and the section after, with all metadata.
// The start was written as version 2 at 2026-01-01T01:01:01Z.
func TestMergeFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/merge/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string][]byte{}
			for _, f := range ar.Files {
				part[f.Name] = bytes.TrimSpace(f.Data)
			}
			s := doc.New(1)
			if len(part["start"]) > 0 {
				if s, err = s.Replace(mustParse(t, part["start"]), doc.Desired, startStamp); err != nil {
					t.Fatal(err)
				}
			}
			st := patchStamp
			if at, ok := part["time"]; ok {
				if st.Time, err = time.Parse(time.RFC3339Nano, string(at)); err != nil {
					t.Fatal(err)
				}
			}
			patch, merge := part["patch"]
			replacement, replace := part["replace"]
			_, clearIt := part["clear"]
			switch {
			case merge:
				s, err = s.Merge(mustParse(t, patch), doc.Desired, st)
			case replace:
				s, err = s.Replace(mustParse(t, replacement), doc.Desired, st)
			case clearIt:
				s, err = s.Replace(nil, doc.Desired, st)
			default:
				t.Fatal("no patch, replace or clear")
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, s.AppendJSON(nil, full), "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			last := &ar.Files[len(ar.Files)-1]
			if *update {
				last.Data = got.Bytes()
				if err := os.WriteFile(file, txtar.Format(ar), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(last.Data), got.String()); diff != "" || last.Name != "result" {
				t.Errorf("%s (-want +got):\n%s", last.Name, diff)
			}
		})
	}
}

func mustParse(tb testing.TB, body []byte) *doc.Patch {
	tb.Helper()
	p, err := doc.Parse(body, doc.Desired)
	if err != nil {
		tb.Fatalf("Parse(%s): %v", body, err)
	}
	return p
}

func mustMerge(tb testing.TB, s doc.Section, body string, st doc.Stamp) doc.Section {
	tb.Helper()
	s, err := s.Merge(mustParse(tb, []byte(body)), doc.Desired, st)
	if err != nil {
		tb.Fatalf("Merge(%s): %v", body, err)
	}
	return s
}
