package sigma

import (
	"cmp"
	"slices"
)

// automaton finds all of a set of texts in one pass (Aho and Corasick), kept
// as a double array: the children of a state stand where its base says, and a
// cell belongs to the state that its check names. A state costs 16 bytes.
type automaton struct {
	cells []cell
	root  [256]uint32 // the state after a byte at the root; 0 is the root
	// found is the text that ends at a state, -1 if none.
	found []int32
}

type cell struct {
	base uint32
	// check is the parent's state + 1; 0 marks a free cell.
	check uint32
	// fail is the state of the longest proper suffix of what led here.
	fail uint32
	// out is the first state at which a text ends, of this one and those that
	// fail leads to; 0 if there is none.
	out uint32
}

// newAutomaton makes an automaton of texts, which are not empty and each there
// once. The number of a text is ids[i].
func newAutomaton(texts []string, ids []int32) *automaton {
	order := make([]int, len(texts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(texts[a], texts[b]) })
	sorted := make([]string, len(order))
	for i, o := range order {
		sorted[i] = texts[o]
	}
	b := &builder{a: &automaton{}, first: 1}
	b.grow(512)
	b.a.cells[0].check = 1
	// Breadth first: what fail leads to is nearer to the root, and done before.
	queue := []span{{0, len(sorted), 0, 0}}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		here := &b.a.cells[s.state]
		here.out = b.a.cells[here.fail].out
		if len(sorted[s.from]) == s.depth {
			b.a.found[s.state] = ids[order[s.from]]
			here.out = s.state
			s.from++
		}
		queue = b.children(sorted, s, queue)
	}
	b.a.cells = slices.Clip(b.a.cells)
	b.a.found = slices.Clip(b.a.found)
	return b.a
}

// span is a state with the texts that pass through it.
type span struct {
	from, to, depth int
	state           uint32
}

type builder struct {
	a     *automaton
	first int // no cell before it is free
}

func (b *builder) grow(n int) {
	for len(b.a.cells) < n {
		b.a.cells = append(b.a.cells, cell{})
		b.a.found = append(b.a.found, -1)
	}
}

// children places the children of a state and appends them to the queue.
func (b *builder) children(sorted []string, s span, queue []span) []span {
	var bytes []byte
	var starts []int
	for i := s.from; i < s.to; i++ {
		if c := sorted[i][s.depth]; len(bytes) == 0 || bytes[len(bytes)-1] != c {
			bytes, starts = append(bytes, c), append(starts, i)
		}
	}
	if len(bytes) == 0 {
		return queue
	}
	base := b.place(bytes)
	b.a.cells[s.state].base = base
	starts = append(starts, s.to)
	for i, c := range bytes {
		t := base + uint32(c)
		b.a.cells[t].check = s.state + 1
		if s.depth == 0 {
			b.a.root[c] = t
		} else {
			b.a.cells[t].fail = b.a.step(b.a.cells[s.state].fail, c)
		}
		queue = append(queue, span{starts[i], starts[i+1], s.depth + 1, t})
	}
	return queue
}

// place finds a base at which the cells of all children are free.
func (b *builder) place(bytes []byte) uint32 {
	for b.first < len(b.a.cells) && b.a.cells[b.first].check != 0 {
		b.first++
	}
	tried := 0
	for at := b.first; ; at++ {
		b.grow(at + 512)
		if b.a.cells[at].check != 0 || at < int(bytes[0])+1 {
			continue
		}
		base, free := at-int(bytes[0]), true
		for _, c := range bytes[1:] {
			if b.a.cells[base+int(c)].check != 0 {
				free = false
				break
			}
		}
		if free {
			// What is too full to be of use again is not searched again.
			if tried > 64 {
				b.first = at
			}
			return uint32(base)
		}
		tried++
	}
}

// step returns the state after a byte.
func (a *automaton) step(s uint32, c byte) uint32 {
	for s != 0 {
		if t := a.cells[s].base + uint32(c); a.cells[t].check == s+1 {
			return t
		}
		s = a.cells[s].fail
	}
	return a.root[c]
}

// scan calls nothing and marks: hits[text] becomes epoch for each text that
// is in v, and those that were not marked yet are appended to fresh.
func (a *automaton) scan(v []byte, hits []uint64, epoch uint64, fresh []int32) []int32 {
	cells := a.cells
	s := uint32(0)
	for _, c := range v {
		for {
			if s == 0 {
				s = a.root[c]
				break
			}
			if t := cells[s].base + uint32(c); cells[t].check == s+1 {
				s = t
				break
			}
			s = cells[s].fail
		}
		// A text that was marked has marked all its suffixes, too.
		for o := cells[s].out; o != 0; o = cells[cells[o].fail].out {
			id := a.found[o]
			if hits[id] == epoch {
				break
			}
			hits[id] = epoch
			fresh = append(fresh, id)
		}
	}
	return fresh
}
