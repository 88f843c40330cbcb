package twins

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// meeting is two changes of one section that were made side by side.
type meeting struct {
	// Mine and Theirs are what each has changed.
	Mine, Theirs []history.Edit
	// Clashes are the places that both have changed, not to the same.
	Clashes []clash
}

// clash is a place that two have changed.
type clash struct {
	Mine   history.Edit
	Theirs []history.Edit
}

// meet compares two changes of the same section.
func meet(part history.Part, from, mine, theirs doc.Section) meeting {
	m := meeting{Mine: history.Diff(part, from, mine), Theirs: history.Diff(part, from, theirs)}
	for _, e := range m.Mine {
		var against []history.Edit
		for _, t := range m.Theirs {
			if around(e.Path, t.Path) && !(slices.Equal(e.Path, t.Path) && sameJSON(e.New, t.New)) {
				against = append(against, t)
			}
		}
		if against != nil {
			m.Clashes = append(m.Clashes, clash{e, against})
		}
	}
	return m
}

// around reports whether one of two places is in the other.
func around(a, b []string) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}

func sameJSON(a, b json.RawMessage) bool {
	return (a == nil) == (b == nil) && bytes.Equal(a, b)
}

// Free are the edits of mine that nobody else has touched.
func (m meeting) Free() []history.Edit {
	return slices.DeleteFunc(slices.Clone(m.Mine), func(e history.Edit) bool {
		return slices.ContainsFunc(m.Clashes, func(c clash) bool { return slices.Equal(c.Mine.Path, e.Path) })
	})
}

// merged is theirs with those of my edits that nobody else has touched. Where
// both have changed something, theirs stays.
func (m meeting) merged(theirs doc.Section, part doc.Part) (doc.Section, error) {
	p, err := doc.Parse(patchOf(m.Free(), nil, nil), part)
	if err != nil {
		return nil, err
	}
	return theirs.Merge(p, part, doc.Stamp{})
}

// TheirEdits are all that they have changed.
func (m meeting) TheirEdits() []history.Edit { return m.Theirs }
