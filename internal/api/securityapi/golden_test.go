package securityapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
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
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

var update = flag.Bool("update", false, "rewrite the expected answers in testdata")

// TestGolden plays the conversations of testdata, each with the same scene
// before it: pairs of a request and the answer it must get, byte for byte, save
// for tracking ids. The clock stands at 2000-01-01 and moves one second with
// each answer.
//
// A request is "METHOD target [as who]", the target below /tvilling/security/,
// then headers, an empty line and a body. Without who it is the policy security.
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
	if len(arc.Files) == 0 || len(arc.Files)%2 != 0 {
		t.Fatalf("%s has %d parts, want pairs of request and answer", file, len(arc.Files))
	}
	h := newHub(t)
	scene(t, h)
	for i := 0; i < len(arc.Files); i += 2 {
		q, a := arc.Files[i], &arc.Files[i+1]
		if q.Name != "request" || a.Name != "answer" {
			t.Fatalf("%s: files %d and %d are %s and %s, want request and answer", file, i, i+1, q.Name, a.Name)
		}
		got := h.play(t, q.Data)
		<-time.After(time.Second) // of the bubble
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

var trackingID = regexp.MustCompile(`(Tracking ID:|"trackingId":")[0-9a-f]{32}`)

// play sends one request and returns its answer in the form of the files.
func (h *hub) play(t *testing.T, request []byte) []byte {
	t.Helper()
	head, body, _ := strings.Cut(string(request), "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	words := strings.Fields(lines[0])
	who := "security"
	if len(words) >= 4 && words[len(words)-2] == "as" {
		who, words = words[len(words)-1], words[:len(words)-2]
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
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d %s\n", w.Code, http.StatusText(w.Code))
	for _, name := range slices.Sorted(maps.Keys(w.Header())) {
		switch name {
		case "Cache-Control", "Content-Length", "X-Content-Type-Options":
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", name, w.Header().Get(name))
	}
	if s := w.Body.String(); s != "" {
		s = strings.ReplaceAll(trackingID.ReplaceAllString(s, "${1}<id>"), "\r\n", "<CR LF>\n")
		fmt.Fprintf(&b, "\n%s\n", strings.TrimSuffix(s, "\n"))
	}
	return b.Bytes()
}

// hostile is what a device may send to do something to who looks at it.
const hostile = "<script>alert(1)</script> & \u2028\x1b[2J\u0085"

// scene is a small fleet with something of everything.
func scene(t *testing.T, h *hub) {
	t.Helper()
	for _, d := range []tvilling.DeviceID{"d1", "d2"} {
		h.Register(t, tvilling.Device(d))
	}
	item, err := json.Marshal(map[string]any{"Executable": "/bin/sh", "CommandLine": hostile})
	if err != nil {
		t.Fatal(err)
	}
	h.raise(t, &ledger.Alert{
		ID: "00000000-0000-0000-0000-00000000000a", Key: ledger.Key{Device: "d1", Type: "IoT_CryptoMiner", Cause: "/bin/" + hostile},
		Title: "Crypto miner", Severity: ledger.High, Rule: "crypto-miner", RuleVersion: "1",
		Evidence: []ledger.Evidence{{
			Sequence: 1, Event: "e1", Name: "ProcessCreate", Time: time.Now().UTC(), Received: time.Now().UTC(), RuleVersion: "1", Hits: 1,
			Matched: []ledger.Match{{Selection: "selection", Field: "CommandLine", Value: hostile, Pattern: "*script*"}}, Item: item,
		}},
	})
	<-time.After(time.Second)
	h.raise(t, &ledger.Alert{ID: "00000000-0000-0000-0000-00000000000b", Key: ledger.Key{Device: "d2", Type: "IoT_DeviceSilent"}, Title: "Device silent", Severity: ledger.Low, Rule: "device-silent", RuleVersion: "1"})
	<-time.After(time.Second)
	h.raise(t, &ledger.Alert{ID: "00000000-0000-0000-0000-00000000000c", Key: ledger.Key{Device: "d1", Type: "IoT_DeviceSilent"}, Title: "Device silent", Severity: ledger.Low, Rule: "device-silent", RuleVersion: "1"})
	h.advise(t, &ledger.Recommendation{Device: "d1", Type: "IoT_OpenPorts", Severity: ledger.Medium, Details: json.RawMessage(`{"ports":"<22>"}`)})
	h.advise(t, &ledger.Recommendation{
		Device: "d1", Type: "IoT_TwinConfiguration", Severity: ledger.Low, Module: tvilling.SecurityModule,
		Patch: json.RawMessage(`{"properties":{"desired":{"a":{"maxMessageSizeInBytes":{"value":8192}}}}}`),
	})
	h.advise(t, &ledger.Recommendation{Device: "d2", Type: "IoT_Other", Severity: ledger.Low, Patch: json.RawMessage(`{"properties":{"desired":{"b":1}}}`)})

	h.events.add("d1", "ProcessCreate", `[{"Executable":"/bin/sh","ProcessId":7,"ParentProcessId":1,"UserId":"0","CommandLine":"sh -c \"echo, <b>\"","ExtraDetails":{"Hash":"sha1:00"}},{"Executable":"=cmd","ProcessId":8,"ParentProcessId":1,"UserId":"1000","CommandLine":"x"}]`)
	h.events.add("d1", "ListeningPorts", `[{"Protocol":"tcp","LocalPort":"22","LocalAddress":"0.0.0.0","RemoteAddress":"0.0.0.0","RemotePort":"*"},{"Protocol":"tcp","LocalPort":"8080"}]`)
	h.events.add("d2", "Heartbeat", "")
	h.events.add("d2", "=HYPERLINK(\"http://evil\")", `[1,{"EventId":"forged","A":"\u202e"}]`)
	h.events.add("d2", "Login", `[{"ProcessId":1,"UserName":"root","Operation":"PAM","Executable":"/usr/sbin/sshd","RemoteAddress":"192.0.2.7","RemotePort":"4711","Result":"Fail"}]`)
	now := time.Now().UTC()
	h.events.letters = []*event.DeadLetter{
		{From: tvilling.Device("d1"), Sequence: 4, Received: now, Size: 9, Reject: event.Reject{Index: -1, Reason: "The message is not JSON.", Raw: []byte("<html>\xff")}},
		{From: tvilling.Device("d2"), Sequence: 5, Received: now, Size: 90, Reject: event.Reject{Index: 1, Path: "Events[1].Name", Reason: "The member is missing.", Raw: []byte(`{"Id":"<x>"}`)}},
		{From: tvilling.Device("d1"), Sequence: 5, Received: now, Size: 90, Reject: event.Reject{Index: 2, Path: "Events[2].Name", Reason: "The member is missing.", Raw: []byte(`{}`)}},
	}
}
