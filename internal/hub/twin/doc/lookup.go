package doc

// Lookup returns the value at path, one key an element, and whether there is
// one. No path is the section itself. A path of "$version" is the section's
// version, and one that begins with "$metadata" leads into what [Form.Metadata]
// adds, "$lastUpdatedVersion", "$actor" and "$lastUpdatedBy" included; there the
// last element may also be one of these or "$lastUpdated". Elements of arrays have no path: see
// [Value.Elements].
//
// It allocates nothing, except for an object of $metadata or more than 24
// different stamps.
func (s Section) Lookup(path ...string) (Value, bool) {
	if len(path) > 0 && (path[0] == "" || path[0][0] != '$') {
		return s.lookupMember(path)
	}
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
	return Value{}, false // no name begins so
}

// lookupMember follows a path of members.
func (s Section) lookupMember(path []string) (Value, bool) {
	m := member{kind: kindObject}
	var ok bool
	if m.val, ok = s.members(); !ok {
		return Value{}, false
	}
	for _, key := range path {
		if m.kind != kindObject || !m.find(m.val, key) {
			return Value{}, false
		}
	}
	v := stored(m.kind, m.val)
	return v, v.kind != 0
}

// members returns the stored members, as header does, without reading what
// stands before them.
func (s Section) members() ([]byte, bool) {
	if len(s) == 0 {
		return nil, true
	}
	i := 1
	for range 3 { // version, size, ticks
		for i < len(s) && s[i] >= 0x80 {
			i++
		}
		i++
	}
	if i > len(s) {
		return nil, false
	}
	table, i := uvarint(s, i)
	if s[0] != format || i < 0 || table > uint64(len(s)-i) {
		return nil, false
	}
	return s[i+int(table):], true
}

// find reads the member with the given key among the members b. It steps over
// the others without reading more of them than their lengths.
func (m *member) find(b []byte, key string) bool {
	head := uint64(len(key)) << 1
	for i := 0; i < len(b); {
		// A short key, an early stamp and a value below 2 KiB, as they mostly are.
		if at := i + 1 + int(b[i]>>1); b[i] < 0x80 && at+2 < len(b) && b[at] < 0x80 && (b[at+1] < 0x80 || b[at+2] < 0x80) {
			length := int(b[at+1])
			end := at + 2
			if length >= 0x80 {
				length = length&0x7f | int(b[at+2])<<7
				end++
			}
			if uint64(b[i]&^1) != head || string(b[i+1:at]) != key {
				i = end + length>>3
				continue
			}
		}
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
			var rowBuf [24]row
			var actorBuf [8][]byte
			actors, rows, ok := h.stamps(actorBuf[:0], rowBuf[:0])
			if !ok {
				return Value{}, false
			}
			r, ok := h.stamp(rows, root, m.stamp)
			v, found := stampValue(key, r, actors)
			if configuration(key) && m.kind == kindObject {
				found = false // values alone say so (wire §2.2)
			}
			return v, ok && found
		}
		if m.kind != kindObject || !m.find(m.val, key) {
			return Value{}, false
		}
		root = false
	}
	actors, rows, ok := h.stamps(nil, nil)
	if !ok {
		return Value{}, false
	}
	o := &metaObject{stamps: &stampTable{h: *h, actors: actors, rows: rows}, root: root, m: m}
	return Value{kind: Object, form: formMeta, meta: o}, true
}

// stamp returns the stamp of the section itself or of a member that bears the
// given one.
func (h *header) stamp(rows []row, root bool, stamp uint32) (row, bool) {
	if root {
		return row{ticks: h.ticks, version: h.version}, true
	}
	if int(stamp) >= len(rows) {
		return row{}, false
	}
	return rows[stamp], true
}

// configuration reports whether a value of a stamp tells of an automatic
// configuration.
func configuration(key string) bool { return key == "$lastUpdatedBy" || key == "$lastUpdatedByDigest" }

// stampValue returns one of the values of a stamp.
func stampValue(key string, r row, actors [][]byte) (Value, bool) {
	switch key {
	case "$lastUpdated":
		return Value{kind: String, form: formTicks, n: r.ticks}, true
	case "$lastUpdatedVersion":
		return Value{kind: Number, form: formInt, n: r.version}, r.ticks > 0
	case "$actor":
		if int(r.actor) < len(actors) && len(actors[r.actor]) > 0 {
			return Value{kind: String, form: formPlain, raw: actors[r.actor]}, true
		}
	case "$lastUpdatedBy", "$lastUpdatedByDigest":
		if int(r.actor) >= len(actors) {
			return Value{}, false
		}
		id, digest, ok := ConfigurationOf(actors[r.actor])
		if key == "$lastUpdatedByDigest" {
			id = digest
		}
		return Value{kind: String, form: formPlain, raw: id}, ok
	}
	return Value{}, false
}

// metaObject is a level of $metadata as a value.
type metaObject struct {
	stamps *stampTable
	root   bool
	m      member
}

// stampTable is the table of stamps, read once for a $metadata value and all
// the values inside it.
type stampTable struct {
	h      header
	actors [][]byte
	rows   []row
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
	t := o.stamps
	r, ok := t.h.stamp(t.rows, o.root, o.m.stamp)
	if !ok {
		return
	}
	for _, key := range [...]string{"$lastUpdated", "$lastUpdatedVersion", "$actor", "$lastUpdatedBy", "$lastUpdatedByDigest"} {
		if configuration(key) && o.m.kind == kindObject {
			continue
		}
		if v, ok := stampValue(key, r, t.actors); ok && !yield(key, v) {
			return
		}
	}
	if o.m.kind != kindObject {
		return
	}
	sub := metaObject{stamps: t}
	for i := 0; i < len(o.m.val); {
		if i = sub.m.read(o.m.val, i); i < 0 {
			return
		}
		level := sub
		if !yield(string(sub.m.key), Value{kind: Object, form: formMeta, meta: &level}) {
			return
		}
	}
}
