package configuration

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Notice is something about a configuration that its author should know. It
// keeps nobody from anything.
type Notice struct {
	// Path is the place in the desired properties that it is about,
	// "properties.desired.a.b".
	Path string
	// Configuration is the other one that it is about, "" for none. Yields says
	// that the other one has its way, and not this one.
	Configuration string
	Yields        bool
	// Message says it, for people.
	Message string
}

// maxNotices bounds the notices of one configuration.
const maxNotices = 50

// Notices says what is unwise about a new or changed configuration, or one that
// is there, and with which others it shares places: first a target condition
// that reads what the configuration itself sets, so that who gets it may lose it
// for that; then others of its kind that want something of the same places, in
// order of precedence. What cannot be read has none.
func (s *Service) Notices(c Configuration) []Notice {
	t := s.table.Load()
	if old := t.byID[c.ID]; old != nil {
		if c.Content == nil {
			c.Content = old.Content
		}
		c.Created = old.Created
	}
	next := compile(c, stage{})
	if next.broken != nil {
		return nil
	}
	list := next.readsOwn()
	for _, other := range t.order[next.kind] {
		if other.ID == next.ID || other.broken != nil {
			continue
		}
		list = append(list, next.shares(other)...)
	}
	return list[:min(len(list), maxNotices)]
}

// readsOwn are the places that the target condition reads and the content sets,
// and the configuration's own mark.
func (c *compiled) readsOwn() (list []Notice) {
	if c.target == nil {
		return nil
	}
	for _, m := range c.target.Members() {
		if len(m.Segments) > 1 && strings.EqualFold(m.Segments[0], "configurations") && m.Segments[1] == c.ID {
			list = append(list, Notice{
				Path:    "configurations.[[" + c.ID + "]]",
				Message: "The target condition asks for the mark of this very configuration, which changes when it is applied or taken away: twins may come and go without end.",
			})
			continue
		}
		if len(m.Segments) < 2 || m.Segments[0] != "properties" || m.Segments[1] != "desired" {
			continue
		}
		for i := range c.wishes {
			if w := &c.wishes[i]; touches(m.Segments[2:], w.path) {
				list = append(list, Notice{
					Path: section + "." + strings.Join(w.path, "."),
					Message: fmt.Sprintf("The target condition reads %s, which the configuration itself sets: a twin that no longer matches for that reason loses it, matches again, and so on. Ask for something that the configuration does not change.",
						strings.Join(m.Segments, ".")),
				})
			}
		}
	}
	return list
}

// shares are the places that c and another configuration both want.
func (c *compiled) shares(other *compiled) (list []Notice) {
	yields := cmp.Or(-cmp.Compare(other.Priority, c.Priority), -other.Created.Compare(c.Created), cmp.Compare(other.ID, c.ID)) < 0
	if c.Created.IsZero() { // a new one is the latest of its priority
		yields = other.Priority > c.Priority
	}
	for i := range c.wishes {
		w := &c.wishes[i]
		if !slices.ContainsFunc(other.wishes, func(o wish) bool { return wants(w, &o) }) {
			continue
		}
		n := Notice{Path: section + "." + strings.Join(w.path, "."), Configuration: other.ID, Yields: yields}
		if n.Yields {
			n.Message = fmt.Sprintf("Where both apply, %s (priority %d) has its way at %s, not this configuration.", other.ID, other.Priority, n.Path)
		} else {
			n.Message = fmt.Sprintf("Where both apply, this configuration has its way at %s, not %s (priority %d).", n.Path, other.ID, other.Priority)
		}
		list = append(list, n)
	}
	return list
}

// wants reports whether two wishes cannot both be had, or are for one place.
func wants(a, b *wish) bool {
	if !touches(a.path, b.path) {
		return false
	}
	// An object leaves room for what others want inside of it.
	inside := func(object, other *wish) bool {
		return object.kind == objectWish && len(other.path) >= len(object.path) && (other.kind == objectWish || len(other.path) > len(object.path))
	}
	return !inside(a, b) && !inside(b, a)
}

// touches reports whether one path leads to the other or into it.
func touches(a, b []string) bool {
	n := min(len(a), len(b))
	return slices.Equal(a[:n], b[:n])
}
