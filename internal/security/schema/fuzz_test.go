package schema_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/tools/txtar"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// FuzzDecode: whatever is sent, Decode does not panic; what it takes is JSON
// and means to encoding/json what it means here; Append writes it so that it
// is read the same; and an error says what is wrong.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/decode/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.TrimSuffix(a.Files[0].Data, []byte("\n")), a.Files[0].Name == "hub message")
	}
	for _, body := range bodies(2) {
		f.Add(body, false)
	}
	f.Add([]byte(deep(schema.MaxDepth)), false)
	f.Add([]byte(envelope(process(details(3)))), false)
	f.Fuzz(func(t *testing.T, body []byte, hub bool) {
		in := message(string(body))
		if hub {
			in.System = append(in.System, hubMade())
		}
		first, err := schema.Decode(in, time.Time{})
		if err != nil {
			if c := tvilling.CodeOf(err); c != tvilling.InvalidArgument && c != tvilling.TooLarge || tvilling.MessageOf(err) == "" {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if !json.Valid(bytes.TrimPrefix(body, []byte("\ufeff"))) {
			t.Fatalf("this is no JSON and was taken: %q", body)
		}
		if len(first.Events) == 0 {
			t.Fatal("a message without events was taken")
		}
		for i := range first.Events {
			checkEvent(t, &first.Events[i])
		}
		in.Body = schema.Append(nil, first)
		if len(in.Body) > schema.MaxBody {
			return
		}
		second, err := schema.Decode(in, time.Time{})
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, in.Body)
		}
		if again := schema.Append(nil, second); !bytes.Equal(again, in.Body) {
			t.Fatalf("written again it is different:\n%s\n%s", in.Body, again)
		}
		if d := cmp.Diff(first.Events, second.Events, cmpopts.EquateEmpty(),
			cmpopts.IgnoreFields(event.Event{}, "Payload", "Stated", "Local")); d != "" || len(second.Rejects) > 0 {
			t.Fatalf("read again it is different (-first +second):\n%s\n%v", d, second.Rejects)
		}
	})
}

// checkEvent holds an event against encoding/json and against Items.
func checkEvent(t *testing.T, e *event.Event) {
	t.Helper()
	if e.ID == "" || e.Name == "" || e.Time.IsZero() {
		t.Fatalf("an event without id, name or time: %+v", e)
	}
	var payload []any
	if err := json.Unmarshal(e.Payload, &payload); err != nil {
		t.Fatalf("payload %q: %v", e.Payload, err)
	}
	if e.Empty != (len(payload) == 0) {
		t.Fatalf("empty is %v with payload %s", e.Empty, e.Payload)
	}
	if c, err := compactJSON(e.Payload); err != nil || !bytes.Equal(c, e.Payload) {
		t.Fatalf("payload %q is not compact", e.Payload)
	}
	items, err := schema.Items(e.Kind, e.Payload)
	if err != nil {
		t.Fatalf("items of %q: %v", e.Payload, err)
	}
	if d := cmp.Diff(e.Items, items, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("items of %q (-want +got):\n%s", e.Payload, d)
	}
	for i, it := range e.Items {
		o, ok := payload[i].(map[string]any)
		if !ok {
			t.Fatalf("item %d of %q is no object", i, e.Payload)
		}
		for _, f := range []event.Field{event.Executable, event.CommandLine, event.UserName, event.RemoteAddress, event.Text} {
			want, ok := o[f.String()].(string)
			if got, has := it.Field(f); ok && has && got.Text != want {
				t.Fatalf("%s is %q, want %q", f, got.Text, want)
			}
		}
	}
}

func compactJSON(b []byte) ([]byte, error) {
	var c bytes.Buffer
	err := json.Compact(&c, b)
	return c.Bytes(), err
}
