package alert_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// TestActAsSeen: a change meant for what was seen meets neither what another
// operator did, nor is it held up by evidence.
func TestActAsSeen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.raise(b.observation())
	seen := alert.Target{ID: a.ID, Tag: alert.StateOf(a).Tag()}
	if folded := b.raise(b.observation()); alert.StateOf(folded).Tag() != seen.Tag || alert.ETag(folded) == alert.ETag(a) {
		t.Errorf("evidence: tag %s, etag %s; want another etag and the tag %s", alert.StateOf(folded).Tag(), alert.ETag(folded), seen.Tag)
	}
	ack := alert.Change{Status: new(ledger.Acknowledged)}
	out, err := b.service.Act(t.Context(), []alert.Target{seen, {ID: "none"}}, ack, "user:ann")
	if err != nil || out[0].Err != nil || out[0].Alert.Status != ledger.Acknowledged || out[0].Was.Status != ledger.New {
		t.Fatalf("Act: %+v, %v", out, err)
	}
	wantCode(t, "an alert that is not there", out[1].Err, tvilling.NotFound)
	before := b.alert(a.ID)
	out, err = b.service.Act(t.Context(), []alert.Target{seen}, alert.Change{Status: new(ledger.Dismissed), Reason: new("benign")}, "user:bob")
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "the second of two operators", out[0].Err, tvilling.PreconditionFailed)
	if d := cmp.Diff(before, b.alert(a.ID)); d != "" {
		t.Errorf("what is refused changes:\n%s", d)
	}
}

// TestUndo puts every act back, from every state it can begin in.
func TestUndo(t *testing.T) {
	t.Parallel()
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	closed := func(s ledger.Status) alert.Change { return alert.Change{Status: &s, Reason: new("benign")} }
	for name, test := range map[string]struct {
		before []alert.Change
		act    alert.Change
		steps  []string
	}{
		"acknowledge":             {nil, alert.Change{Status: new(ledger.Acknowledged)}, []string{"reopened"}},
		"start after acknowledge": {[]alert.Change{{Status: new(ledger.Acknowledged)}}, alert.Change{Status: new(ledger.InProgress)}, []string{"acknowledged"}},
		"resolve":                 {nil, closed(ledger.Resolved), []string{"reopened"}},
		"dismiss what is worked on": {
			[]alert.Change{{Status: new(ledger.InProgress), Owner: new("ann"), Note: new("looking")}},
			alert.Change{Status: new(ledger.Dismissed), Reason: new("falsePositive"), DismissedUntil: &until, Note: new("no"), Owner: new("bob")},
			[]string{"reopened", "started", "assigned"},
		},
		"reopen what was dismissed for a time": {
			[]alert.Change{{Status: new(ledger.Dismissed), Reason: new("acceptedRisk"), DismissedUntil: &until}},
			alert.Change{Status: new(ledger.New)},
			[]string{"dismissed"},
		},
		"assign": {[]alert.Change{{Owner: new("bob")}}, alert.Change{Owner: new("ann")}, []string{"assigned"}},
		"note":   {nil, alert.Change{Note: new("seen")}, []string{"noted"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			a := b.raise(b.observation())
			for _, c := range test.before {
				b.update(a.ID, c)
			}
			was := alert.StateOf(b.alert(a.ID))
			done, err := b.service.Act(t.Context(), []alert.Target{{ID: a.ID}}, test.act, "user:ann")
			if err != nil || done[0].Err != nil {
				t.Fatalf("Act: %+v, %v", done, err)
			}
			moves := alert.Moves(done)
			if len(moves) != 1 {
				t.Fatalf("Moves: %+v", moves)
			}
			if done[0].Alert.Status != ledger.Resolved {
				b.raise(b.observation()) // evidence does not stand in the way
			}
			earlier, _ := b.actions(a.ID)
			back, err := b.service.Undo(t.Context(), moves, "user:ann")
			if err != nil || back[0].Err != nil {
				t.Fatalf("Undo: %+v, %v", back, err)
			}
			if d := cmp.Diff(was, alert.StateOf(b.alert(a.ID))); d != "" {
				t.Errorf("after undo (-before +after):\n%s", d)
			}
			history, _ := b.actions(a.ID)
			if d := cmp.Diff(test.steps, history[len(earlier):]); d != "" {
				t.Errorf("steps of undo (-want +got):\n%s", d)
			}
			again, err := b.service.Undo(t.Context(), moves, "user:ann")
			if err != nil {
				t.Fatal(err)
			}
			wantCode(t, "a second undo", again[0].Err, tvilling.PreconditionFailed)
		})
	}
}

// TestMoves: what was refused, or was so already, is nothing to undo.
func TestMoves(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.raise(b.observation())
	b.update(a.ID, alert.Change{Status: new(ledger.Acknowledged)})
	out, err := b.service.Act(t.Context(), []alert.Target{{ID: a.ID}, {ID: "none"}}, alert.Change{Status: new(ledger.Acknowledged)}, "user:ann")
	if moves := alert.Moves(out); err != nil || len(moves) != 0 {
		t.Errorf("Moves = %+v, %v; want none", moves, err)
	}
}
