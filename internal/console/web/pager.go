package web

import (
	"net/url"
	"slices"
	"strings"
)

// maxTrail is how many pages back a reader can go one by one; from further on
// the way back is the first page.
const maxTrail = 16

// Pager are the ways to the pages before and after this one; "" for none.
type Pager struct{ Previous, Next string }

// After is the place in a list where this page begins, as the list gave it out
// for a page before; "" for the first page.
func (c *Call) After() string { return c.Query("after") }

// Pager makes the ways from this page, by keyset: next is where the next page
// begins, "" if this is the last one. Addresses remember the way that the
// reader came, since lists are read forward only.
func (c *Call) Pager(next string) Pager {
	var p Pager
	trail := strings.FieldsFunc(c.Query("trail"), func(r rune) bool { return r == '~' })
	at := func(after string, trail []string) string {
		q := url.Values{}
		for name, values := range c.query {
			q[name] = slices.Clone(values)
		}
		q.Del("after")
		q.Del("trail")
		if after != "" {
			q.Set("after", after)
		}
		if len(trail) > 0 {
			q.Set("trail", strings.Join(trail, "~"))
		}
		if len(q) == 0 {
			return c.R.URL.EscapedPath()
		}
		return c.R.URL.EscapedPath() + "?" + q.Encode()
	}
	after := c.After()
	if next != "" {
		way := trail
		if after != "" {
			way = append(slices.Clone(trail), escapeTrail.Replace(after))
		}
		p.Next = at(next, way[max(0, len(way)-maxTrail):])
	}
	switch {
	case after == "":
	case len(trail) == 0:
		p.Previous = at("", nil)
	default:
		last := len(trail) - 1
		p.Previous = at(unescapeTrail.Replace(trail[last]), trail[:last])
	}
	return p
}

// A trail is places between tildes.
var (
	escapeTrail   = strings.NewReplacer("!", "!0", "~", "!1")
	unescapeTrail = strings.NewReplacer("!0", "!", "!1", "~")
)
