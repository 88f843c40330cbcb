package securityapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	defaultTop = 100
	maxTop     = 1000
	// pageBytes is how long a page may get before it ends early.
	pageBytes = 4 << 20
)

func top(c *rest.Call) (int, error) { return c.Within("top", defaultTop, 1, maxTop) }

// page collects up to top records in their JSON form. more says that others
// follow the last one, which is returned too.
func page[T any](list iter.Seq2[T, error], top int, encode func(T) (json.RawMessage, error)) (out []json.RawMessage, last T, more bool, err error) {
	out = []json.RawMessage{}
	size := 0
	for v, err := range list {
		if err != nil {
			return nil, last, false, err
		}
		if len(out) == top || size >= pageBytes {
			return out, last, true, nil
		}
		b, err := encode(v)
		if err != nil {
			return nil, last, false, err
		}
		out, last = append(out, b), v
		size += len(b)
	}
	return out, last, false, nil
}

// severities reads the query string's severity, a list.
func severities(c *rest.Call) ([]ledger.Severity, error) {
	words, err := c.Words("severity", "informational", "low", "medium", "high")
	if err != nil {
		return nil, err
	}
	var list []ledger.Severity
	for _, w := range words {
		s, _ := ledger.ParseSeverity(w) // one of the words
		list = append(list, s)
	}
	return list, nil
}

// device reads the query string's device; "" if there is none.
func device(c *rest.Call) (tvilling.DeviceID, error) {
	d := c.Query.Get("device")
	if d == "" {
		return "", nil
	}
	if err := tvilling.CheckID(d); err != nil {
		return "", rest.BadParameter("device", tvilling.MessageOf(err))
	}
	return tvilling.DeviceID(d), nil
}

// span reads the bounds of a time from the query string.
func span(c *rest.Call, fromName, toName string) (from, to time.Time, err error) {
	if from, err = c.Time(fromName); err != nil {
		return from, to, err
	}
	if to, err = c.Time(toName); err != nil {
		return from, to, err
	}
	if !to.IsZero() && !from.Before(to) && !from.IsZero() {
		return from, to, rest.BadParameter(toName, "The time must be after "+fromName+".")
	}
	return from, to, nil
}

// maxText is the longest text of a query string.
const maxText = 256

// text reads a text of the query string.
func text(c *rest.Call, name string) (string, error) {
	s := c.Query.Get(name)
	if len(s) > maxText {
		return "", rest.BadParameter(name, fmt.Sprintf("The value may have at most %d bytes.", maxText))
	}
	return s, nil
}

// columns reads the query string's by, out of those that can be asked for.
func columns(c *rest.Call, known ...string) ([]string, error) {
	by, err := c.Words("by", known...)
	if err == nil && len(by) == 0 {
		err = rest.BadParameter("by", "Give one or more of "+strings.Join(known, ", ")+".")
	}
	return by, err
}

// summary is the answer of the routes that count.
type summary struct {
	By     []string       `json:"by"`
	Groups []ledger.Group `json:"groups"`
	// More is how many groups, those with the fewest, are left out.
	More int `json:"more"`
}

// summarize answers with the top groups, largest first.
func summarize(c *rest.Call, by []string, groups []ledger.Group) error {
	n, err := c.Within("top", maxTop, 1, maxTop)
	if err != nil {
		return err
	}
	groups = slices.Clone(groups)
	slices.SortStableFunc(groups, func(a, b ledger.Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), slices.Compare(a.Values, b.Values))
	})
	out := summary{By: by, Groups: groups[:min(n, len(groups))]}
	out.More = len(groups) - len(out.Groups)
	if out.Groups == nil {
		out.Groups = []ledger.Group{}
	}
	return c.Answer(out, "")
}

// some returns the list, never nil, so that JSON has [] for it.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
