package query_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestScripts runs the queries of testdata/*.txt. A script is read line by line:
//
//	# text      a remark
//	twin {…}    one more twin, in the form of the service's documents
//	? query     a query; a line that begins with a tab goes on with it
//	= {…}       a row of its answer
//	! code text the error it is answered with
//
// With -update the answers are written anew.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// runScript returns the script with the answers that the queries get.
func runScript(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	var rows []query.Row
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if strings.HasPrefix(line, "= ") || strings.HasPrefix(line, "! ") {
			continue // an answer
		}
		out.WriteString(line)
		if i < len(lines)-1 {
			out.WriteByte('\n')
		}
		if source, ok := strings.CutPrefix(line, "twin "); ok {
			rows = append(rows, mustTwin(t, source))
		}
		q, ok := strings.CutPrefix(line, "? ")
		if !ok {
			continue
		}
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "\t") {
			i++
			q += "\n" + lines[i]
			out.WriteString(lines[i] + "\n")
		}
		answer(t, &out, q, rows)
	}
	return out.String()
}

func answer(t *testing.T, out *strings.Builder, text string, rows []query.Row) {
	t.Helper()
	q, err := query.Compile(text)
	if err != nil {
		fmt.Fprintf(out, "! %s %s\n", tvilling.CodeOf(err), tvilling.MessageOf(err))
		return
	}
	page, err := q.Run(t.Context(), source(rows, q.Kind()), query.Options{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var body []json.RawMessage
	if err := json.Unmarshal(page.Body, &body); err != nil {
		t.Fatalf("%s: the answer %s is not JSON: %v", text, page.Body, err)
	}
	for _, b := range body {
		fmt.Fprintf(out, "= %s\n", b)
	}
}

// source yields the rows of a kind as a hub does: in order, from after on.
func source(rows []query.Row, kind state.Kind) query.Rows {
	rows = slices.SortedFunc(slices.Values(rows), func(a, b query.Row) int { return a.ID().Compare(b.ID()) })
	return func(after tvilling.Identity) iter.Seq2[query.Row, error] {
		return func(yield func(query.Row, error) bool) {
			for _, r := range rows {
				wanted := kind == state.All || r.ID().IsModule() == (kind == state.Modules)
				if wanted && r.ID().Compare(after) > 0 && !yield(r, nil) {
					return
				}
			}
		}
	}
}

// row is a [query.Row] that writes a whole twin as its members one by one.
type row struct{ query.Twin }

func (r *row) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for _, name := range []string{
		"deviceId", "moduleId", "etag", "deviceEtag", "status", "statusReason", "statusUpdateTime", "connectionState",
		"lastActivityTime", "cloudToDeviceMessageCount", "authenticationType", "x509Thumbprint", "modelId", "version",
		"tags", "properties", "capabilities", "deviceScope", "parentScopes", "security",
	} {
		if v := r.Field([]string{name}); v.Kind() != query.Undefined {
			if dst[len(dst)-1] != '{' {
				dst = append(dst, ',')
			}
			dst = v.AppendJSON(fmt.Appendf(dst, "%q:", name))
		}
	}
	return append(dst, '}')
}

// mustTwin makes a twin of its document. What the document leaves away is as in
// a fresh twin. Its sections were written on 2026-01-01 at noon.
func mustTwin(t testing.TB, source string) *row {
	t.Helper()
	type section = json.RawMessage
	d := struct {
		DeviceID           tvilling.DeviceID
		ModuleID           tvilling.ModuleID
		Status             string
		StatusReason       string
		StatusUpdateTime   time.Time
		ConnectionState    string
		LastActivityTime   time.Time
		AuthenticationType state.AuthType
		X509Thumbprint     struct{ PrimaryThumbprint, SecondaryThumbprint string }
		ModelID            string
		Capabilities       struct{ IotEdge bool }
		DeviceScope        string
		ParentScopes       []string
		Tags               section
		Properties         struct{ Desired, Reported section }
		Security           section // an owned member
	}{AuthenticationType: state.SAS}
	decoder := json.NewDecoder(strings.NewReader(source))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		t.Fatalf("twin %s: %v", source, err)
	}
	id := tvilling.Identity{Device: d.DeviceID, Module: d.ModuleID}
	r := &row{query.Twin{
		Identity: &state.Identity{
			ID: id, Version: 1, Disabled: d.Status == "disabled", StatusReason: d.StatusReason, StatusUpdated: d.StatusUpdateTime,
			Auth: state.Authentication{
				Type:              d.AuthenticationType,
				PrimaryThumbprint: d.X509Thumbprint.PrimaryThumbprint, SecondaryThumbprint: d.X509Thumbprint.SecondaryThumbprint,
			},
			Edge: d.Capabilities.IotEdge, DeviceScope: d.DeviceScope, ParentScopes: d.ParentScopes,
		},
		Twin:         state.NewTwin(id),
		Connected:    d.ConnectionState == "Connected",
		LastActivity: d.LastActivityTime,
	}}
	r.Twin.Twin.ModelID = d.ModelID
	if d.Security != nil {
		r.Twin.Twin.Owned = []state.Owned{{Name: "security"}}
	} else {
		r.Twin.Twin.Owned = make([]state.Owned, 1) // whose name nobody asks for
	}
	for _, s := range []struct {
		to   *doc.Section
		part doc.Part
		body section
	}{
		{&r.Twin.Twin.Tags, doc.Tags, d.Tags},
		{&r.Twin.Twin.Desired, doc.Desired, d.Properties.Desired},
		{&r.Twin.Twin.Reported, doc.Reported, d.Properties.Reported},
		{&r.Twin.Twin.Owned[0].Value, doc.Owned, d.Security},
	} {
		if s.body == nil {
			continue
		}
		p, err := doc.Parse(s.body, s.part)
		stamp := doc.Stamp{Time: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), Actor: "policy:service"}
		if err == nil {
			*s.to, err = s.to.Merge(p, s.part, stamp)
		}
		if err = errors.Join(err, s.to.Validate()); err != nil {
			t.Fatalf("twin %s: %v", source, err)
		}
	}
	return r
}
