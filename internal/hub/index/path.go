package index

// path is a member of the twins, with those inside of it that any twin has.
type path struct {
	// name is the last part of full.
	name, full string
	column     *column
	members    []*path
	byName     map[string]*path
	at         int // where it is among the members of its own
	// closed says that members may be missing here, because there are too many.
	closed bool
	// last is where the writer found a member last: twins tend to have the same
	// members in the same order.
	last int
}

// member returns a member by its name, nil if there is none. The caller holds mu.
func (p *path) member(name string) *path { return p.byName[name] }

// child returns the member of p that key names, a new one if need be, and nil
// if there are too many. The writer alone calls it.
func (x *Index) child(t *table, p *path, key []byte) *path {
	i := p.last + 1
	if i >= len(p.members) {
		i = 0
	}
	if i < len(p.members) && p.members[i].name == string(key) {
		p.last = i
		return p.members[i]
	}
	if m := p.byName[string(key)]; m != nil {
		p.last = m.at
		return m
	}
	if p.closed {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(t.columns) >= x.limits.columns || len(p.members) >= x.limits.members {
		p.closed = true
		x.closed.Add(1)
		return nil
	}
	return x.addPath(t, p, string(key))
}

// addPath makes a member of p with a column. The caller holds mu.
func (x *Index) addPath(t *table, p *path, key string) *path {
	m := &path{name: key, full: key, at: len(p.members), last: -1}
	if p.full != "" {
		m.full = p.full + "." + key
	}
	m.column = x.addColumn(t, m.full)
	if p.byName == nil {
		p.byName = make(map[string]*path)
	}
	p.members = append(p.members, m)
	p.byName[key] = m
	return m
}

// addColumn makes a column. The caller holds mu.
func (x *Index) addColumn(t *table, name string) *column {
	c := &column{number: len(t.columns), name: name, refs: make([]int32, firstCode)}
	c.coarse.Store(x.full.Load())
	t.columns = append(t.columns, c)
	return c
}
