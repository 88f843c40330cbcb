package configuration

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// compiled is a configuration made ready to be applied. It is immutable.
type compiled struct {
	Configuration

	stage stage

	kind   Kind
	wishes []wish
	// target finds the twins that the condition is true of; nil for none.
	target *query.Query
	// broken says why the configuration cannot be read: it is damaged, or an
	// older version of the hub has accepted it; nil if it can. What it has
	// written stays, against all others, and it writes nothing.
	broken error
}

// compile makes a configuration ready, as far as it can be.
func compile(c Configuration, at stage) *compiled {
	out := &compiled{Configuration: c, stage: at}
	if out.kind, out.wishes, out.broken = parseContent(c.Content); out.broken == nil {
		out.target, out.broken = compileTarget(out.kind, c.Target)
	}
	return out
}

// at returns the configuration in another stage.
func (c *compiled) at(s stage) *compiled {
	out := *c
	out.stage = s
	return &out
}

// finds reports whether the target condition is true of a twin.
func (c *compiled) finds(row query.Fields) bool { return c.target != nil && c.target.Match(row) }

// reaches reports whether a rollout has come to an identity.
func (c *compiled) reaches(id tvilling.Identity) bool {
	return c.stage.Everyone || place64(c.ID, id) <= uint64(c.stage.Threshold)
}

// place64 is the place of an identity in the order in which a rollout comes to
// them: without a pattern, and always the same.
func place64(configuration string, id tvilling.Identity) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for _, part := range [...]string{configuration, "\x00", string(id.Device), "\x00", string(id.Module)} {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * prime
		}
	}
	// The finish of SplitMix64: FNV alone leaves like ids near each other.
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// table is all configurations at one moment. It is immutable.
type table struct {
	byID map[string]*compiled
	// order has those of each kind in the order of precedence.
	order [2][]*compiled
	// reads are the paths that the conditions of each kind read.
	reads [2][][]string
	// removed are the configurations that are deleted and still leave traces.
	removed map[string]stage
}

func newTable(byID map[string]*compiled, removed map[string]stage) *table {
	t := &table{byID: byID, removed: removed}
	for _, c := range byID {
		t.order[c.kind] = append(t.order[c.kind], c)
		if c.target == nil {
			continue
		}
		for _, m := range c.target.Members() {
			t.reads[c.kind] = append(t.reads[c.kind], m.Segments)
		}
	}
	for _, list := range t.order {
		slices.SortFunc(list, func(a, b *compiled) int {
			switch {
			case a.broken != nil && b.broken == nil:
				return -1
			case a.broken == nil && b.broken != nil:
				return 1
			}
			return cmp.Or(-cmp.Compare(a.Priority, b.Priority), -a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
		})
	}
	return t
}

// with returns a table with one configuration put, or deleted if c is nil; the
// traces of a deleted one are gone when gone says so.
func (t *table) with(id string, c *compiled, left *stage) *table {
	byID, removed := maps.Clone(t.byID), maps.Clone(t.removed)
	delete(byID, id)
	delete(removed, id)
	if c != nil {
		byID[id] = c
	} else if left != nil {
		removed[id] = *left
	}
	return newTable(byID, removed)
}

// idle reports whether there is no configuration for some kinds, nor traces of one.
func (t *table) idle(kinds ...Kind) bool {
	for _, k := range kinds {
		if len(t.order[k]) > 0 {
			return false
		}
	}
	return len(t.removed) == 0
}

// stages yields the stages of all configurations, deleted ones included.
func (t *table) stages() map[string]stage {
	all := maps.Clone(t.removed)
	for id, c := range t.byID {
		all[id] = c.stage
	}
	return all
}

// kindOf returns the kind of configurations that are for an identity.
func kindOf(id tvilling.Identity) Kind {
	if id.IsModule() {
		return Modules
	}
	return Devices
}

// modulesPrefix begins the target conditions of modules (wire §4.5).
const modulesPrefix = "from devices.modules where"

// condition returns the condition of a target, without what says that it is
// for modules; "" for nothing, "*" for everything.
func condition(k Kind, target string) (string, error) {
	target = strings.TrimSpace(target)
	fields := strings.Fields(target)
	switch {
	case target == "":
		return "", nil
	case k == Devices && strings.EqualFold(fields[0], "from"):
		return "", tvilling.Errorf(tvilling.InvalidTargetCondition,
			"The target condition of a configuration with deviceContent is a condition alone, such as tags.site = 's7', or * for all devices.")
	case k == Devices:
		return target, nil
	case len(fields) < 4 || !strings.EqualFold(strings.Join(fields[:3], " "), modulesPrefix):
		return "", tvilling.Errorf(tvilling.InvalidTargetCondition,
			"The target condition of a configuration with moduleContent begins with %q, followed by a condition.", modulesPrefix)
	}
	for _, word := range fields[:3] {
		target = strings.TrimSpace(target[len(word):])
	}
	return target, nil
}

// compileTarget makes the query that finds the targeted twins; nil for none.
func compileTarget(k Kind, target string) (*query.Query, error) {
	where, err := condition(k, target)
	if err != nil || where == "" {
		return nil, err
	}
	if k == Devices && where == "*" {
		return query.Compile("SELECT * FROM devices")
	}
	q, err := query.CompileCondition(target, k.collection())
	if err != nil {
		return nil, tvilling.Errorf(tvilling.InvalidTargetCondition, "The target condition is not one: %s", tvilling.MessageOf(err))
	}
	return q, nil
}

// collection is what the twins of a kind are to a query.
func (k Kind) collection() query.Collection {
	if k == Modules {
		return query.Modules
	}
	return query.Devices
}

// find makes the query for the twins of which conditions are all true. Each of
// them must be a condition by itself, and not only where it is put.
func find(k Kind, conditions ...string) (*query.Query, error) {
	for _, c := range conditions {
		if _, err := query.CompileCondition(c, k.collection()); err != nil {
			return nil, err
		}
	}
	return query.CompileCondition("("+strings.Join(conditions, "\n) AND (")+"\n)", k.collection())
}

// mark is the condition that a twin bears one of some marks of a configuration.
func mark(id string, statuses ...string) string {
	return "configurations.[[" + id + "]].status IN ['" + strings.Join(statuses, "', '") + "']"
}
