package schema_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

const heartbeat = `{"Name":"Heartbeat","Payload":[]}`

func envelope(events ...string) string { return `{"Events":[` + strings.Join(events, ",") + `]}` }

func process(members string) string {
	return `{"Name":"ProcessCreate","Payload":[{"Executable":"a",` + members + `}]}`
}

func details(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"d%d":"v"`, i)
	}
	return `"ExtraDetails":{` + b.String()[1:] + `}`
}

func padded(n int) string {
	return envelope(heartbeat) + strings.Repeat(" ", n-len(envelope(heartbeat)))
}

// deep is an item that makes the message n deep.
func deep(n int) string {
	// Envelope, events, event, payload and item are open around it.
	n -= 5
	return envelope(heartbeat, process(`"X":`+strings.Repeat("[", n)+strings.Repeat("]", n)))
}

func items(n int) string {
	return `{"Name":"SystemInformation","Payload":[` + strings.Repeat(`{},`, n-1) + `{}]}`
}

func text(n int) string { return strings.Repeat("x", n) }

// TestLimits tries each limit: what is at it counts, what is above is refused
// with the limit in the reason. Refused is the whole message or one event.
func TestLimits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		at, above string
		code      tvilling.Code // of the whole message, "" if only the event is refused
		path      string
		limit     string
	}{
		{"size", padded(schema.MaxBody), padded(schema.MaxBody + 1), tvilling.TooLarge, "", "262144"},
		{"depth", deep(schema.MaxDepth), deep(schema.MaxDepth + 1), tvilling.InvalidArgument, "Events[1].Payload[0].X", "32"},
		{
			"events", envelope(strings.Split(strings.Repeat(heartbeat+"\n", schema.MaxEvents)[:schema.MaxEvents*(len(heartbeat)+1)-1], "\n")...),
			envelope(strings.Split(strings.Repeat(heartbeat+"\n", schema.MaxEvents+1)[:(schema.MaxEvents+1)*(len(heartbeat)+1)-1], "\n")...),
			tvilling.InvalidArgument, "Events", "1500",
		},
		{"items", envelope(heartbeat, items(schema.MaxItems)), envelope(heartbeat, items(schema.MaxItems+1)), "", "Events[1].Payload[8192]", "8192"},
		{"items of all events", envelope(items(8000), items(192)), envelope(items(8000), items(193)), "", "Events[1].Payload[192]", "8192"},
		{"details", envelope(heartbeat, process(details(schema.MaxDetails))), envelope(heartbeat, process(details(schema.MaxDetails+1))), "", "Events[1].Payload[0].ExtraDetails", "128"},
		{"text", envelope(heartbeat, process(`"CommandLine":"`+text(schema.MaxText)+`"`)), envelope(heartbeat, process(`"CommandLine":"`+text(schema.MaxText+1)+`"`)), "", "Events[1].Payload[0].CommandLine", "131072"},
		{"detail", envelope(heartbeat, process(`"ExtraDetails":{"d":"`+text(schema.MaxText)+`"}`)), envelope(heartbeat, process(`"ExtraDetails":{"d":"`+text(schema.MaxText+1)+`"}`)), "", "Events[1].Payload[0].ExtraDetails.d", "131072"},
		{"name of a detail", envelope(heartbeat, process(`"ExtraDetails":{"`+text(256)+`":""}`)), envelope(heartbeat, process(`"ExtraDetails":{"`+text(257)+`":""}`)), "", "Events[1].Payload[0].ExtraDetails." + text(64) + "…", "256"},
		{"name of an event", envelope(heartbeat, `{"Name":"`+text(256)+`"}`), envelope(heartbeat, `{"Name":"`+text(257)+`"}`), "", "Events[1].Name", "256"},
		{"category", envelope(heartbeat, `{"Name":"X","Category":"`+text(256)+`"}`), envelope(heartbeat, `{"Name":"X","Category":"`+text(257)+`"}`), "", "Events[1].Category", "256"},
		{"id", envelope(heartbeat, `{"Name":"X","Id":"`+text(256)+`"}`), envelope(heartbeat, `{"Name":"X","Id":"`+text(257)+`"}`), "", "Events[1].Id", "256"},
		{"agent id", `{"AgentId":"` + text(256) + `","Events":[` + heartbeat + `]}`, `{"AgentId":"` + text(257) + `","Events":[` + heartbeat + `]}`, tvilling.InvalidArgument, "AgentId", "256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := schema.Decode(message(tt.at), time.Time{})
			if err != nil || len(m.Rejects) > 0 {
				t.Fatalf("at the limit: %s", dump(m, err)[:200])
			}
			m, err = schema.Decode(message(tt.above), time.Time{})
			var path, reason string
			switch {
			case err != nil:
				if got := tvilling.CodeOf(err); got != tt.code {
					t.Fatalf("above the limit: code %s, want %q: %v", got, tt.code, err)
				}
				e, _ := err.(*tvilling.Error) //nolint:errorlint // as it is returned
				path, reason = e.Path, e.Message
			case tt.code != "" || len(m.Rejects) != 1 || len(m.Events) != 1:
				t.Fatalf("above the limit it counts: %d events, %d rejects", len(m.Events), len(m.Rejects))
			default:
				path, reason = m.Rejects[0].Path, m.Rejects[0].Reason
			}
			if path != tt.path || !strings.Contains(reason, tt.limit) || !strings.HasSuffix(strings.TrimSuffix(reason, ")."), ".") && !strings.HasSuffix(reason, ").") {
				t.Errorf("refused at %q because: %s\nwant at %q with %s", path, reason, tt.path, tt.limit)
			}
		})
	}
}

// TestHostile has messages that cannot stand in a text file.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, path, want string }{
		{"not UTF-8 in a value", envelope(process("\"CommandLine\":\"a\xff\"")), "", "The message is not UTF-8 (at byte 80)."},
		{"not UTF-8 outside", envelope(heartbeat) + "\xc3", "", "The message is not UTF-8 (at byte 46)."},
		{"surrogate in UTF-8", envelope(process("\"CommandLine\":\"\xed\xa0\x80\"")), "", "The message is not UTF-8 (at byte 79)."},
		{"NUL behind", envelope(heartbeat) + "\x00", "", "The message is not JSON: there is a control character (at byte 46)."},
		{"NUL in a string", envelope(process("\"CommandLine\":\"a\x00b\"")), "Events[0].Payload[0].CommandLine", "The message is not JSON: a string has a control character (at byte 80)."},
		{"line feed in a string", envelope(process("\"CommandLine\":\"a\nb\"")), "Events[0].Payload[0].CommandLine", "The message is not JSON: a string has a control character (at byte 80)."},
		{"vertical tab", "\v" + envelope(heartbeat), "", "The message is not JSON: there is a control character (at byte 0)."},
		{"arrays all the way", strings.Repeat("[", 200_000), "", "A security message must be a JSON object with the member Events."},
		{"objects all the way", strings.Repeat(`{"a":`, 50_000), "a", "Objects and arrays may be at most 32 deep (at byte 160)."},
		{"events all the way", `{"Events":` + strings.Repeat("[", 200_000), "Events[0]", "Objects and arrays may be at most 32 deep (at byte 41)."},
		{"half a surrogate at the end", envelope(process(`"CommandLine":"\ud83d\u"`)), "Events[0].Payload[0].CommandLine", "The message is not JSON: a string has a wrong escape (at byte 85)."},
		{"only white space", " \t\r\n", "", "The message is empty; a security message is a JSON object with the member Events."},
		{"long number", `{"Events":[` + heartbeat + `],"x":` + strings.Repeat("1", 100_000) + "x}", "", "The message is not JSON: a comma or a closing bracket is missing (at byte 100050)."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := schema.Decode(message(tt.body), time.Time{})
			if want := fmt.Sprintf("error InvalidArgument at %q: %s\n", tt.path, tt.want); dump(m, err) != want {
				t.Errorf("got  %s\nwant %s", dump(m, err), want)
			}
		})
	}
}

// TestRejectIsCut: what is kept of a refused event is bounded.
func TestRejectIsCut(t *testing.T) {
	t.Parallel()
	bad := process(`"ProcessId":"` + text(100_000) + `"`)
	m, err := schema.Decode(message(envelope(bad, heartbeat, bad)), time.Time{})
	if err != nil || len(m.Rejects) != 2 || len(m.Events) != 1 {
		t.Fatalf("got %s", dump(m, err)[:200])
	}
	for _, r := range m.Rejects {
		if string(r.Raw) != bad[:event.MaxRejectBytes] {
			t.Errorf("kept of event %d: %d bytes, want the first %d", r.Index, len(r.Raw), event.MaxRejectBytes)
		}
	}
}

// TestNothingOfTheBodyIsKept: the caller may use the body again.
func TestNothingOfTheBodyIsKept(t *testing.T) {
	t.Parallel()
	in := message(envelope(heartbeat, process(`"CommandLine":"abc\n","ExtraDetails":{"d":"e"}`), `{"Name":"Other","Payload":[1, 2]}`, "7"))
	m, err := schema.Decode(in, time.Time{})
	want := dump(m, err)
	for i := range in.Body {
		in.Body[i] = '!'
	}
	if got := dump(m, err); got != want {
		t.Errorf("with another body:\n%s\nwant\n%s", got, want)
	}
}

// TestMemory: no message makes the decoder take memory out of proportion.
func TestMemory(t *testing.T) { //nolint:paralleltest // it measures what is allocated
	fill := func(open, unit, end string) string {
		n := (schema.MaxBody - len(open) - len(end)) / len(unit)
		return open + strings.TrimSuffix(strings.Repeat(unit, n), ",") + end
	}
	for _, tt := range []struct{ name, body string }{
		{"empty items", fill(`{"Events":[{"Name":"SystemInformation","Payload":[`, `{},`, `]}]}`)},
		{"small items", fill(`{"Events":[{"Name":"ListeningPorts","Payload":[`, `{"LocalPort":1},`, `]}]}`)},
		{"small events", fill(`{"Events":[`, `{"Name":"X"},`, `]}`)},
		{"refused events", fill(`{"Events":[`+heartbeat+`,`, `1,`, `]}`)},
		{"events of refused items", fill(`{"Events":[`+heartbeat+`,`, `{"Name":"Login","Payload":[{}]},`, `]}`)},
		{"escapes", fill(`{"Events":[{"Name":"Diagnostic","Payload":[`, `{"Message":"\n"},`, `]}]}`)},
		{"details", fill(`{"Events":[{"Name":"SystemInformation","Payload":[`, `{"ExtraDetails":{"":0}},`, `]}]}`)},
		{"white space", fill(`{"Events":[`, heartbeat+strings.Repeat(" ", 200)+",", `]}`)},
	} {
		m := message(tt.body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := schema.Decode(m, time.Time{})
		runtime.ReadMemStats(&after)
		got := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d KiB allocated (%v)", tt.name, got>>10, err)
		// A message of the largest size and of the least words of an agent takes 2 MiB.
		if got > 6<<20 {
			t.Errorf("%s: %d KiB are allocated for a message of %d KiB", tt.name, got>>10, len(tt.body)>>10)
		}
	}
}
