package doc

// Lookup returns the value at path, one key an element, and whether there is
// one. No path is the section itself. A path of "$version" is the section's
// version, and one that begins with "$metadata" leads into what [Form.Metadata]
// adds, "$lastUpdatedVersion" and "$actor" included; there the last element may
// also be one of these or "$lastUpdated". Elements of arrays have no path: see
// [Value.Elements].
//
// It allocates nothing, except for an object of $metadata or more than 24
// different stamps.
func (s Section) Lookup(path ...string) (Value, bool) {
	h, ok := s.header()
	if !ok {
		return Value{}, false
	}
	if len(path) == 0 {
		return Value{kind: Object, form: formMembers, raw: h.members}, true
	}
	switch path[0] {
	case "$version":
		return Value{kind: Number, form: formInt, n: h.version}, len(path) == 1
	case "$metadata":
		return lookupMetadata(&h, path[1:])
	}
	m := member{kind: kindObject, val: h.members}
	for _, key := range path {
		if m.kind != kindObject || !m.find(m.val, key) {
			return Value{}, false
		}
	}
	v := stored(m.kind, m.val)
	return v, v.kind != 0
}

// find reads the member with the given key among the members b.
func (m *member) find(b []byte, key string) bool {
	for i := 0; i < len(b); {
		if i = m.read(b, i); i < 0 {
			return false
		}
		if string(m.key) == key {
			return true
		}
	}
	return false
}

// lookupMetadata follows a path inside $metadata.
func lookupMetadata(h *header, path []string) (Value, bool) {
	m := member{kind: kindObject, val: h.members}
	root := true
	for i, key := range path {
		if len(key) > 0 && key[0] == '$' {
			if i != len(path)-1 {
				return Value{}, false
			}
			return h.stampValue(key, root, m.stamp)
		}
		if m.kind != kindObject || !m.find(m.val, key) {
			return Value{}, false
		}
		root = false
	}
	return metaValue(h, &m, root)
}

// stampValue returns one of the values of a stamp, of the section or of a
// member that bears the given one.
func (h *header) stampValue(key string, root bool, stamp uint32) (Value, bool) {
	var rowBuf [24]row
	var actorBuf [8][]byte
	actors, rows, ok := h.stamps(actorBuf[:0], rowBuf[:0])
	if !ok || !root && int(stamp) >= len(rows) {
		return Value{}, false
	}
	r := row{ticks: h.ticks, version: h.version}
	if !root {
		r = rows[stamp]
	}
	switch key {
	case "$lastUpdated":
		return Value{kind: String, form: formTicks, n: r.ticks}, true
	case "$lastUpdatedVersion":
		return Value{kind: Number, form: formInt, n: r.version}, h.ticks > 0
	case "$actor":
		if int(r.actor) < len(actors) && len(actors[r.actor]) > 0 {
			return Value{kind: String, form: formPlain, raw: actors[r.actor]}, true
		}
	}
	return Value{}, false
}

// metaObject is a level of $metadata as a value.
type metaObject struct {
	h    header
	root bool
	m    member
}

func metaValue(h *header, m *member, root bool) (Value, bool) {
	return Value{kind: Object, form: formMeta, meta: &metaObject{h: *h, root: root, m: *m}}, true
}

// appendJSON appends the object with all that stamps can say.
func (o *metaObject) appendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	o.members(func(key string, v Value) bool {
		dst = appendComma(dst)
		dst = appendString(dst, []byte(key))
		dst = append(dst, ':')
		dst = v.AppendJSON(dst)
		return true
	})
	return append(dst, '}')
}

// members yields the stamp's values, then the levels below.
func (o *metaObject) members(yield func(string, Value) bool) {
	for _, key := range [...]string{"$lastUpdated", "$lastUpdatedVersion", "$actor"} {
		if v, ok := o.h.stampValue(key, o.root, o.m.stamp); ok && !yield(key, v) {
			return
		}
	}
	if o.m.kind != kindObject {
		return
	}
	var m member
	for i := 0; i < len(o.m.val); {
		if i = m.read(o.m.val, i); i < 0 {
			return
		}
		if v, ok := metaValue(&o.h, &m, false); ok && !yield(string(m.key), v) {
			return
		}
	}
}
