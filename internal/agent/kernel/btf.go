package kernel

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// field is where a member of a kernel's structure is, in bytes.
type field struct {
	offset, size uint32
}

// fields are members by "structure.member". A member that the kernel lacks is
// not in it.
type fields map[string]field

// longSize is the name under which readBTF gives the size of the kernel's
// pointers: that of its unsigned long.
const longSize = "unsigned long"

// The kinds of BTF types that readBTF looks into, and the last that it knows.
// https://docs.kernel.org/bpf/btf.html
const (
	btfInt      = 1
	btfArray    = 3
	btfStruct   = 4
	btfUnion    = 5
	btfEnum     = 6
	btfTypedef  = 8
	btfRestrict = 11
	btfProto    = 13
	btfVar      = 14
	btfDatasec  = 15
	btfDeclTag  = 17
	btfTypeTag  = 18
	btfEnum64   = 19
)

const (
	btfMagic  = 0xeb9f
	btfHeader = 24
	// btfLimit is the most that a section may have: a vmlinux has 5 MB in all.
	btfLimit = 64 << 20
	// btfWindow is how much is held at a time.
	btfWindow = 32 << 10
	// btfStride is how many types are between two noted positions.
	btfStride = 256
	// btfDepth bounds structures without a name in one another, and chains of
	// typedefs.
	btfDepth = 16
	// btfSteps bounds how many types are looked up in all.
	btfSteps = 4096
)

// btfType is struct btf_type.
type btfType struct {
	name, info, size uint32 // size is the target's id in kinds that refer to one
}

func (t btfType) kind() uint32 { return t.info >> 24 & 31 }
func (t btfType) vlen() uint32 { return t.info & 0xffff }

// extra is how many bytes follow the type itself.
func (t btfType) extra() (int, error) {
	n, k := int(t.vlen()), t.kind()
	switch k {
	case btfInt, btfVar, btfDeclTag:
		return 4, nil
	case btfArray:
		return 12, nil
	case btfStruct, btfUnion, btfDatasec, btfEnum64:
		return 12 * n, nil
	case btfEnum, btfProto:
		return 8 * n, nil
	case 0:
		return 0, errors.New("a type without a kind")
	default:
		if k > btfEnum64 {
			return 0, fmt.Errorf("a type of the unknown kind %d", k)
		}
		return 0, nil
	}
}

// btfMember is a member of a structure or union; offset and size are in bits,
// and size is 0 unless the member is a bit field.
type btfMember struct {
	name, typ, offset, size uint32
}

// btfReader reads the types of a BTF file through a small window: the 5 MB of
// a vmlinux are not held, and types are not decoded unless asked for.
type btfReader struct {
	types    *io.SectionReader
	window   *bufio.Reader
	position []int64 // of the types 1, 1+btfStride, …
	steps    int
}

// readBTF finds the wanted members ("task_struct.tgid") in BTF, as in
// /sys/kernel/btf/vmlinux, and the size of the kernel's unsigned long. Members
// of structures and unions without a name count as members of what they are in.
func readBTF(r io.ReaderAt, want []string) (fields, error) {
	head := make([]byte, btfHeader)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read BTF's header: %w", err)
	}
	u32 := binary.NativeEndian.Uint32
	start, typeOff, typeLen, strOff, strLen := u32(head[4:]), u32(head[8:]), u32(head[12:]), u32(head[16:]), u32(head[20:])
	switch {
	case binary.NativeEndian.Uint16(head) != btfMagic:
		return nil, errors.New("read BTF's header: it is not BTF of this machine")
	case start < btfHeader || start > btfLimit || typeOff > btfLimit || strOff > btfLimit || typeLen > btfLimit || strLen > btfLimit:
		return nil, errors.New("read BTF's header: a section is too large")
	}
	section := func(off, n uint32) *io.SectionReader {
		return io.NewSectionReader(r, int64(start)+int64(off), int64(n))
	}
	b := &btfReader{types: section(typeOff, typeLen)}
	b.window = bufio.NewReaderSize(nil, btfWindow)

	names, err := b.names(section(strOff, strLen), want)
	if err != nil {
		return nil, fmt.Errorf("read BTF's names: %w", err)
	}
	found, members, err := b.structures(names, want)
	if err != nil {
		return nil, fmt.Errorf("read BTF's types: %w", err)
	}
	wanted := make(map[string]bool, len(want))
	for _, w := range want {
		wanted[w] = true
	}
	for structure, list := range members {
		if err := b.collect(found, wanted, names, structure, list, 0, 0); err != nil {
			return nil, fmt.Errorf("read BTF of %s: %w", structure, err)
		}
	}
	return found, nil
}

// names returns the wanted names by their place among the strings.
func (b *btfReader) names(strs io.Reader, want []string) (map[uint32]string, error) {
	wanted := map[string]bool{"unsigned long": true, "long unsigned int": true}
	for _, w := range want {
		structure, member, _ := strings.Cut(w, ".")
		wanted[structure], wanted[member] = true, true
	}
	names := make(map[uint32]string, len(wanted))
	b.window.Reset(strs)
	for off, whole := 0, true; ; {
		s, err := b.window.ReadSlice(0)
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if n := len(s) - 1; whole && err == nil && n > 0 && wanted[string(s[:n])] {
			names[uint32(off)] = string(s[:n])
		}
		whole = err == nil // the rest of an overlong string is not a name
		off += len(s)
	}
}

// structures goes through all types once: it notes positions, and returns the
// members of the structures that are wanted. The first of a name counts.
func (b *btfReader) structures(names map[uint32]string, want []string) (fields, map[string][]btfMember, error) {
	structs := map[string]bool{}
	for _, w := range want {
		structure, _, _ := strings.Cut(w, ".")
		structs[structure] = true
	}
	found, members := fields{}, map[string][]btfMember{}
	b.window.Reset(io.NewSectionReader(b.types, 0, b.types.Size()))
	for id, pos := 0, int64(0); pos < b.types.Size(); id++ {
		if id%btfStride == 0 {
			b.position = append(b.position, pos)
		}
		t, err := b.next()
		if err != nil {
			return nil, nil, err
		}
		n, err := t.extra()
		if err != nil {
			return nil, nil, err
		}
		pos += 12 + int64(n)
		name := names[t.name]
		switch {
		case t.kind() == btfStruct && structs[name] && members[name] == nil:
			if members[name], err = b.members(t, names); err != nil {
				return nil, nil, err
			}
			continue
		case t.kind() == btfInt && (name == "long unsigned int" || name == "unsigned long"):
			found[longSize] = field{size: t.size}
		}
		if _, err := b.window.Discard(n); err != nil {
			return nil, nil, err
		}
	}
	return found, members, nil
}

// next reads one type, without what follows it.
func (b *btfReader) next() (btfType, error) {
	p, err := b.window.Peek(12)
	if err != nil {
		return btfType{}, err
	}
	u32 := binary.NativeEndian.Uint32
	t := btfType{name: u32(p), info: u32(p[4:]), size: u32(p[8:])}
	_, err = b.window.Discard(12)
	return t, err
}

// members reads those members of the structure t, just read, that have a
// wanted name or none.
func (b *btfReader) members(t btfType, names map[uint32]string) ([]btfMember, error) {
	list := []btfMember{}
	for range t.vlen() {
		p, err := b.window.Peek(12)
		if err != nil {
			return nil, err
		}
		u32 := binary.NativeEndian.Uint32
		m := btfMember{name: u32(p), typ: u32(p[4:]), offset: u32(p[8:])}
		if t.info>>31 != 0 { // the structure has bit fields
			m.size, m.offset = m.offset>>24, m.offset&0xffffff
		}
		if m.name == 0 || names[m.name] != "" {
			list = append(list, m)
		}
		if _, err := b.window.Discard(12); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// collect puts the wanted ones of members, at base bytes in the structure, into
// found.
func (b *btfReader) collect(found fields, wanted map[string]bool, names map[uint32]string, structure string, members []btfMember, base uint32, depth int) error {
	for _, m := range members {
		if m.name == 0 {
			t, err := b.at(m.typ)
			if err != nil {
				return err
			}
			if k := t.kind(); k != btfStruct && k != btfUnion {
				continue // padding of bits
			}
			if depth == btfDepth {
				return errors.New("structures are too deep in one another")
			}
			inner, err := b.members(t, names)
			if err == nil {
				err = b.collect(found, wanted, names, structure, inner, base+m.offset/8, depth+1)
			}
			if err != nil {
				return err
			}
			continue
		}
		key := structure + "." + names[m.name]
		if _, twice := found[key]; twice || !wanted[key] {
			continue
		}
		if m.size%8 != 0 || m.offset%8 != 0 {
			continue // bits within a byte are of no use to us
		}
		size, err := m.size/8, error(nil)
		if size == 0 {
			if size, err = b.sizeOf(m.typ); err != nil {
				return err
			}
		}
		found[key] = field{offset: base + m.offset/8, size: size}
	}
	return nil
}

// sizeOf is the size of a type in bytes; 0 of a pointer or of what has none.
func (b *btfReader) sizeOf(id uint32) (uint32, error) {
	for range btfDepth {
		t, err := b.at(id)
		if err != nil {
			return 0, err
		}
		switch k := t.kind(); {
		case k >= btfTypedef && k <= btfRestrict || k == btfTypeTag:
			id = t.size
		case k == btfInt || k == btfStruct || k == btfUnion || k == btfEnum || k == btfEnum64:
			return t.size, nil
		default:
			return 0, nil
		}
	}
	return 0, errors.New("a typedef goes round in circles")
}

// at reads the type of an id, without what follows it.
func (b *btfReader) at(id uint32) (btfType, error) {
	if b.steps++; b.steps > btfSteps {
		return btfType{}, errors.New("types refer to too many others")
	}
	if id == 0 { // void
		return btfType{}, nil
	}
	stride, rest := int((id-1)/btfStride), (id-1)%btfStride
	if stride >= len(b.position) {
		return btfType{}, fmt.Errorf("there is no type %d", id)
	}
	pos := b.position[stride]
	b.window.Reset(io.NewSectionReader(b.types, pos, b.types.Size()-pos))
	for {
		t, err := b.next()
		if err != nil || rest == 0 {
			return t, err
		}
		n, err := t.extra()
		if err != nil {
			return btfType{}, err
		}
		if _, err := b.window.Discard(n); err != nil {
			return btfType{}, err
		}
		rest--
	}
}
