package mend_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/mend"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

const typ = "IoT_TwinConfiguration"

var module = tvilling.Identity{Device: "d1", Module: tvilling.SecurityModule}

// world is a hub with device d1, whose security twin has desired properties.
type world struct {
	*hubtest.Core
	ledger *ledger.Ledger
	mend   *mend.Service
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Core: hubtest.New(t), ledger: ledger.NewLedger(securitymem.New())}
	w.mend = mend.New(w.ledger.Store(), w.Twins)
	w.Register(t, tvilling.Device("d1"))
	w.set(t, module, `{"interval":60,"limits":{"size":"big","rate":5},"old":true}`)
	return w
}

// set changes the desired properties of a twin.
func (w *world) set(t *testing.T, id tvilling.Identity, desired string) twin.View {
	t.Helper()
	v, err := w.Twins.Patch(t.Context(), id, twin.Update{Desired: hubtest.Patch(t, doc.Desired, desired)}, tvilling.Match{}, "policy:service")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// advise stores a recommendation for d1.
func (w *world) advise(t *testing.T, r ledger.Recommendation) {
	t.Helper()
	r.Device, r.Type = "d1", typ
	err := w.ledger.Do(t.Context(), func(tx *ledger.Tx) error {
		r.Discovered = tx.Now()
		return tx.PutRecommendation(&r, "active", "hub:recommend")
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) desired(t *testing.T, id tvilling.Identity) string {
	t.Helper()
	v, err := w.Twins.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return string(v.Desired.AppendJSON(nil, doc.Form{}))
}

func patch(desired string) json.RawMessage {
	return json.RawMessage(`{"properties":{"desired":` + desired + `}}`)
}

// TestPreviewAndApply: what the preview says is what comes of it, for every
// kind of change, and the journal names who did it.
func TestPreviewAndApply(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		patch string
		want  []mend.Change
		after string
	}{
		"changed, added and removed": {
			`{"interval":30,"limits":{"rate":null,"burst":9},"old":null,"new":"x"}`,
			[]mend.Change{
				{Path: []string{"interval"}, Before: "60", After: "30"},
				{Path: []string{"limits", "burst"}, After: "9"},
				{Path: []string{"limits", "rate"}, Before: "5"},
				{Path: []string{"new"}, After: `"x"`},
				{Path: []string{"old"}, Before: "true"},
			},
			`{"interval":30,"limits":{"size":"big","burst":9},"new":"x"}`,
		},
		"as it is already": {`{"interval":60,"limits":{"size":"big"}}`, nil, `{"interval":60,"limits":{"size":"big","rate":5},"old":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.advise(t, ledger.Recommendation{State: ledger.Active, Module: tvilling.SecurityModule, Patch: patch(tt.patch)})
			before := w.desired(t, module)
			p, err := w.mend.Preview(t.Context(), "d1", typ)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(p.Changes, func(a, b mend.Change) int { return slices.Compare(a.Path, b.Path) })
			if d := cmp.Diff(tt.want, p.Changes); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			if p.Target != module || p.Recommendation.Type != typ {
				t.Errorf("the preview is of %s for %v", p.Recommendation.Type, p.Target)
			}
			if got := w.desired(t, module); got != before {
				t.Errorf("the preview changed the twin to %s", got)
			}
			v, err := w.mend.Apply(t.Context(), "d1", typ, tvilling.Match{Given: true, Tag: p.ETag}, "user:anna")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(members(t, tt.after), members(t, w.desired(t, module))); d != "" {
				t.Errorf("desired properties (-want +got):\n%s", d)
			}
			if v.ETag() == p.ETag {
				t.Errorf("the twin kept its etag %s", p.ETag)
			}
			var actors []string
			for r, err := range w.Journal.Read(t.Context(), 0, false) {
				if err != nil {
					t.Fatal(err)
				}
				actors = append(actors, r.Actor)
			}
			if actors[len(actors)-1] != "user:anna" {
				t.Errorf("the journal says that it was %v", actors)
			}
		})
	}
}

// members decodes an object, without what the hub adds to it.
func members(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRefusals has everything that is in the way of a patch, for the preview
// and for applying it. The twin stays as it is.
func TestRefusals(t *testing.T) {
	t.Parallel()
	good := patch(`{"interval":30}`)
	for name, tt := range map[string]struct {
		advice *ledger.Recommendation
		match  tvilling.Match
		// preview is "" if only applying is refused.
		preview, apply tvilling.Code
		says           string
	}{
		"none":           {nil, tvilling.Match{}, tvilling.NotFound, tvilling.NotFound, "no such recommendation"},
		"resolved":       {&ledger.Recommendation{State: ledger.Mended, Module: tvilling.SecurityModule, Patch: good}, tvilling.Match{}, tvilling.PreconditionFailed, tvilling.PreconditionFailed, "nothing to apply"},
		"no patch":       {&ledger.Recommendation{State: ledger.Active}, tvilling.Match{}, tvilling.Unsupported, tvilling.Unsupported, "by hand"},
		"not an object":  {&ledger.Recommendation{State: ledger.Active, Module: tvilling.SecurityModule, Patch: patch(`7`)}, tvilling.Match{}, tvilling.Internal, tvilling.Internal, "not one"},
		"not JSON":       {&ledger.Recommendation{State: ledger.Active, Module: tvilling.SecurityModule, Patch: json.RawMessage(`"x"`)}, tvilling.Match{}, tvilling.Internal, tvilling.Internal, "not one"},
		"no desired":     {&ledger.Recommendation{State: ledger.Active, Module: tvilling.SecurityModule, Patch: json.RawMessage(`{"tags":{}}`)}, tvilling.Match{}, tvilling.Internal, tvilling.Internal, "not one"},
		"twin of nobody": {&ledger.Recommendation{State: ledger.Active, Module: "gone", Patch: good}, tvilling.Match{}, tvilling.ModuleNotFound, tvilling.ModuleNotFound, "gone"},
		"twin changed":   {&ledger.Recommendation{State: ledger.Active, Module: tvilling.SecurityModule, Patch: good}, tvilling.Match{Given: true, Tag: "b2xk"}, "", tvilling.PreconditionFailed, "etag"},
		"no longer fits": {&ledger.Recommendation{State: ledger.Active, Module: tvilling.SecurityModule, Patch: patch(`{"more":"` + strings.Repeat("m", 3000) + `"}`)}, tvilling.Match{}, tvilling.InvalidArgument, tvilling.InvalidArgument, "32768"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tt.advice != nil {
				w.advise(t, *tt.advice)
			}
			// All but 2 KiB of what desired properties may have.
			filler := make(map[string]string)
			for i := range 10 {
				filler[string(rune('a'+i))] = strings.Repeat("f", 3000)
			}
			b, err := json.Marshal(filler)
			if err != nil {
				t.Fatal(err)
			}
			before := w.set(t, module, string(b))
			_, err = w.mend.Preview(t.Context(), "d1", typ)
			refused(t, "preview", err, tt.preview, tt.says)
			_, err = w.mend.Apply(t.Context(), "d1", typ, tt.match, "user:anna")
			refused(t, "apply", err, tt.apply, tt.says)
			after, err := w.Twins.Get(t.Context(), module)
			if err != nil || after.ETag() != before.ETag() {
				t.Errorf("the twin has the etag %s, %v; want %s", after.ETag(), err, before.ETag())
			}
		})
	}
}

func refused(t *testing.T, what string, err error, code tvilling.Code, says string) {
	t.Helper()
	if tvilling.CodeOf(err) != code || code != "" && !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v, want code %q and %q", what, err, code, says)
	}
}

// brokenLedger is one that cannot be read.
type brokenLedger struct{ err error }

func (b brokenLedger) Recommendation(context.Context, tvilling.DeviceID, string) (*ledger.Recommendation, error) {
	return nil, b.err
}

// TestBroken: a fault of the ledger is handed on as it is.
func TestBroken(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk")
	s := mend.New(brokenLedger{broken}, hubtest.New(t).Twins)
	if _, err := s.Preview(t.Context(), "d1", typ); !errors.Is(err, broken) {
		t.Errorf("preview: %v", err)
	}
	if _, err := s.Apply(t.Context(), "d1", typ, tvilling.Match{}, "user:anna"); !errors.Is(err, broken) {
		t.Errorf("apply: %v", err)
	}
}
