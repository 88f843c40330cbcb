package storetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/hub/state"
)

func testChanges(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	var want []state.Change
	for seq := uint64(1); seq <= 60; {
		var batch state.Batch
		for range 1 + seq%5 {
			c := changeOf(seq)
			if seq%4 == 0 {
				c.Body, c.Version, c.Desired, c.Reported = nil, 0, 0, 0
			}
			batch.Changes = append(batch.Changes, c)
			want = append(want, c)
			seq++
		}
		batch.Writes = create(batch.Changes[0].ID)
		if err := s.Commit(t.Context(), &batch); err != nil {
			t.Fatal(err)
		}
		// A batch without changes does not move the head.
		commit(t, s, putSession(sessionOf(id("d", ""), int(seq))))
		last := want[len(want)-1]
		if got, at := s.Head(); got != last.Sequence || at != last.Time.UnixNano() {
			t.Fatalf("Head = %d, %d; want %d, %d", got, at, last.Sequence, last.Time.UnixNano())
		}
	}
	for after := range uint64(len(want) + 3) {
		wantFrom := want[min(after, uint64(len(want))):]
		got := changes(t, s, after)
		if len(got) != len(wantFrom) || len(got) > 0 && cmp.Diff(wantFrom, got) != "" {
			t.Errorf("Changes(%d): -want +got:\n%s", after, cmp.Diff(wantFrom, got))
		}
	}
}

func testChangesStop(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	commitChanges(t, s, changeOf(1), changeOf(2), changeOf(3))
	for c, err := range s.Changes(t.Context(), 0) {
		if err != nil || c.Sequence != 1 {
			t.Fatalf("first change: %d, %v", c.Sequence, err)
		}
		// Changes end where the head was when the loop began.
		commitChanges(t, s, changeOf(4))
		break
	}
	n := 0
	for _, err := range s.Changes(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 {
			commitChanges(t, s, changeOf(5))
		}
	}
	if n < 4 || n > 5 {
		t.Errorf("Changes yields %d, want the 4 that were there, or the one beside", n)
	}
}
