package kernel

import (
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// btfWriter writes small BTF files.
type btfWriter struct {
	types, strs []byte
	ids         uint32
}

func (w *btfWriter) name(s string) uint32 {
	if len(w.strs) == 0 {
		w.strs = []byte{0}
	}
	if s == "" {
		return 0
	}
	at := len(w.strs)
	w.strs = append(append(w.strs, s...), 0)
	return uint32(at)
}

// add adds a type and what follows it, and returns its id.
func (w *btfWriter) add(name string, kind, vlen uint32, bitFields bool, size uint32, extra ...uint32) uint32 {
	info := kind<<24 | vlen
	if bitFields {
		info |= 1 << 31
	}
	for _, v := range append([]uint32{w.name(name), info, size}, extra...) {
		w.types = binary.NativeEndian.AppendUint32(w.types, v)
	}
	w.ids++
	return w.ids
}

func (w *btfWriter) bytes() []byte {
	p := binary.NativeEndian.AppendUint16(nil, btfMagic)
	p = append(p, 1, 0) // version, flags
	for _, v := range []uint32{btfHeader, 0, uint32(len(w.types)), uint32(len(w.types)), uint32(len(w.strs))} {
		p = binary.NativeEndian.AppendUint32(p, v)
	}
	return slices.Concat(p, w.types, w.strs)
}

// sampleBTF has a structure with what the kernel's have: members in structures
// without a name, typedefs, pointers, bit fields.
func sampleBTF() []byte {
	w := &btfWriter{}
	word := w.add("unsigned int", btfInt, 0, false, 4, 32)
	w.add("long unsigned int", btfInt, 0, false, 8, 64)
	for range 2 * btfStride { // so that ids are not all near
		w.add("", btfTypedef, 0, false, word)
	}
	pid := w.add("pid_t", btfTypedef, 0, false, word)
	inner := w.add("", btfStruct, 2, false, 8, w.name("a"), word, 0, w.name("b"), pid, 32)
	union := w.add("", btfUnion, 1, false, 8, 0, inner, 0)
	pointer := w.add("", 2, 0, false, word)
	w.add("thing", btfStruct, 6, true, 32,
		w.name("pid"), pid, 0,
		0, union, 64,
		w.name("next"), pointer, 128,
		w.name("proto"), word, 8<<24|200,
		w.name("bit"), word, 1<<24|208,
		w.name("other"), word, 224)
	w.add("other", btfStruct, 1, false, 4, w.name("pid"), pid, 0)
	return w.bytes()
}

var sampleWant = []string{"thing.pid", "thing.a", "thing.b", "thing.next", "thing.proto", "thing.bit", "thing.none", "nothing.pid", "other.pid"}

func TestReadBTF(t *testing.T) {
	t.Parallel()
	got, err := readBTF(bytes.NewReader(sampleBTF()), sampleWant)
	if err != nil {
		t.Fatal(err)
	}
	want := fields{
		longSize:      {0, 8},
		"thing.pid":   {0, 4},
		"thing.a":     {8, 4},
		"thing.b":     {12, 4},
		"thing.next":  {16, 0},
		"thing.proto": {25, 1},
		"other.pid":   {0, 4},
	}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestReadBTFRefuses(t *testing.T) {
	t.Parallel()
	round := &btfWriter{}
	round.add("a", btfTypedef, 0, false, 1)
	round.add("thing", btfStruct, 1, false, 4, round.name("pid"), 1, 0)
	deep := &btfWriter{}
	deep.add("", btfStruct, 1, false, 4, 0, 1, 0) // it is in itself
	deep.add("thing", btfStruct, 1, false, 4, 0, 1, 0)
	beyond := &btfWriter{}
	beyond.add("thing", btfStruct, 1, false, 4, beyond.name("pid"), 9999, 0)
	unknown := &btfWriter{}
	unknown.add("thing", 25, 0, false, 4)
	sample := sampleBTF()
	for _, tt := range []struct {
		name, want string
		file       []byte
	}{
		{"nothing", "EOF", nil},
		{"not BTF", "not BTF", make([]byte, 64)},
		{"a huge section", "too large", slices.Concat(sample[:12], []byte{255, 255, 255, 255}, sample[16:])},
		{"a cut file", "EOF", sample[:1000]},
		{"a typedef of itself", "circles", round.bytes()},
		{"a structure in itself", "too deep", deep.bytes()},
		{"a type that is not there", "no type 9999", beyond.bytes()},
		{"a kind of type to come", "unknown kind 25", unknown.bytes()},
	} {
		_, err := readBTF(bytes.NewReader(tt.file), sampleWant)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestReadBTFOfThisKernel compares with what another reader finds.
func TestReadBTFOfThisKernel(t *testing.T) {
	t.Parallel()
	f, err := os.Open("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	want := []string{
		"task_struct.tgid", "task_struct.real_parent", "task_struct.signal", "signal_struct.live", "mm_struct.arg_start",
		"linux_binprm.filename", "sock_common.skc_daddr", "sock_common.skc_v6_daddr", "sock.sk_protocol", "inet_sock.inet_sport",
	}
	got, err := readBTF(f, want)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range want {
		structure, member, _ := strings.Cut(name, ".")
		var s *btf.Struct
		if err := spec.TypeByName(structure, &s); err != nil {
			t.Fatal(err)
		}
		off, found := offsetOf(s.Members, member)
		if !found || got[name].offset != off {
			t.Errorf("%s is at %d, want %d (there: %v)", name, got[name].offset, off, found)
		}
	}
}

func offsetOf(members []btf.Member, name string) (uint32, bool) {
	for _, m := range members {
		if m.Name == name {
			return m.Offset.Bytes(), true
		}
		if m.Name != "" {
			continue
		}
		var inner []btf.Member
		switch u := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			inner = u.Members
		case *btf.Union:
			inner = u.Members
		}
		if off, ok := offsetOf(inner, name); ok {
			return m.Offset.Bytes() + off, true
		}
	}
	return 0, false
}

func FuzzReadBTF(f *testing.F) {
	f.Add(sampleBTF())
	deep := &btfWriter{}
	deep.add("", btfStruct, 2, false, 4, 0, 1, 0, 0, 1, 0)
	deep.add("thing", btfStruct, 1, false, 4, 0, 1, 0)
	f.Add(deep.bytes())
	f.Fuzz(func(t *testing.T, p []byte) {
		found, err := readBTF(bytes.NewReader(p), sampleWant)
		if err != nil {
			return
		}
		for name := range found {
			if name != longSize && !slices.Contains(sampleWant, name) {
				t.Errorf("found %q, which nobody wanted", name)
			}
		}
	})
}
