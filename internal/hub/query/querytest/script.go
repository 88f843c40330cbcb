package querytest

import (
	"context"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

//go:embed testdata/*.txt
var scripts embed.FS

var update = flag.Bool("update-queries", false, "rewrite the answers of the query scripts, which are in querytest/testdata")

// Engine answers one page of a query over the twins that it was opened with.
type Engine func(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error)

// Run runs the scripts of this package, each over an engine opened with all of
// its twins. A script is read line by line:
//
//	# text      a remark
//	twin {…}    a twin, in the form of the service's documents
//	? query     a query; a line that begins with a tab goes on with it
//	= {…}       a row of its answer
//	! code text the error it is answered with
//
// Every query is asked for its whole answer, and page by page. A module has its
// device among the twins. Whole twins are shown as [AppendTwin] does.
func Run(t *testing.T, open func(t *testing.T, twins []*Row) Engine) {
	files, err := scripts.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(file.Name(), ".txt"), func(t *testing.T) {
			text, err := scripts.ReadFile("testdata/" + file.Name())
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(text), open)
			if *update {
				if err := os.WriteFile(filepath.Join("querytest", "testdata", file.Name()), []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file.Name(), diff)
			}
		})
	}
}

// runScript returns the script with the answers that the queries get.
func runScript(t *testing.T, text string, open func(*testing.T, []*Row) Engine) string {
	t.Helper()
	lines := strings.Split(text, "\n")
	engine := open(t, twins(t, lines))
	var out strings.Builder
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if strings.HasPrefix(line, "= ") || strings.HasPrefix(line, "! ") {
			continue // an answer
		}
		out.WriteString(line)
		if i < len(lines)-1 {
			out.WriteByte('\n')
		}
		q, ok := strings.CutPrefix(line, "? ")
		if !ok {
			continue
		}
		begin := i + 1
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "\t") {
			i++
			out.WriteString(lines[i] + "\n")
		}
		q = strings.Join(append([]string{q}, lines[begin:i+1]...), "\n")
		for _, row := range answer(t, engine, q) {
			out.WriteString(row + "\n")
		}
	}
	return out.String()
}

// twins returns the twins of a script.
func twins(t *testing.T, lines []string) []*Row {
	t.Helper()
	var rows []*Row
	have := map[tvilling.Identity]bool{}
	for _, line := range lines {
		if source, ok := strings.CutPrefix(line, "twin "); ok {
			r := MustTwin(t, source)
			rows = append(rows, r)
			have[r.ID()] = true
		}
	}
	for id := range have {
		if !have[tvilling.Device(id.Device)] {
			t.Fatalf("the module %s has no device", id)
		}
	}
	return rows
}

// answer returns the lines of the answer to a query.
func answer(t *testing.T, engine Engine, text string) []string {
	t.Helper()
	q, err := query.Compile(text)
	if err != nil {
		return []string{fmt.Sprintf("! %s %s", tvilling.CodeOf(err), tvilling.MessageOf(err))}
	}
	whole := pages(t, engine, text, q, query.MaxPage)
	for _, size := range []int{1, 2} {
		if diff := cmp.Diff(whole, pages(t, engine, text, q, size)); diff != "" {
			t.Errorf("%s\nin pages of %d rows (-whole +pages):\n%s", text, size, diff)
		}
	}
	return whole
}

// pages returns the rows of all pages of a size.
func pages(t *testing.T, engine Engine, text string, q *query.Query, size int) []string {
	t.Helper()
	var lines []string
	o := query.Options{Size: size}
	for {
		page, err := engine(t.Context(), q, o)
		if err != nil {
			return append(lines, fmt.Sprintf("! %s %s", tvilling.CodeOf(err), tvilling.MessageOf(err)))
		}
		var body []json.RawMessage
		if err := json.Unmarshal(page.Body, &body); err != nil {
			t.Fatalf("%s: the answer %s is not JSON: %v", text, page.Body, err)
		}
		if len(body) != page.Count || page.Count > size {
			t.Errorf("%s: a page of %d says that it has %d rows, and has %d", text, size, page.Count, len(body))
		}
		for _, b := range body {
			lines = append(lines, fmt.Sprintf("= %s", b))
		}
		if o.Continuation = page.Next; page.Next == "" {
			return lines
		}
	}
}
