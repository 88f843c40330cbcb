//go:build linux

package collect

import (
	"bytes"
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// Verdicts of netfilter (linux/netfilter.h) that x/sys does not have.
const (
	nfDrop   = 0
	nfAccept = 1
	nfQueue  = 3
)

// nftVerdict is what becomes of a packet.
type nftVerdict struct {
	given bool
	code  int32
	chain string
}

// parseVerdict reads the attributes of a verdict.
func parseVerdict(b []byte) nftVerdict {
	if b == nil {
		return nftVerdict{}
	}
	a := attributeList(b)
	if len(a[unix.NFTA_VERDICT_CODE]) < 4 {
		return nftVerdict{}
	}
	return nftVerdict{true, int32(wordAttribute(a[unix.NFTA_VERDICT_CODE])), textAttribute(a[unix.NFTA_VERDICT_CHAIN])}
}

// nftSet is a set, or a map of verdicts.
type nftSet struct {
	// elements are in the order of their keys; a catch-all is the last.
	elements []nftElement
	more     int // elements that were not kept
}

// nftElement is a span of keys, of which both ends are in it.
type nftElement struct {
	from, to []byte
	any      bool // it stands for all that is in no other element
	end      bool // of an interval, before it is put together
	limited  bool // it has a limit or a quota of its own
	verdict  nftVerdict
}

// maxSetKept bounds the elements that are kept of a set; those that say where
// an interval ends count.
const maxSetKept = 4096

// set returns a set, read once.
func (s *nftRuleset) set(n *netfilter, name nftName) (*nftSet, error) {
	if set := s.sets[name]; set != nil {
		return set, nil
	}
	set := &nftSet{}
	attrs := stringAttribute(nil, unix.NFTA_SET_ELEM_LIST_TABLE, name.table)
	attrs = stringAttribute(attrs, unix.NFTA_SET_ELEM_LIST_SET, name.name)
	err := n.dump(unix.NFT_MSG_GETSETELEM, name.family, attrs, func(_ uint8, b []byte) {
		set.take(attributeList(b)[unix.NFTA_SET_ELEM_LIST_ELEMENTS])
	})
	if errors.Is(err, unix.ENOENT) {
		err = errInterrupted // it was there when the rule was read
	}
	if err != nil {
		return nil, err
	}
	set.join(s.intervals[name])
	s.sets[name] = set
	return set, nil
}

// readIntervals notes which sets have intervals whose ends are told apart;
// those of several fields at a time have both ends in one element.
func (s *nftRuleset) readIntervals(n *netfilter) error {
	const concatenation = 0x80 // NFT_SET_CONCAT
	return n.dump(unix.NFT_MSG_GETSET, unix.AF_UNSPEC, nil, func(family uint8, b []byte) {
		a := attributeList(b)
		if wordAttribute(a[unix.NFTA_SET_FLAGS])&(unix.NFT_SET_INTERVAL|concatenation) == unix.NFT_SET_INTERVAL && nftFamily(family) != "" {
			s.intervals[nftName{family, textAttribute(a[unix.NFTA_SET_TABLE]), textAttribute(a[unix.NFTA_SET_NAME])}] = true
		}
	})
}

// Flags and attributes of elements that x/sys does not have.
const (
	nftSetElemCatchAll = 2
	nftaSetElemKeyEnd  = 10
	nftaSetElemExprs   = 11
)

// take reads a list of elements.
func (s *nftSet) take(list []byte) {
	attributes(list, func(_ uint16, v []byte) {
		a := attributeList(v)
		flags := wordAttribute(a[unix.NFTA_SET_ELEM_FLAGS])
		if len(s.elements) >= maxSetKept {
			if flags&unix.NFT_SET_ELEM_INTERVAL_END == 0 {
				s.more++
			}
			return
		}
		key := slices.Clone(attributeList(a[unix.NFTA_SET_ELEM_KEY])[unix.NFTA_DATA_VALUE])
		e := nftElement{
			from: key, to: key, any: flags&nftSetElemCatchAll != 0, end: flags&unix.NFT_SET_ELEM_INTERVAL_END != 0,
			verdict: parseVerdict(attributeList(a[unix.NFTA_SET_ELEM_DATA])[unix.NFTA_DATA_VERDICT]),
		}
		if end := a[nftaSetElemKeyEnd]; end != nil {
			if to := attributeList(end)[unix.NFTA_DATA_VALUE]; len(to) == len(key) {
				e.to = slices.Clone(to)
			}
		}
		e.limited = limits(a[unix.NFTA_SET_ELEM_EXPR])
		attributes(a[nftaSetElemExprs], func(_ uint16, v []byte) { e.limited = e.limited || limits(v) })
		s.elements = append(s.elements, e)
	})
}

// limits reports whether an expression of an element may keep it from being
// found; counters do not.
func limits(expression []byte) bool {
	name := textAttribute(attributeList(expression)[unix.NFTA_EXPR_NAME])
	return name != "" && name != "counter" && name != "last"
}

// join sorts the elements and, of a set of intervals, puts each together: the
// kernel tells where it begins and, apart, where what is not in the set begins.
// An interval up to the last key has no end.
func (s *nftSet) join(intervals bool) {
	slices.SortStableFunc(s.elements, func(a, b nftElement) int {
		switch {
		case a.any != b.any && a.any:
			return 1
		case a.any != b.any:
			return -1
		}
		if c := bytes.Compare(a.from, b.from); c != 0 {
			return c
		}
		switch {
		case a.end == b.end:
			return 0
		case a.end:
			return -1
		default:
			return 1
		}
	})
	if !intervals {
		return
	}
	joined := s.elements[:0]
	for i, e := range s.elements {
		if e.end {
			continue
		}
		if !e.any {
			switch next := i + 1; {
			case next < len(s.elements) && !s.elements[next].any:
				e.to = keyBefore(s.elements[next].from)
			default:
				e.to = bytes.Repeat([]byte{0xff}, len(e.from)) // it has no end
			}
		}
		joined = append(joined, e)
	}
	s.elements = joined
}

// keyBefore returns the key before b.
func keyBefore(b []byte) []byte {
	b = slices.Clone(b)
	for i := len(b) - 1; i >= 0; i-- {
		b[i]--
		if b[i] != 0xff {
			break
		}
	}
	return b
}
