package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

func testScanRanges(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	// In no order; bytewise it is A, a, a/m, a/n, a#, aa, aa/m, b/lone.
	for _, i := range []tvilling.Identity{
		id("aa", "m"), id("a", "n"), id("b", "lone"), id("a", ""), id("a#", ""), id("A", ""), id("aa", ""), id("a", "m"),
	} {
		commit(t, s, create(i)...)
	}
	for _, test := range []struct {
		name string
		r    state.Range
		want []string
	}{
		{"all", state.Range{}, []string{"A", "a", "a/m", "a/n", "a#", "aa", "aa/m", "b/lone"}},
		{"devices", state.Range{Kind: state.Devices}, []string{"A", "a", "a#", "aa"}},
		{"modules", state.Range{Kind: state.Modules}, []string{"a/m", "a/n", "aa/m", "b/lone"}},
		{"one device", state.Range{Device: "a"}, []string{"a", "a/m", "a/n"}},
		{"one device alone", state.Range{Device: "a", Kind: state.Devices}, []string{"a"}},
		{"its modules", state.Range{Device: "a", Kind: state.Modules}, []string{"a/m", "a/n"}},
		{"modules of no device", state.Range{Device: "b", Kind: state.Modules}, []string{"b/lone"}},
		{"nobody", state.Range{Device: "c"}, []string{}},
		{"after a device", state.Range{After: id("a", "")}, []string{"a/m", "a/n", "a#", "aa", "aa/m", "b/lone"}},
		{"after a module", state.Range{After: id("a", "m")}, []string{"a/n", "a#", "aa", "aa/m", "b/lone"}},
		{"after one that is not there", state.Range{After: id("a", "mm")}, []string{"a/n", "a#", "aa", "aa/m", "b/lone"}},
		{"devices after a module", state.Range{Kind: state.Devices, After: id("a", "z")}, []string{"a#", "aa"}},
		{"modules after a device", state.Range{Kind: state.Modules, After: id("a#", "")}, []string{"aa/m", "b/lone"}},
		{"one device, after its first", state.Range{Device: "a", After: id("a", "m")}, []string{"a/n"}},
		{"one device, after an earlier one", state.Range{Device: "a", After: id("A", "x")}, []string{"a", "a/m", "a/n"}},
		{"its modules, after an earlier one", state.Range{Device: "a", Kind: state.Modules, After: id("A", "x")}, []string{"a/m", "a/n"}},
		{"one device, after a later one", state.Range{Device: "a", After: id("b", "")}, []string{}},
		{"after the last", state.Range{After: id("b", "lone")}, []string{}},
		{"until a device", state.Range{Until: id("a", "")}, []string{"A", "a"}},
		{"until a module", state.Range{Until: id("a", "m")}, []string{"A", "a", "a/m"}},
		{"until one that is not there", state.Range{Until: id("a", "mm")}, []string{"A", "a", "a/m"}},
		{"until before the first", state.Range{Until: id("0", "")}, []string{}},
		{"until beyond the last", state.Range{Until: id("c", "")}, []string{"A", "a", "a/m", "a/n", "a#", "aa", "aa/m", "b/lone"}},
		{"between", state.Range{After: id("a", ""), Until: id("aa", "")}, []string{"a/m", "a/n", "a#", "aa"}},
		{"between, the wrong way round", state.Range{After: id("aa", ""), Until: id("a", "")}, []string{}},
		{"devices until a module", state.Range{Kind: state.Devices, Until: id("a#", "m")}, []string{"A", "a", "a#"}},
		{"modules until a device", state.Range{Kind: state.Modules, Until: id("aa", "")}, []string{"a/m", "a/n"}},
		{"one device, until a module of it", state.Range{Device: "a", Until: id("a", "m")}, []string{"a", "a/m"}},
		{"one device, until an earlier one", state.Range{Device: "a", Until: id("A", "x")}, []string{}},
		{"one device alone, until itself", state.Range{Device: "a", Kind: state.Devices, Until: id("a", "")}, []string{"a"}},
	} {
		if got := idsOf(scan(t, s, test.r)); !cmp.Equal(got, test.want) {
			t.Errorf("%s: Scan(%+v) = %v, want %v", test.name, test.r, got, test.want)
		}
		bare := test.r
		bare.Bare = true
		if got := twinsOf(t, scan(t, s, bare)); !cmp.Equal(got, test.want) {
			t.Errorf("%s: Scan(%+v) = %v, want %v", test.name, bare, got, test.want)
		}
	}
	for _, e := range scan(t, s, state.Range{}) {
		if !cmp.Equal(e.Identity, identityOf(e.Identity.ID, 1)) || !cmp.Equal(e.Twin, twinOf(e.Identity.ID, 2)) {
			t.Errorf("Scan yields %+v with %+v", e.Identity, e.Twin)
		}
	}
}

// twinsOf returns the names of twins alone, which are as create made them.
func twinsOf(t testing.TB, entries []state.Entry) []string {
	t.Helper()
	out := []string{}
	for _, e := range entries {
		if e.Identity != nil || !cmp.Equal(e.Twin, twinOf(e.Twin.ID, 2)) {
			t.Errorf("a scan of twins yields %+v with %+v", e.Identity, e.Twin)
		}
		out = append(out, e.Twin.ID.String())
	}
	return out
}

// manyIDs is more than any store reads at once.
const manyIDs = 1500

func many(t testing.TB, s state.Store) []tvilling.Identity {
	t.Helper()
	var ids []tvilling.Identity
	var batch []state.Write
	for n := range manyIDs / 2 {
		for _, module := range []string{"", "azureiotsecurity"} {
			i := id(fmt.Sprintf("device-%05d", n), module)
			ids = append(ids, i)
			batch = append(batch, create(i)...)
		}
		if len(batch) >= 400 {
			commit(t, s, batch...)
			batch = nil
		}
	}
	commit(t, s, batch...)
	return ids
}

func testScanPages(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	ids := many(t, s)
	all := scan(t, s, state.Range{})
	if len(all) != len(ids) {
		t.Fatalf("Scan yields %d identities, want %d", len(all), len(ids))
	}
	for n, e := range all {
		if e.Identity.ID != ids[n] || e.Twin == nil || e.Twin.ID != ids[n] {
			t.Fatalf("entry %d is %s with twin %v, want %s", n, e.Identity.ID, e.Twin, ids[n])
		}
	}
	for n := 0; n < len(ids); n += 97 {
		if got := scan(t, s, state.Range{After: ids[n]}); len(got) != len(ids)-n-1 || len(got) > 0 && got[0].Identity.ID != ids[n+1] {
			t.Errorf("Scan after %s yields %d, want the %d after it", ids[n], len(got), len(ids)-n-1)
		}
	}
	if got := scan(t, s, state.Range{Kind: state.Devices}); len(got) != len(ids)/2 {
		t.Errorf("Scan of devices yields %d, want %d", len(got), len(ids)/2)
	}
	// Ranges that cut the space in parts see everything once.
	var parts []string
	for n := 0; n < len(ids); n += 601 {
		r := state.Range{Bare: true, Until: ids[min(n+600, len(ids)-1)]}
		if n > 0 {
			r.After = ids[n-1]
		}
		parts = append(parts, twinsOf(t, scan(t, s, r))...)
	}
	if want := idsOf(all); !cmp.Equal(parts, want) {
		t.Errorf("the parts have %d twins, want %d: %s", len(parts), len(want), cmp.Diff(want, parts))
	}
	testHold(t, s, ids)
	// Holes and what fills them.
	commit(t, s, remove(ids[0]), remove(ids[700]), remove(ids[len(ids)-1]))
	commit(t, s, create(id("device-00000", "zz"))...)
	got := scan(t, s, state.Range{})
	if len(got) != len(ids)-2 || got[0].Identity.ID != ids[1] || got[1].Identity.ID.Module != "zz" {
		t.Errorf("Scan after deletes yields %d, first %s, %s", len(got), got[0].Identity.ID, got[1].Identity.ID)
	}
}

func testScanStops(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	many(t, s)
	for _, stop := range []int{1, 100, 1000} {
		n := 0
		for _, err := range s.Scan(t.Context(), state.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("a scan that stops at %d yields %d", stop, n)
		}
	}
	// Nothing is held on to by a scan that stopped.
	commit(t, s, remove(id("device-00000", "")))
}

func testScanWithoutTwin(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	commit(t, s, putIdentity(identityOf(id("a", ""), 1)), putTwin(twinOf(id("b", ""), 1)))
	got := scan(t, s, state.Range{})
	if len(got) != 1 || got[0].Identity.ID != id("a", "") || got[0].Twin != nil {
		t.Errorf("Scan = %+v, want identity a without a twin", got)
	}
	if got := scan(t, s, state.Range{Bare: true}); len(got) != 1 || got[0].Identity != nil || got[0].Twin == nil || got[0].Twin.ID != id("b", "") {
		t.Errorf("Scan of twins = %+v, want the twin of b", got)
	}
}

// testHold looks at many entries and keeps few: those stay as they are.
func testHold(t testing.TB, s state.Store, ids []tvilling.Identity) {
	t.Helper()
	for _, every := range []int{1, 7, 800, len(ids)} {
		var hold bool
		var kept []*state.Twin
		n := 0
		for e, err := range s.Scan(t.Context(), state.Range{Bare: true, Hold: &hold}) {
			if err != nil {
				t.Fatal(err)
			}
			if e.ID != ids[n] || !cmp.Equal(e.Twin, twinOf(ids[n], 2)) {
				t.Fatalf("entry %d is %s with %+v", n, e.ID, e.Twin)
			}
			if n%every == 0 {
				kept = append(kept, e.Twin)
				hold = true
			}
			n++
		}
		if n != len(ids) {
			t.Errorf("Scan yields %d, want %d", n, len(ids))
		}
		for i, twin := range kept {
			if want := twinOf(ids[i*every], 2); !cmp.Equal(twin, want) {
				t.Errorf("one of each %d kept: number %d is %+v now, want %+v", every, i, twin, want)
			}
		}
	}
}
