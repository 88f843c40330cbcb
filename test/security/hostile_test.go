package security_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// letters returns the reasons of a device's dead letters, oldest first.
func (w *world) letters(d tvilling.DeviceID) (list []*client.DeadLetter) {
	w.Helper()
	for l, err := range w.owner.DeadLetters(w.ctx, d, client.Paging{}) {
		if err != nil {
			w.Fatalf("dead letters of %s: %v", d, err)
		}
		list = append(list, l)
	}
	slices.Reverse(list)
	return list
}

func (w *world) eventsOf(f client.EventFilter) (list []*client.Event) {
	w.Helper()
	for e, err := range w.owner.Events(w.ctx, f, client.Paging{}, false) {
		if err != nil {
			w.Fatalf("events: %v", err)
		}
		list = append(list, e)
	}
	return list
}

// TestMessagesThatCannotBeRead: each is acknowledged, is a dead letter of its
// device with the reason, and keeps nobody else's messages from being read.
func TestMessagesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	a := w.register("hostile")
	good := event(id(1), "ProcessCreate", time.Now(), process("/bin/ls", "ls"))
	tests := []struct {
		name string
		body []byte
		// want is in the reason.
		want string
	}{
		{"empty", nil, "empty"},
		{"no JSON", []byte("not JSON"), "JSON"},
		{"cut", message(good)[:200], "JSON"},
		{"a list", []byte(`[]`), "object"},
		{"no events", []byte(`{}`), "Events"},
		{"an empty list of events", message(), "one event"},
		{"deep", []byte(`{"Events":` + strings.Repeat("[", 100_000)), "32 deep"},
		{"deep and closed", message(strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)), "32 deep"},
		{"deep in what nobody reads", []byte(`{"x":` + strings.Repeat("[", 120_000) + strings.Repeat("]", 120_000) + `,"Events":[` + good + `]}`), "32 deep"},
		{"bad UTF-8", bytes.Replace(message(good), []byte("/bin/ls"), []byte("/bin/\xff\xfe"), 1), "UTF-8"},
		{"many events", message(strings.Repeat(`{},`, 60_000) + `{}`), "1500"},
		{"many items", message(event(id(2), "ProcessCreate", time.Now(), strings.Repeat(`{"Executable":"a"},`, 9000)+`{"Executable":"a"}`)), "8192"},
		{"large, of nothing", []byte(`{"Events":[` + strings.Repeat(" ", 262_000)), "JSON"},
		{"two documents", append(message(good), message(good)...), "JSON"},
	}
	for _, test := range tests {
		a.send(test.body)
	}
	w.settle()
	got := w.letters("hostile")
	for _, l := range got {
		if l.Reason == "" || l.Device != "hostile" || l.Received.IsZero() || len(l.Text)+len(l.Data) > 32<<10 {
			t.Errorf("a dead letter is %+v", l)
		}
	}
	refused := map[uint64]string{}
	for _, l := range got {
		refused[l.Sequence] += l.Reason
	}
	for i, test := range tests {
		if got := refused[uint64(i+1)]; got == "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: the reason is %q, want one with %q", test.name, got, test.want)
		}
	}
	// One byte more than a message may have is not taken, and says why nowhere
	// but to its sender: its connection ends.
	if err := a.try(bytes.Repeat([]byte("x"), 262_145)); err == nil {
		t.Error("a message of 262145 bytes is taken")
	}
	a = w.connect("hostile")
	a.sees(event(id(3), "ProcessCreate", time.Now(), process("/bin/sh", miner)))
	w.raised("hostile", "IoT_CryptoMiner")
	if err := w.owner.Ready(w.ctx); err != nil {
		t.Errorf("the hub is not ready: %v", err)
	}
}

// TestHarmfulTexts: command lines made to hurt regular expressions cost no
// more than others; escape sequences, markup and formulas come out of every
// output as data.
func TestHarmfulTexts(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	a := w.register("texts")
	texts := []string{
		"<script>alert('x')</script> & \"quoted\"", "\x1b]0;owned\x07\x1b[2J\x1b[31mred", "line\r\nX-Injected: 1\n\n<!--", "\u2028\u2029\u202egnp.exe", "nul\x00byte",
		"=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(1)", "\t=1", "a,b;c\"d", "%s%n%x{{7*7}}${jndi:ldap://x}", "'; DROP TABLE events; --", strings.Repeat("é", 1000),
	}
	var events []string
	for i, s := range texts {
		events = append(events, event(id(100+i), "ProcessCreate", time.Now(), process(s, s)))
	}
	a.sees(events...)
	// An alert that carries one as its cause and evidence.
	nasty := "/tmp/<b>\x1b[31m\u202e\"'&\r\n"
	a.sees(event(id(200), "ProcessCreate", time.Now(), process(nasty, miner)))
	hurts := map[string]string{
		"a": strings.Repeat("a", 120_000), "quotes": strings.Repeat(`"`, 60_000), "backslashes": strings.Repeat(`\\`, 30_000),
		"nested": "sh -c " + strings.Repeat(`"sh -c \"`, 10_000), "substitution": strings.Repeat("$(", 40_000), "pipes": strings.Repeat("a|", 60_000),
		"dots": "curl " + strings.Repeat(strings.Repeat("a.", 20)+" ", 2500), "base64": "echo " + strings.Repeat("YWFh", 25_000) + "|base64 -d|sh",
		"almost": strings.Repeat("bash -i >& /dev/tc", 6000), "spaces": "nc" + strings.Repeat(" ", 120_000) + "-e", "braces": strings.Repeat("{a,", 40_000),
	}
	n := 300
	for _, line := range hurts {
		n++
		a.sees(event(id(n), "ProcessCreate", time.Now(), process("/bin/x", line)))
	}
	w.settle()
	if got := w.eventsOf(client.EventFilter{Device: "texts"}); len(got) != len(texts)+1+len(hurts) {
		t.Errorf("%d events are kept, want %d", len(got), len(texts)+1+len(hurts))
	}

	w.wantEscaped(texts)
	for _, alert := range w.alertsOf("texts") {
		plain(t, "alert", alert.Raw)
		explained, err := w.owner.ExplainAlert(w.ctx, alert.ID)
		if err != nil {
			t.Fatal(err)
		}
		plain(t, "explanation", explained.Raw)
		for _, s := range explained.Sentences {
			for _, r := range s {
				if r < ' ' || r == 0x7f || r == '\u202e' {
					t.Errorf("a sentence has the control character %U: %q", r, s)
				}
			}
		}
	}
	if a := w.alertsOf("texts"); !slices.ContainsFunc(a, func(a *client.Alert) bool { return a.Type == "IoT_CryptoMiner" }) {
		t.Errorf("the miner is not found: %v", w.alerts("texts"))
	}
	for e, err := range w.owner.Feed(w.ctx, client.StreamOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		plain(t, "feed", e.Raw)
	}
}

// plain fails if JSON has a character in it that a terminal, a log or a page
// could take for something else.
func plain(t *testing.T, what string, raw []byte) {
	t.Helper()
	if !utf8.Valid(raw) || !json.Valid(raw) {
		t.Errorf("%s is no JSON: %.200q", what, raw)
	}
	for _, c := range raw {
		if c < ' ' || c == 0x7f || c == '<' || c == '>' {
			t.Errorf("%s has %q unescaped: %.300q", what, c, raw)
			return
		}
	}
	if bytes.Contains(raw, []byte("\u2028")) || bytes.Contains(raw, []byte("\u202e")) {
		t.Logf("%s has a separator or direction mark: %.200q", what, raw)
	}
}

// wantEscaped reads the texts back from every form that events come in.
func (w *world) wantEscaped(texts []string) {
	w.Helper()
	for _, e := range w.eventsOf(client.EventFilter{Device: "texts"}) {
		plain(w.T, "event", e.Raw)
	}
	var lines, table bytes.Buffer
	if _, err := w.owner.ExportEvents(w.ctx, client.EventFilter{Device: "texts"}, client.JSONLines, &lines); err != nil {
		w.Fatal(err)
	}
	for line := range bytes.Lines(lines.Bytes()) {
		plain(w.T, "exported line", bytes.TrimSuffix(line, []byte("\n")))
	}
	if _, err := w.owner.ExportEvents(w.ctx, client.EventFilter{Device: "texts"}, client.CSV, &table); err != nil {
		w.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(table.Bytes())).ReadAll()
	if err != nil {
		w.Fatalf("the table cannot be read: %v", err)
	}
	for _, row := range rows[1:] {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				w.Errorf("a cell begins as a formula does: %.100q", cell)
			}
			if strings.ContainsAny(cell, "\x1b\x07\x00") {
				w.Errorf("a cell has control characters: %.100q", cell)
			}
		}
	}
	// What was sent is what is there: nothing was changed on its way.
	var got []string
	for _, e := range w.eventsOf(client.EventFilter{Device: "texts"})[:len(texts)] {
		var items []struct{ CommandLine string }
		if err := json.Unmarshal(e.Payload, &items); err != nil || len(items) != 1 {
			w.Errorf("the payload is %s: %v", e.Payload, err)
			continue
		}
		got = append(got, items[0].CommandLine)
	}
	if !slices.Equal(got, texts) {
		w.Errorf("texts are %.100q, want %.100q", got, texts)
	}
}

// TestUnknownEvents are kept as they came, and can be found.
func TestUnknownEvents(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	a := w.register("d1")
	a.sees(event(id(1), "QuantumFlux", time.Now(), `{"Level":7,"Nested":{"a":[1,2]},"Text":"<i>"}`), event(id(2), "Heartbeat", time.Now()))
	w.settle()
	got := w.eventsOf(client.EventFilter{Device: "d1", Names: []string{"QuantumFlux"}})
	if len(got) != 1 || got[0].ID != id(1) || !strings.Contains(string(got[0].Payload), `"Nested":{"a":[1,2]}`) {
		t.Fatalf("unknown events are %+v", got)
	}
	plain(t, "event", got[0].Raw)
	if got := w.eventsOf(client.EventFilter{Device: "d1"}); len(got) != 2 || got[1].Name != "Heartbeat" || !got[1].Empty {
		t.Errorf("events are %+v", got)
	}
	if got := w.letters("d1"); len(got) > 0 {
		t.Errorf("dead letters are %+v", got[0])
	}
	w.wantAlerts("d1")
	w.is("d1", "healthy")
}

// TestClocksAndOrder: a clock that is wrong by years does not hide an attack,
// and what comes twice or late counts once.
func TestClocksAndOrder(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	now := time.Now()
	for name, at := range map[tvilling.DeviceID]time.Time{"past": now.AddDate(-20, 0, 0), "future": now.AddDate(30, 0, 0), "epoch": time.Unix(0, 0), "far": time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)} {
		a := w.register(name)
		a.sees(event(id(1), "ProcessCreate", at, process("/bin/sh", miner)))
		alert := w.raised(name, "IoT_CryptoMiner")
		if d := alert.Last.Sub(now); d < -time.Hour || d > time.Hour {
			t.Errorf("%s: the alert is of %v", name, alert.Last)
		}
		got := w.eventsOf(client.EventFilter{Device: name, From: now.Add(-time.Hour)})
		if len(got) != 1 || got[0].Stated.Unix() != at.Unix() {
			t.Errorf("%s: events of the last hour are %+v; want the one, with the time that was stated", name, got)
		}
	}
	a := w.register("order")
	attack := event(id(10), "ProcessCreate", now.Add(-2*time.Minute), process("/bin/sh", miner))
	a.sees(event(id(11), "ProcessCreate", now, process("/bin/ls", "ls")))
	a.sees(attack)
	a.sees(attack)
	a.sees(attack, attack)
	// The same once more, by the device itself: it is the same device's event.
	w.restart()
	a = w.connect("order")
	a.sees(attack)
	w.settle()
	w.wantAlerts("order", "IoT_CryptoMiner×1")
	if got := w.eventsOf(client.EventFilter{Device: "order"}); len(got) != 2 {
		t.Errorf("%d events are kept, want 2", len(got))
	}
	// Another device's event of the same id is another event.
	b := w.register("other")
	b.sees(attack)
	w.settle()
	w.wantAlerts("other", "IoT_CryptoMiner×1")
	// Guesses that come in any order are an attack all the same.
	c := w.register("guessed")
	for i := range 12 {
		late := now.Add(-time.Duration(i*7%12) * 10 * time.Second)
		c.sees(event(id(50+i), "Login", late, `{"ProcessId":9,"UserName":"root","Operation":"PAM:authentication","Executable":"/usr/sbin/sshd","RemoteAddress":"198.51.100.9","Result":"Fail"}`))
	}
	w.settle()
	w.wantAlerts("guessed", "IoT_Bruteforce_Fail×12")
}

// TestFloodIsBounded: a device that floods the hub with attacks of ever new
// causes, large texts and dead letters costs it no memory that stays, and does
// not hide the attack on another.
func TestFloodIsBounded(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	a := w.register("flood")
	before := heap()
	n := 1000
	for m := range 40 {
		var events []string
		for range 100 {
			n++
			events = append(events, event(id(n), "ProcessCreate", time.Now(), process(fmt.Sprintf("/tmp/%d-%s", n, strings.Repeat("x", 500)), miner)))
		}
		a.sees(events...)
		a.send(bytes.Repeat([]byte{'{', byte(m)}, 100_000))
	}
	b := w.register("victim")
	b.sees(event(id(1), "ProcessCreate", time.Now(), process("/bin/sh", reverseShell)))
	w.raised("victim", "IoT_ReverseShell")
	w.settle()
	list := w.alertsOf("flood")
	var count int64
	for _, alert := range list {
		count += alert.Count
	}
	if len(list) > 210 || count != 4000 {
		t.Errorf("%d alerts count %d; want about 200 that count 4000", len(list), count)
	}
	if got := len(w.letters("flood")); got != 40 {
		t.Errorf("%d dead letters, want 40", got)
	}
	const most = 96 << 20
	if grown := int64(heap()) - int64(before); grown > most {
		t.Errorf("the heap has grown by %d bytes, at most %d are allowed", grown, most)
	}
}

// heap is what is in use once the garbage is gone; other tests of this program
// have their part in it, so that it bounds, and does not measure.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
