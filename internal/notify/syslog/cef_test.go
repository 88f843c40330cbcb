package syslog_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/notify/syslog"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

var at = time.Date(2026, 2, 3, 4, 5, 6, 789000, time.UTC)

func alertEntry(t *testing.T, a *ledger.Alert) *ledger.Entry {
	t.Helper()
	body, err := ledger.EncodeAlert(a)
	if err != nil {
		t.Fatal(err)
	}
	return &ledger.Entry{Sequence: 42, Time: at, Subject: "alert", ID: a.ID, Device: a.Device, Action: "raised", Actor: "hub:detection", Body: body}
}

func TestAlert(t *testing.T) {
	e := alertEntry(t, &ledger.Alert{
		ID: "0b6c", Key: ledger.Key{Device: "pump-7", Type: "IoT_CryptoMiner", Cause: "/usr/bin/x=y"}, Title: "Crypto miner | found", Severity: ledger.High,
		Rule: "crypto-miner", Status: ledger.New, Count: 3, First: at, Last: at.Add(time.Second), Note: "look\nhere\\now",
		Evidence: []ledger.Evidence{{}, {Matched: []ledger.Match{{Field: "CommandLine", Value: "echo a=b \x1b[31m"}, {Field: "Image", Value: "/bin/sh"}}}},
	})
	want := `<35>1 2026-02-03T04:05:06.000789Z hub.example tvilling - alert [meta sequenceId="42"] ` +
		`CEF:0|Tvilling|Tvilling|1.2|IoT_CryptoMiner|Crypto miner \| found|8|rt=1770091506000 cat=alert act=raised deviceExternalId=pump-7 externalId=0b6c ` +
		`cn1Label=feedSequence cn1=42 suser=hub:detection cs1Label=status cs1=new cs2Label=rule cs2=crypto-miner cs3Label=cause cs3=/usr/bin/x\=y ` +
		`cnt=3 start=1770091506000 end=1770091507000 cs5Label=matched cs5=CommandLine: echo a\=b <U+001B>[31m; Image: /bin/sh msg=look\nhere\\now`
	want = strconv.Itoa(len(want)) + " " + want
	if got := string(syslog.AppendMessage(nil, e, "hub.example", "1.2")); got != want {
		t.Errorf("message =\n%s\nwant\n%s", got, want)
	}
}

func TestRecommendation(t *testing.T) {
	body, err := ledger.EncodeRecommendation(&ledger.Recommendation{Device: "d", Type: "IoT_OpenPorts", Severity: ledger.Medium, State: ledger.Active, Details: json.RawMessage(`{"ports":["0.0.0.0:22"]}`)})
	if err != nil {
		t.Fatal(err)
	}
	e := &ledger.Entry{Sequence: 1<<31 + 4, Subject: "recommendation", ID: "IoT_OpenPorts|d", Device: "d", Action: "active", Actor: "hub:recommendation", Body: body}
	want := `<36>1 - - tvilling - recommendation [meta sequenceId="5"] CEF:0|Tvilling|Tvilling||IoT_OpenPorts|Recommendation IoT_OpenPorts|6|` +
		`cat=recommendation act=active deviceExternalId=d externalId=IoT_OpenPorts|d cn1Label=feedSequence cn1=2147483652 suser=hub:recommendation cs1Label=status cs1=active ` +
		`cs6Label=details cs6={"ports":["0.0.0.0:22"]}`
	want = strconv.Itoa(len(want)) + " " + want
	if got := string(syslog.AppendMessage(nil, e, "", "")); got != want {
		t.Errorf("message =\n%s\nwant\n%s", got, want)
	}
}

func TestSeverities(t *testing.T) {
	for s, want := range []string{"<38>1|1|", "<37>1|3|", "<36>1|6|", "<35>1|8|"} {
		e := alertEntry(t, &ledger.Alert{Key: ledger.Key{Type: "T"}, Title: "t", Severity: ledger.Severity(s)})
		_, m, _ := strings.Cut(string(syslog.AppendMessage(nil, e, "h", "v")), " ")
		fields := strings.Split(m, "|")
		if got := m[:5] + "|" + fields[6] + "|"; got != want {
			t.Errorf("severity %d: %s, want %s", s, got, want)
		}
	}
	// A body that cannot be read is told of as something grave.
	m := string(syslog.AppendMessage(nil, &ledger.Entry{Sequence: 1, Subject: "alert", ID: "x", Body: json.RawMessage("{")}, "h", "v"))
	if !strings.Contains(m, "<35>1 ") || !strings.Contains(m, "|alert|Alert alert|8|") || !strings.Contains(m, "externalId=x") {
		t.Errorf("message = %s", m)
	}
}

func TestEscape(t *testing.T) {
	for _, c := range []struct{ in, header, value string }{
		{`a|b`, `a\|b`, `a|b`},
		{`a=b`, `a=b`, `a\=b`},
		{`a\b`, `a\\b`, `a\\b`},
		{"a\nb\r\nc\rd", "a b c d", `a\nb\nc\nd`},
		{"a\tb", "a b", "a b"},
		{"\x1b]0;x\x07", "<U+001B>]0;x<U+0007>", "<U+001B>]0;x<U+0007>"},
		{"\u009b31m\x7f", "<U+009B>31m<U+007F>", "<U+009B>31m<U+007F>"},
		{"\u202eevil\u2066", "<U+202E>evil<U+2066>", "<U+202E>evil<U+2066>"},
		{"a\u2028b\u200bc", "a<U+2028>b<U+200B>c", "a<U+2028>b<U+200B>c"},
		{"a\xffb", "a\ufffdb", "a\ufffdb"},
		{"måske 日本", "måske 日本", "måske 日本"},
		{strings.Repeat("日", 400), strings.Repeat("日", 84) + "…", strings.Repeat("日", 332) + "…"},
		{strings.Repeat("=", 1000), strings.Repeat("=", 253) + "…", strings.Repeat(`\=`, 498) + "…"},
	} {
		if got := syslog.Escape(c.in, 256, `\|`); got != c.header {
			t.Errorf("header of %.40q = %q, want %q", c.in, got, c.header)
		}
		if got := syslog.Escape(c.in, 1000, `\=`); got != c.value {
			t.Errorf("value of %.40q = %q, want %q", c.in, got, c.value)
		}
	}
}

// FuzzMessage: whatever devices send, a message is one line of bounded length
// whose members are ours alone.
func FuzzMessage(f *testing.F) {
	f.Add("IoT_X", "a title", "cause=x", "note\nmore", "hub", "d1")
	f.Add("|", `\`, "\r\n", "\x1b[2J", "a b", "=")
	f.Fuzz(func(t *testing.T, typ, title, cause, note, host, device string) {
		e := alertEntry(t, &ledger.Alert{ID: "id", Key: ledger.Key{Device: tvilling.DeviceID(device), Type: typ, Cause: cause}, Title: title, Note: note, Owner: note, Status: ledger.New})
		m := string(syslog.AppendMessage(nil, e, host, "1"))
		count, rest, _ := strings.Cut(m, " ")
		if count != strconv.Itoa(len(rest)) || len(rest) > 8<<10+512 || !utf8.ValidString(rest) {
			t.Fatalf("count %s of %d bytes, UTF-8 %t", count, len(rest), utf8.ValidString(rest))
		}
		for _, r := range rest {
			if r < ' ' || r >= 0x7f && r < 0xa0 {
				t.Fatalf("the message holds %U: %q", r, rest)
			}
		}
		// Of what is not escaped there are as many separators as we wrote.
		plain := strings.NewReplacer(`\\`, "", `\|`, "", `\=`, "").Replace(rest)
		_, event, ok := strings.Cut(plain, "] CEF:0|Tvilling|Tvilling|1|")
		if !ok || strings.Count(plain[:len(plain)-len(event)], " ") != 8 {
			t.Fatalf("header of %q", rest)
		}
		parts := strings.SplitN(event, "|", 4)
		if len(parts) != 4 || parts[2] != "1" {
			t.Fatalf("event = %q", event)
		}
		for _, field := range strings.Split(parts[3], "=")[1:] {
			if strings.Contains(field, `\`) && !strings.Contains(field, `\n`) {
				t.Fatalf("escape in %q", field)
			}
		}
	})
}
