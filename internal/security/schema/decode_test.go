package schema_test

import (
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
	"github.com/tvilling/tvilling/internal/security/schema"
)

var update = flag.Bool("update", false, "write what was got into testdata")

// received is when the hub takes the messages of the tests.
var received = time.Date(2020, 3, 1, 10, 2, 0, 0, time.UTC)

func device() tvilling.Identity {
	return tvilling.Identity{Device: "pump-7", Module: tvilling.SecurityModule}
}

// message is a security message of a device as the hub stores it.
func message(body string, system ...tvilling.Property) *tvilling.Message {
	return &tvilling.Message{
		From: device(), Sequence: 42, Enqueued: received, Body: []byte(body),
		System: append([]tvilling.Property{{Name: "iothub-interface-id", Value: tvilling.SecurityInterface}}, system...),
	}
}

func hubMade() tvilling.Property {
	return tvilling.Property{Name: schema.Source, Value: schema.SourceHub}
}

// TestDecode reads the cases of testdata/decode. Each is a text file with the
// files "message" (or "hub message", for one that the hub made) and "want".
func TestDecode(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/decode/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil || len(a.Files) != 2 {
				t.Fatalf("%s: want two files in it: %v", file, err)
			}
			var m *tvilling.Message
			body := strings.TrimSuffix(string(a.Files[0].Data), "\n")
			switch a.Files[0].Name {
			case "message":
				m = message(body)
			case "hub message":
				m = message(body, hubMade())
			default:
				t.Fatalf("%s: there is no message", file)
			}
			got := dump(schema.Decode(m, time.Time{}))
			if *update {
				a.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(a.Files[1].Data), got); d != "" {
				t.Errorf("%s (-want +got):\n%s", strings.TrimSpace(string(a.Comment)), d)
			}
		})
	}
}

// dump writes what was decoded, or the error, as text.
func dump(m *event.Message, err error) string {
	if err != nil {
		e, ok := errors.AsType[*tvilling.Error](err)
		if !ok {
			return "another error: " + err.Error() + "\n"
		}
		return fmt.Sprintf("error %s at %q: %s\n", e.Code, e.Path, e.Message)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "agent %q version %q", m.AgentID, m.AgentVersion)
	if m.Hub {
		b.WriteString(" hub")
	}
	b.WriteString("\n")
	for i := range m.Events {
		e := &m.Events[i]
		fmt.Fprintf(&b, "\nevent %s\n", e.ID)
		fmt.Fprintf(&b, "  %q kind %q type %q category %q\n", e.Name, e.Kind, e.Type, e.Category)
		fmt.Fprintf(&b, "  time %s stated %s local %q\n", e.Time.Format(time.RFC3339Nano), e.Stated.Format(time.RFC3339Nano), e.Local)
		if e.Empty {
			b.WriteString("  empty\n")
		}
		for _, it := range e.Items {
			b.WriteString("  item")
			for f := event.NoField + 1; f < event.Fields; f++ {
				v, ok := it.Field(f)
				switch {
				case ok && v.IsNumber:
					fmt.Fprintf(&b, " %s=%s", f, v.Text)
				case ok:
					fmt.Fprintf(&b, " %s=%q", f, v.Text)
				}
			}
			for _, d := range it.Details() {
				fmt.Fprintf(&b, " ExtraDetails.%s=%q", d.Name, d.Value)
			}
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "  payload %s\n", e.Payload)
	}
	for _, r := range m.Rejects {
		fmt.Fprintf(&b, "\nreject %d at %q: %s\n  raw %s\n", r.Index, r.Path, r.Reason, r.Raw)
	}
	return b.String()
}
