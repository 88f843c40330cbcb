package attack_test

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/attack"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/detection"
	"github.com/tvilling/tvilling/internal/security/indicator"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/rules"
	"github.com/tvilling/tvilling/internal/security/schema"
	"github.com/tvilling/tvilling/internal/security/sigma"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

func engine(t *testing.T) *detect.Engine {
	t.Helper()
	e, err := detect.New(t.Context(), detect.Options{
		Decode: rulefile.Parse, Builtin: rules.FS, Stateful: detection.All(), Ledger: ledger.NewLedger(securitymem.New()),
		List: func(name string) (sigma.List, bool) {
			text, err := fs.ReadFile(rules.Lists(), name+".simulated.txt")
			if err != nil {
				return nil, false
			}
			set, _, err := indicator.Read(bytes.NewReader(text))
			return set, err == nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func source() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// TestEveryDetection checks that there is one attack for each detection, by
// its name and type.
func TestEveryDetection(t *testing.T) {
	all := attack.Catalogue()
	for _, v := range engine(t).List() {
		i := slices.IndexFunc(all, func(a attack.Attack) bool { return a.Detection == v.ID })
		if i < 0 {
			t.Errorf("no attack provokes %s", v.ID)
			continue
		}
		a := all[i]
		all = slices.Delete(all, i, i+1)
		if a.Type != v.Type || a.Title == "" || !strings.HasSuffix(a.Describe, ".") {
			t.Errorf("%s: type %s, want %s; title %q, description %q", a.Name, a.Type, v.Type, a.Title, a.Describe)
		}
		if found, ok := attack.Find(a.Name); !ok || found.Detection != a.Detection {
			t.Errorf("%s is not found by its name", a.Name)
		}
		if (len(a.Steps) == 0) != (a.Unavailable != "") {
			t.Errorf("%s has %d steps and is unavailable because %q", a.Name, len(a.Steps), a.Unavailable)
		}
		for _, s := range a.Steps {
			if s.Title == "" {
				t.Errorf("%s: a step says nothing", a.Name)
			}
		}
	}
	for _, a := range all {
		t.Errorf("%s is an attack without a detection", a.Name)
	}
	if _, ok := attack.Find("nothing"); ok {
		t.Error("an attack that is none was found")
	}
}

// also are detections that an attack provokes besides the one that is meant:
// before a guess is right, many were wrong.
var also = map[string][]string{"brute-force-success": {"brute-force-failed"}}

// TestProvoke sends the messages of every attack to a hub's detections as they
// are delivered: the one that is meant finds something, no other does.
func TestProvoke(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for _, a := range attack.Catalogue() {
		t.Run(a.Name, func(t *testing.T) {
			bodies := a.Messages(now, source())
			if len(bodies) == 0 {
				if a.Unavailable == "" && a.Steps[0].Kind == attack.Send {
					t.Fatal("no message")
				}
				return
			}
			e, device := engine(t), &ledger.Device{ID: "pump-7"}
			var found []string
			ids := map[string]bool{}
			for i, body := range bodies {
				m, err := schema.Decode(&tvilling.Message{From: tvilling.Identity{Device: "pump-7"}, Sequence: uint64(i + 1), Enqueued: now, Body: body}, now)
				if err != nil || len(m.Rejects) > 0 {
					t.Fatalf("%v, %+v\n%s", err, m, body)
				}
				if m.AgentVersion == "" || len(m.AgentID) != 36 || len(body) > 64<<10 || len(m.Events) < 2 {
					t.Errorf("agent %q %q, %d bytes, %d events", m.AgentID, m.AgentVersion, len(body), len(m.Events))
				}
				for _, ev := range m.Events {
					if ids[ev.ID] || len(ev.ID) != 36 {
						t.Errorf("event id %q", ev.ID)
					}
					ids[ev.ID] = true
				}
				m.Received = now
				if _, err := e.Observe(device, m, nil, device.LastSeen, func(f detect.Found) error {
					found = append(found, f.ID)
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			}
			slices.Sort(found)
			want := append([]string{a.Detection}, also[a.Name]...)
			slices.Sort(want)
			if got := slices.Compact(found); !slices.Equal(got, want) {
				t.Errorf("found by %v, want %v", got, want)
			}
			if again := a.Messages(now, source()); !slices.EqualFunc(bodies, again, bytes.Equal) {
				t.Error("the same source made other messages")
			}
		})
	}
}
