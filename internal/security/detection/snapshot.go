package detection

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
)

// lateness is how much older than the newest snapshot another may be to be
// taken for one that came late. What is older still comes from a clock that
// was ahead and has been set right: then the new time counts.
const lateness = 72 * time.Hour

// late reports whether a snapshot of the given time came after a newer one.
func late(newest, t int64) bool {
	return t < newest && newest-t <= int64(lateness/time.Second)
}

// parts yields all items of the snapshot that e belongs to: an agent may split
// one over several events of a message that have the same time. The index is
// that of the item in e, -1 for one of another event.
func parts(s detect.Scope, e *event.Event) iter.Seq2[int, event.Item] {
	return func(yield func(int, event.Item) bool) {
		for i, it := range e.Items {
			if !yield(i, it) {
				return
			}
		}
		m := s.Message()
		if m == nil {
			return
		}
		for i := range m.Events {
			o := &m.Events[i]
			if o == e || o.ID == e.ID || o.Kind != e.Kind || !o.Time.Equal(e.Time) {
				continue
			}
			for _, it := range o.Items {
				if !yield(-1, it) {
					return
				}
			}
		}
	}
}

// maxChanges bounds the users that one snapshot is reported for one by one; if
// more changed, one finding stands for all: the gravest.
const maxChanges = 16

// reportChanges reports what the difference of two snapshots of the accounts
// has shown.
func reportChanges(s detect.Scope, found []detect.Finding) {
	if len(found) > maxChanges {
		all := slices.MaxFunc(found, func(a, b detect.Finding) int { return cmp.Compare(a.Least, b.Least) })
		all.Cause, all.Hits = "many users", int64(len(found))
		found = []detect.Finding{all}
	}
	for _, f := range found {
		s.Report(f)
	}
}
