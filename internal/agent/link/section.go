package link

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/tvilling/tvilling"
)

// section is the desired section as this side knows it. The connection's reader
// patches it, the link reads it.
type section struct {
	// mu guards what follows.
	mu   sync.Mutex
	text []byte // nil while it is not known
	// version is that of text.
	version int64
	// fresh says that text was not told yet.
	fresh bool
	// doubt says that the hub may have more: a change is missing, could not be
	// merged, or may have been a replacement.
	doubt bool
	// slight says that all the doubt there is comes of changes of one value each:
	// nearly always that is what they are.
	slight bool
	// merged counts the patches merged since text was told. More than maxMerged
	// are left to the next reading of the whole.
	merged int
	// patches counts what the hub has told of since that was asked last.
	patches uint64
	// reported is the version of the reported properties when the whole twin was
	// read last, -1 if it had none.
	reported int64
}

// maxMerged bounds the patches that are merged between two callings, so that a
// twin that changes every few milliseconds costs little.
const maxMerged = 8

// patch applies a change that the hub has told of.
func (s *section) patch(version int64, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patches++
	switch {
	case s.text == nil:
		return // the whole, which is on its way, has it, or what follows it shows that a change is missing
	case version <= s.version:
		return
	case version > s.version+1 || s.merged == maxMerged:
		s.doubt, s.slight = true, false
		return
	}
	s.merged++
	text, err := merge(s.text, body)
	if err != nil || versionOf(text) != version {
		s.doubt, s.slight = true, false
		return
	}
	// A replacement arrives as the whole section, in the form of a patch
	// (wire §1.6): only if it names all there is does it come to the same.
	if !same(text, body, 1) {
		s.slight = (s.slight || !s.doubt) && leaves(body, 1) == 1
		s.doubt = true
	}
	s.text, s.version, s.fresh = text, version, true
}

// whole takes the section of a whole twin.
func (s *section) whole(twin []byte) error {
	var t struct {
		Desired  json.RawMessage `json:"desired"`
		Reported json.RawMessage `json:"reported"`
	}
	if err := json.Unmarshal(twin, &t); err != nil {
		return fmt.Errorf("read the twin: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, t.Desired); err != nil || compact.Len() == 0 || compact.Bytes()[0] != '{' {
		return fmt.Errorf("read the twin: %w", errNotObject)
	}
	text := compact.Bytes()
	if len(text) > maxSection {
		return tvilling.Errorf(tvilling.TooLarge, "The desired properties have %d bytes; the agent takes %d.", len(text), maxSection)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubt, s.slight, s.reported = false, false, versionOf(t.Reported)
	version := versionOf(text)
	if s.text != nil && version < s.version {
		return nil // it was under way when a change came
	}
	if s.text == nil || !same(s.text, text, 1) {
		s.fresh = true
	}
	s.text, s.version = bytes.Clone(text), version
	return nil
}

// untold returns the section if it was not told yet, as a copy, and from then on it was.
func (s *section) untold() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.merged = 0
	if !s.fresh {
		return nil
	}
	s.fresh = false
	return bytes.Clone(s.text)
}

// due says what there is to do.
func (s *section) due() (tell, read bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fresh, s.doubt
}

// slightly reports whether there is doubt, and it is slight.
func (s *section) slightly() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doubt && s.slight
}

// older reports whether the reported properties are older than a version.
func (s *section) older(version int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text != nil && s.reported < version
}

// counted returns how many patches came since it was asked last.
func (s *section) counted() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.patches
	s.patches = 0
	return n
}

// versionOf returns $version of a section, -1 if it has none.
func versionOf(text []byte) int64 {
	v := struct {
		Version int64 `json:"$version"`
	}{-1}
	if json.Unmarshal(text, &v) != nil {
		return -1
	}
	return v.Version
}

// leaves counts the values in a valid object but $version, nulls included.
func leaves(b []byte, depth int) int {
	n := 0
	for _, m := range members(b) {
		switch {
		case depth == 1 && m.name == "$version":
		case m.value[0] == '{' && depth < maxDepth:
			n += leaves(m.value, depth+1)
		default:
			n++
		}
	}
	return n
}

// same reports whether two valid objects have the same members with the same
// values, in whatever order. Values that are written in two ways count as
// different, as does what is nested deeper than a patch may; that costs a reading
// more.
func same(a, b []byte, depth int) bool {
	if depth > maxDepth {
		return false
	}
	x, y := members(a), members(b)
	if len(x) != len(y) {
		return false
	}
	at := make(map[string][]byte, len(y))
	for _, m := range y {
		at[m.name] = m.value
	}
	for _, m := range x {
		v, ok := at[m.name]
		if !ok {
			return false
		}
		if m.value[0] == '{' && v[0] == '{' {
			if !same(m.value, v, depth+1) {
				return false
			}
		} else if !bytes.Equal(m.value, v) {
			return false
		}
	}
	return true
}
