package investigate_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

var update = flag.Bool("update", false, "rewrite the expected answers in testdata")

// TestSummaries asks the questions of testdata. A file has events, one a line
// ("device name payload", a minute apart from 2026-01-01T00:01), and for each
// question its scope and the answer it must get.
func TestSummaries(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no questions: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		arc := txtar.Parse(raw)
		s := new(store)
		for line := range strings.Lines(string(arc.Files[0].Data)) {
			words := strings.SplitN(strings.TrimSpace(line), " ", 3)
			s.add(words[0], words[1], words[2])
		}
		r := investigate.NewReader(s.events)
		for i := range arc.Files[1:] {
			part := &arc.Files[1+i]
			question, scope := parseScope(t, part.Name)
			got, err := r.Summary(t.Context(), question, scope, never)
			if err != nil {
				t.Fatalf("%s: %v", part.Name, err)
			}
			text := indent(t, got)
			if *update {
				part.Data = text
			} else if diff := cmp.Diff(string(part.Data), string(text)); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", file, part.Name, diff)
			}
		}
		if *update {
			if err := os.WriteFile(file, txtar.Format(arc), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// parseScope reads "ports device=d1 from=3 to=9 maxPort=80", times in minutes.
func parseScope(t *testing.T, s string) (investigate.Question, investigate.Scope) {
	t.Helper()
	var scope investigate.Scope
	words := strings.Fields(s)
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		var n int64
		if name != "device" {
			if _, err := fmt.Sscan(value, &n); err != nil {
				t.Fatal(err)
			}
		}
		at := begin.Add(time.Duration(n) * time.Minute)
		switch name {
		case "device":
			scope.Device = tvilling.DeviceID(value)
		case "from":
			scope.From = at
		case "to":
			scope.To = at
		case "maxPort":
			scope.MaxPort = n
		}
	}
	return investigate.Question(words[0]), scope
}

// indent writes an answer with a line per group.
func indent(t *testing.T, s *investigate.Summary) []byte {
	t.Helper()
	groups, err := json.Marshal(s.Groups)
	if err != nil {
		t.Fatal(err)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(groups, &list); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "events %d, shed %d, damaged %d, complete %t\n", s.Events, s.Shed, s.Damaged, s.Complete)
	for _, g := range list {
		b.Write(g)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// process is the payload of a ProcessCreate.
func process(executable, line string) string {
	b, err := json.Marshal([]map[string]any{{"Executable": executable, "CommandLine": line, "ProcessId": 1, "ParentProcessId": 1, "UserId": "0"}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestBounds: neither many groups, nor many values, nor long ones make a
// summary large, and what is left out is counted.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := new(store)
	const programs = investigate.MaxGroups + 7
	for i := range programs {
		s.add("d", "ProcessCreate", process(fmt.Sprintf("/bin/%d", i), "x"))
	}
	for i := range 40 {
		s.add(fmt.Sprintf("e%d", i), "ProcessCreate", process("/bin/0", strings.Repeat("y", 2*investigate.MaxValue)+fmt.Sprint(i)))
	}
	got, err := investigate.NewReader(s.events).Summary(t.Context(), investigate.Processes, investigate.Scope{}, never)
	if err != nil {
		t.Fatal(err)
	}
	groups, ok := got.Groups.([]*investigate.ProcessGroup)
	if !ok || len(groups) != investigate.MaxGroups || got.Shed != 7 || !got.Complete {
		t.Fatalf("got %d groups of %T, %d shed", len(groups), got.Groups, got.Shed)
	}
	first := groups[0]
	if first.Executable != "/bin/0" || first.Count != 41 || len(first.CommandLines.Values) != investigate.MaxValues || first.CommandLines.More != 41-investigate.MaxValues {
		t.Errorf("got %s: count %d, %d values, %d more", first.Executable, first.Count, len(first.CommandLines.Values), first.CommandLines.More)
	}
	if first.Devices.More != 41-investigate.MaxValues {
		t.Errorf("got %d more devices", first.Devices.More)
	}
	seen := map[string]bool{}
	for _, v := range first.CommandLines.Values {
		if len(v) > investigate.MaxValue+64 || seen[v] {
			t.Errorf("the value %q is long, or there twice", v)
		}
		seen[v] = true
	}
}

// TestMemory: long and different text in every place stays within the bound.
func TestMemory(t *testing.T) {
	t.Parallel()
	s := new(store)
	long := strings.Repeat("z", investigate.MaxValue-8)
	for i := range 800 {
		for j := range 20 {
			s.add(fmt.Sprintf("d%d", j), "ProcessCreate", process(fmt.Sprintf("%s%d", long, i), fmt.Sprintf("%s%d", long, i*100+j)))
		}
	}
	got, err := investigate.NewReader(s.events).Summary(t.Context(), investigate.Processes, investigate.Scope{}, never)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 10<<20 {
		t.Errorf("an answer of %d bytes", len(b))
	}
	var counted int64
	for _, g := range got.Groups.([]*investigate.ProcessGroup) {
		counted += g.Count
	}
	if counted+got.Shed != 800*20 {
		t.Errorf("%d counted and %d shed of %d", counted, got.Shed, 800*20)
	}
}

// TestEarlyEnd: a summary whose time is over says how far it came.
func TestEarlyEnd(t *testing.T) {
	t.Parallel()
	s := new(store)
	for range 5 {
		s.add("d", "OSBaseline", `[{"CceId":"c","Description":"d","Result":"Fail","Error":"e","Severity":"Warning"}]`)
	}
	n := 0
	got, err := investigate.NewReader(s.events).Summary(t.Context(), investigate.Baseline, investigate.Scope{}, func() bool { n++; return n == 3 })
	if err != nil {
		t.Fatal(err)
	}
	if got.Complete || got.Events != 3 || !got.Through.Equal(s.list[2].Received) {
		t.Errorf("got %+v", got)
	}
	// The accounts come first: when they take all the time, no process is read.
	s.add("d", "LocalUsers", `[{"UserId":"0","UserName":"root","GroupIds":"0","GroupNames":"root"}]`)
	s.add("d", "ProcessCreate", process("/bin/sh", "x"))
	got, err = investigate.NewReader(s.events).Summary(t.Context(), investigate.Processes, investigate.Scope{}, func() bool { return true })
	if err != nil || got.Complete || got.Events != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDamage(t *testing.T) {
	t.Parallel()
	s := new(store)
	s.add("d", "Login", `[{"ProcessId":1,"UserName":"u","Operation":"o","Executable":"e","RemoteAddress":"192.0.2.1","Result":"Fail"}]`)
	s.add("d", "Login", `not json`)
	s.add("d", "Login", `[]`)
	s.fail = map[uint64]error{3: damaged()}
	r := investigate.NewReader(s.events)
	got, err := r.Summary(t.Context(), investigate.Logins, investigate.Scope{}, never)
	if err != nil || got.Damaged != 2 || got.Events != 1 || !got.Complete {
		t.Errorf("got %+v, %v", got, err)
	}
	w, err := investigate.ParseWhere([]string{"UserName = u"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Page(t.Context(), event.Query{}, w, 10, never)
	if err != nil || len(p.Events) != 1 || p.Damaged != 2 || p.Next != nil {
		t.Errorf("got %+v, %v", p, err)
	}
	broken := errors.New("broken")
	s.fail[3] = broken
	if _, err := r.Summary(t.Context(), investigate.Logins, investigate.Scope{}, never); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Page(t.Context(), event.Query{}, nil, 10, never); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Summary(t.Context(), "weather", investigate.Scope{}, never); tvilling.CodeOf(err) != tvilling.NotFound {
		t.Errorf("got %v", err)
	}
}
