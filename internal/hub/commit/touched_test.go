package commit_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/memory"
)

// The follower hears of a round before its answers go out, of each identity
// once, and of nothing that was refused.
func TestFollow(t *testing.T) {
	var told [][]commit.Touched
	store := memory.New()
	c, err := commit.New(t.Context(), commit.Options{Store: store, Follow: func(round []commit.Touched) { told = append(told, round) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	defer wg.Wait()
	defer stop()
	id := tvilling.Device("d")
	answered := make(chan int, 1)
	c.Submit(put("d"), func(error) { answered <- len(told) })
	if n := <-answered; n != 1 {
		t.Fatalf("told of %d rounds when the first was answered", n)
	}
	if got := told[0]; len(got) != 1 || got[0].ID != id || !got[0].HasTwin || got[0].Twin == nil || !got[0].HasIdentity || got[0].HasSession || got[0].Before != nil {
		t.Errorf("told %+v of a creation", got)
	}
	first := told[0][0].Twin
	if err := c.Do(t.Context(), func(tx *commit.Tx) error {
		old, err := tx.Twin(id)
		if err != nil {
			return err
		}
		next := *old
		next.Version++
		tx.PutTwin(&next)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := told[1]; len(got) != 1 || got[0].Before != first || got[0].Twin.Version != first.Version+1 || got[0].HasIdentity {
		t.Errorf("told %+v of a change", got)
	}
	if err := c.Do(t.Context(), func(tx *commit.Tx) error { tx.Delete(id); return errors.New("no") }); err == nil {
		t.Fatal("not refused")
	}
	if len(told) != 2 {
		t.Errorf("told of a refused change: %+v", told[2:])
	}
	if err := c.Do(t.Context(), func(tx *commit.Tx) error { tx.Delete(id); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := told[2]; len(got) != 1 || !got[0].HasTwin || got[0].Twin != nil || !got[0].HasIdentity || got[0].Identity != nil {
		t.Errorf("told %+v of a deletion", got)
	}
}

// What is recorded is told in order, after the follower of the records, and
// only once it can be read.
func TestRecorded(t *testing.T) {
	store := memory.New()
	var told []state.Change
	follows := 0
	c, err := commit.New(t.Context(), commit.Options{
		Store:  store,
		Follow: func([]commit.Touched) { follows++ },
		Recorded: func(changes []state.Change) {
			if head, _ := store.Head(); head != changes[len(changes)-1].Sequence || follows == 0 {
				t.Errorf("told of change %d with the store at %d and %d rounds followed", changes[len(changes)-1].Sequence, head, follows)
			}
			told = append(told, changes...)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	defer wg.Wait()
	defer stop()
	for _, d := range []string{"a", "b"} {
		if err := c.Do(t.Context(), put(d)); err != nil {
			t.Fatal(err)
		}
	}
	// A round without a change, and one that is refused, tell nothing.
	for _, f := range []func(*commit.Tx) error{
		func(tx *commit.Tx) error { tx.PutSetting("s", []byte("v")); return nil },
		func(tx *commit.Tx) error { tx.Record(state.Change{Op: state.UpdateTwin}); return errors.New("no") },
	} {
		_ = c.Do(t.Context(), f) // the refusal of the second is wanted
	}
	if len(told) != 2 || told[0].Sequence != 1 || told[0].ID.Device != "a" || told[1].Sequence != 2 || told[1].ID.Device != "b" {
		t.Errorf("told %+v", told)
	}
}
