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
			if around(e.Path, t.Path) && (!slices.Equal(e.Path, t.Path) || !sameJSON(e.New, t.New)) {
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

// change is an edit as pages show it: its name, and values as JSON, "" for what
// is not there.
type change struct{ Name, Old, New string }

func changeOf(e history.Edit) change {
	return change{e.Name(), shownJSON(e.Old), shownJSON(e.New)}
}

func changes(edits []history.Edit) []change {
	list := make([]change, len(edits))
	for i, e := range edits {
		list[i] = changeOf(e)
	}
	return list
}

// FreeChanges are my edits that nobody else has touched.
func (m meeting) FreeChanges() []change { return changes(m.Free()) }

// TheirChanges are all that they have changed.
func (m meeting) TheirChanges() []change { return changes(m.Theirs) }

// MyChange is what I have changed.
func (c clash) MyChange() change { return changeOf(c.Mine) }

// TheirChanges are what they have changed there.
func (c clash) TheirChanges() []change { return changes(c.Theirs) }
