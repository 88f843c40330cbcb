package sqlite

import (
	"slices"
	"sort"

	"github.com/tvilling/tvilling"
)

// keyset is an ordered set of identities: a list of short sorted runs, so
// that adding and removing move few of them.
type keyset struct {
	runs [][]tvilling.Identity // none is empty; ascending
	size int
}

// runLength is the length at which a run is cut in two.
const runLength = 512

// find returns the run that holds id or would, and the place in it.
func (s *keyset) find(id tvilling.Identity) (run, place int, present bool) {
	// The first run whose last member is not before id.
	run = sort.Search(len(s.runs), func(i int) bool {
		r := s.runs[i]
		return r[len(r)-1].Compare(id) >= 0
	})
	if run == len(s.runs) {
		return run, 0, false
	}
	place, present = slices.BinarySearchFunc(s.runs[run], id, tvilling.Identity.Compare)
	return run, place, present
}

func (s *keyset) has(id tvilling.Identity) bool {
	_, _, present := s.find(id)
	return present
}

func (s *keyset) add(id tvilling.Identity) {
	run, place, present := s.find(id)
	if present {
		return
	}
	s.size++
	if run == len(s.runs) {
		if run == 0 {
			s.runs = append(s.runs, []tvilling.Identity{id})
			return
		}
		run--
		place = len(s.runs[run])
	}
	r := slices.Insert(s.runs[run], place, id)
	s.runs[run] = r
	if len(r) > runLength {
		half := len(r) / 2
		s.runs[run] = slices.Clone(r[:half])
		s.runs = slices.Insert(s.runs, run+1, slices.Clone(r[half:]))
	}
}

func (s *keyset) remove(id tvilling.Identity) {
	run, place, present := s.find(id)
	if !present {
		return
	}
	s.size--
	s.runs[run] = slices.Delete(s.runs[run], place, place+1)
	if len(s.runs[run]) == 0 {
		s.runs = slices.Delete(s.runs, run, run+1)
	}
}

// after calls visit with the members after id, ascending, until it returns false.
func (s *keyset) after(id tvilling.Identity, visit func(tvilling.Identity) bool) {
	run, place, present := s.find(id)
	if present {
		place++
	}
	for ; run < len(s.runs); run, place = run+1, 0 {
		for _, next := range s.runs[run][place:] {
			if !visit(next) {
				return
			}
		}
	}
}
