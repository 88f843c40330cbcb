package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// What a consumer of a scan says that it holds stays as it is, whatever the scan
// makes of its memory; no two twins here are alike.
func TestScanHold(t *testing.T) {
	t.Parallel()
	const n = 2500
	dir := t.TempDir()
	s := open(t, sqlite.Options{Dir: dir})
	text := func(i int) string { return fmt.Sprintf(`{"name":"%0*d"}`, 20+i%700, i) }
	batch := &state.Batch{}
	for i := range n {
		id := tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%05d", i)))
		p, err := doc.Parse([]byte(text(i)), doc.Tags)
		if err != nil {
			t.Fatal(err)
		}
		twin := state.NewTwin(id)
		if twin.Tags, err = twin.Tags.Replace(p, doc.Tags, doc.Stamp{Time: time.Unix(int64(i), 0)}); err != nil {
			t.Fatal(err)
		}
		batch.Writes = append(batch.Writes, state.Write{ID: id, Identity: &state.Identity{ID: id}}, state.Write{ID: id, Twin: twin})
	}
	if err := s.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // what is written back comes from SQLite
		t.Fatal(err)
	}
	s = open(t, sqlite.Options{Dir: dir})
	same := func(i int, twin *state.Twin) bool { return string(twin.Tags.AppendJSON(nil, doc.Form{})) == text(i) }
	for _, every := range []int{1, 3, 400, 700, n} {
		var hold bool
		kept := map[int]*state.Twin{}
		i := 0
		for e, err := range s.Scan(t.Context(), state.Range{Bare: true, Hold: &hold}) {
			if err != nil {
				t.Fatal(err)
			}
			if !same(i, e.Twin) {
				t.Fatalf("twin %d is %s", i, e.Twin.Tags.AppendJSON(nil, doc.Form{}))
			}
			if i%every == every/2 {
				kept[i], hold = e.Twin, true
			}
			i++
		}
		if i != n || len(kept) == 0 && every < n {
			t.Errorf("seen %d, kept %d", i, len(kept))
		}
		for i, twin := range kept {
			if !same(i, twin) {
				t.Errorf("of each %d one kept: twin %d is %s now", every, i, twin.Tags.AppendJSON(nil, doc.Form{}))
			}
		}
	}
}
