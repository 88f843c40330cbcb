package hubapi_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/message"
)

var update = flag.Bool("update", false, "rewrite the expected answers in testdata")

// TestGolden plays the conversations of testdata. Each file is one hub's life:
// pairs of a request and the answer it must get, byte for byte, save for what
// is random (keys and tracking ids). The clock stands at 2000-01-01, so times,
// generations and etags are exact. The first line of a file names the source of
// what it demands.
//
// A request is "METHOD target [as who]", headers, an empty line and a body;
// who is a policy, a device or a module, and nobody without it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playGolden(t, file) })
		})
	}
}

func playGolden(t *testing.T, file string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	arc := txtar.Parse(raw)
	if !strings.HasPrefix(string(arc.Comment), "Source: ") {
		t.Fatalf("%s does not begin with its source", file)
	}
	h := newHub(t)
	h.messages.add(message.Telemetry, telemetrySamples()...)
	h.messages.add(message.Security, securitySamples()...)
	vars := map[string]string{}
	for i := 0; i+1 < len(arc.Files); i += 2 {
		q, a := arc.Files[i], &arc.Files[i+1]
		if q.Name != "request" || a.Name != "answer" {
			t.Fatalf("%s: files %d and %d are %s and %s, want request and answer", file, i, i+1, q.Name, a.Name)
		}
		got := h.play(t, q.Data, vars)
		<-time.After(time.Second) // of the bubble: the next answer has a later time
		if *update {
			a.Data = got
			continue
		}
		if diff := cmp.Diff(string(a.Data), string(got)); diff != "" {
			t.Errorf("%s, request %d (-want +got):\n%s\n%s", file, i/2+1, q.Data, diff)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(arc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// play sends one request and returns its answer in the form of the files.
// "{continuation}" in the request stands for that of the last answer.
func (h *hub) play(t *testing.T, request []byte, vars map[string]string) []byte {
	t.Helper()
	text := string(request)
	for name, value := range vars {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	words := strings.Fields(lines[0])
	who := ""
	if len(words) == 4 && words[2] == "as" {
		who, words = words[3], words[:2]
	}
	if len(words) != 2 {
		t.Fatalf("malformed request line %q", lines[0])
	}
	var header []string
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("malformed header %q", line)
		}
		header = append(header, name, value)
	}
	w := h.do(t, who, words[0], words[1], strings.TrimSuffix(body, "\n"), header...)
	vars["continuation"] = w.Header().Get("X-Ms-Continuation")

	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %s\n", w.Code, http.StatusText(w.Code))
	for _, name := range slices.Sorted(keys(w.Header())) {
		if name == "Cache-Control" || name == "Content-Length" {
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", name, mask(w.Header().Get(name)))
	}
	if s := mask(w.Body.String()); s != "" {
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSuffix(s, "\n"))
	}
	return b.Bytes()
}

func keys(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range h {
			if !yield(name) {
				return
			}
		}
	}
}

var (
	randomKey = regexp.MustCompile(`(Key":")[A-Za-z0-9+/]{43}=`)
	randomID  = regexp.MustCompile(`[0-9a-f]{32}-G:`)
	streamID  = regexp.MustCompile(`("trackingId":")[0-9a-f]{32}"`)
)

// mask hides what is random.
func mask(s string) string {
	s = randomKey.ReplaceAllString(s, "${1}<a new key>")
	s = streamID.ReplaceAllString(s, `${1}<id>"`)
	return randomID.ReplaceAllString(s, "<id>-G:")
}

func telemetrySamples() []*tvilling.Message {
	at := time.Date(2024, 1, 2, 3, 4, 5, 600, time.UTC)
	return []*tvilling.Message{
		{
			From: tvilling.Identity{Device: "d1"}, Enqueued: at,
			System:     []tvilling.Property{{Name: "message-id", Value: "m1"}, {Name: "content-type", Value: "application/json"}},
			Properties: []tvilling.Property{{Name: "alert", Value: "true"}, {Name: "bare", Null: true}, {Name: "empty"}},
			Body:       []byte("{\n \"t\": 1 }"),
		},
		{From: tvilling.Identity{Device: "d1", Module: "m1"}, Enqueued: at, Body: []byte("not json \xff")},
		{
			From: tvilling.Identity{Device: "d2"}, Enqueued: at,
			Properties: []tvilling.Property{{Name: "k", Value: "1"}, {Name: "other", Value: "\"quoted\"\n"}, {Name: "k", Value: "2"}, {Name: "k", Null: true}},
		},
	}
}

func securitySamples() []*tvilling.Message {
	return []*tvilling.Message{{
		From: tvilling.Identity{Device: "d1", Module: "azureiotsecurity"}, Enqueued: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC),
		System: []tvilling.Property{{Name: "iothub-interface-id", Value: tvilling.SecurityInterface}},
		Body:   []byte(`{"AgentVersion":"0.0.5","Events":[]}`),
	}}
}

// TestGoldenSources holds the files to their form: an even number of parts.
func TestGoldenSources(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		arc := txtar.Parse(raw)
		if len(arc.Files) == 0 || len(arc.Files)%2 != 0 {
			t.Errorf("%s has %d parts, want pairs of request and answer", file, len(arc.Files))
		}
		s := bufio.NewScanner(bytes.NewReader(arc.Comment))
		if !s.Scan() || !strings.HasPrefix(s.Text(), "Source: ") {
			t.Errorf("%s does not begin with its source", file)
		}
	}
}
