package agentconfig

import (
	"encoding/json"

	"github.com/tvilling/tvilling/internal/hub/twin/compare"
)

// Judge says how the values of the object agree that are at path below it (as
// "snapshotFrequency", "value") in a comparison of the desired with the reported
// properties of a security module twin, both as JSON: as [Compare] has it,
// where values that mean the same are equal, and what is not desired has its
// default.
func Judge(desired, reported []byte) compare.Judge {
	want := member(desired, Object)
	got, _ := Reported(reported)
	apart := map[string]string{}
	for _, d := range Compare(want, got) {
		apart[d.Property] = d.Why
	}
	stated := map[string]bool{}
	for _, s := range []json.RawMessage{want, got} {
		var members map[string]json.RawMessage
		if json.Unmarshal(s, &members) != nil {
			continue // no object, or nothing: then nothing is judged
		}
		for name := range members {
			stated[name] = true
		}
	}
	wanted := readObject(want, false)
	return func(path []string) (compare.Agreement, string, bool) {
		if len(path) < 2 || path[0] != Object || !stated[path[1]] {
			return "", "", false
		}
		i := indexOf(path[1])
		if i < 0 {
			return "", "", false
		}
		why, differs := apart[path[1]]
		switch {
		case apart[""] != "":
			return compare.NotReported, apart[""], true
		case differs:
			return compare.Differs, why, true
		case wanted.readings[i].stated:
			return compare.Equal, "", true
		default:
			return compare.Default, "", true
		}
	}
}
