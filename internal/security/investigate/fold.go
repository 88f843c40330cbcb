package investigate

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

const (
	// MaxGroups is how many lines a summary has.
	MaxGroups = 1000
	// MaxValues is how many values a [Set] lists.
	MaxValues = 16
	// MaxValue is the longest value that is kept whole, in bytes.
	MaxValue = 512
	// maxKept bounds the text that one summary holds, in bytes.
	maxKept = 8 << 20
)

// Set is the distinct values seen in a group, the first [MaxValues] of them.
type Set struct {
	Values []string `json:"values"`
	// More counts sightings of values that are not listed.
	More int64 `json:"more"`
}

// Span is when something was seen.
type Span struct {
	First time.Time `json:"firstSeen"`
	Last  time.Time `json:"lastSeen"`
}

func (s *Span) add(t time.Time) {
	if s.First.IsZero() || t.Before(s.First) {
		s.First = t
	}
	if t.After(s.Last) {
		s.Last = t
	}
}

// memory counts the bytes that a summary has kept.
type memory struct{ kept int }

// take reports whether n more bytes may be kept.
func (m *memory) take(n int) bool {
	if m.kept+n > maxKept {
		return false
	}
	m.kept += n
	return true
}

// add puts a value into a set, if it is not "" and there is room.
func (s *Set) add(m *memory, value string, hits int64) {
	if s.Values == nil {
		s.Values = []string{}
	}
	if value == "" {
		return
	}
	value = clip(value)
	switch {
	case slices.Contains(s.Values, value):
	case len(s.Values) < MaxValues && m.take(len(value)+16):
		s.Values = append(s.Values, strings.Clone(value)) // it may be a part of a whole message
	default:
		s.More += hits
	}
}

// clip bounds a value. One that is cut ends with a digest of the whole, so
// that different values stay different.
func clip(s string) string {
	if len(s) <= MaxValue {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:MaxValue], "") + "… (sha256 " + hex.EncodeToString(sum[:8]) + ")"
}

// key is what makes a group of its own, up to three texts.
type key [3]string

// keyOf returns the key of some texts.
func keyOf(texts ...string) (k key) {
	for i, t := range texts {
		k[i] = clip(t)
	}
	return k
}

// groups is a map of groups by their keys, bounded in number and in memory.
type groups[G any] struct {
	memory
	byKey map[key]*G
	order []*G // as they came
	shed  int64
}

// find returns the group of a key. A new one is made by create if there is
// room for it; otherwise find returns nil and counts hits as shed.
func (g *groups[G]) find(k key, hits int64, create func(k key) *G) *G {
	if have := g.byKey[k]; have != nil {
		return have
	}
	size := 256
	for _, text := range k {
		size += 2 * len(text)
	}
	if len(g.order) >= MaxGroups || !g.take(size) {
		g.shed += hits
		return nil
	}
	for i, text := range k {
		k[i] = strings.Clone(text) // it may be a part of a whole message
	}
	if g.byKey == nil {
		g.byKey = make(map[key]*G)
	}
	made := create(k)
	g.byKey[k] = made
	g.order = append(g.order, made)
	return made
}

// sorted returns the groups in an order; those that are equal as they came.
func (g *groups[G]) sorted(compare func(a, b *G) int) []*G {
	list := slices.Clone(g.order)
	slices.SortStableFunc(list, compare)
	if list == nil {
		list = []*G{}
	}
	return list
}
