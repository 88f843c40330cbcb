package doc_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// crafted is a section of version 1 and the given size whose members, count of
// them, bear one stamp without actor.
func crafted(size, count byte, members string) doc.Section {
	return doc.Section("\x01\x01" + string([]byte{size}) + "\x01\x06\x01\x00" + string([]byte{count}) + "\x00\x00\x00" + members)
}

func TestValidateNamesTheDamage(t *testing.T) {
	t.Parallel()
	const a = "\x02a\x00" // key a, stamp 0
	if err := crafted(5, 1, a+"\x01").Validate(); err != nil {
		t.Fatalf("a sound section: %v", err)
	}
	many := func(n int, last string) string {
		var b strings.Builder
		for i := range n - 1 {
			fmt.Fprintf(&b, "\x02%c\x00\x05", 'A'+i)
		}
		return b.String() + "\x02" + last + "\x00\x05"
	}
	if err := crafted(20, 20, many(20, "a")).Validate(); err != nil {
		t.Fatalf("a sound section of 20 members: %v", err)
	}
	for _, tt := range []struct {
		name string
		s    doc.Section
		want string
	}{
		{"format", doc.Section{2, 1, 0, 0, 0}, "it has format 2, and this version of the hub knows format 1 only"},
		{"length", append(doc.New(1), make([]byte, 256<<10)...), "it has 262149 bytes, and the maximum is 262144"},
		{"head", doc.Section{1, 1, 0, 0}, "its head is malformed"},
		{"stamps", doc.Section{1, 1, 0, 1, 2, 1, 5}, "its table of stamps is malformed"},
		{"stamp in the future of its section", doc.Section("\x01\x01\x05\x01\x06\x01\x00\x01\x02\x00\x00" + a + "\x01"), "its table of stamps is malformed"},
		{"actor", doc.Section("\x01\x01\x05\x01\x06\x01\x00\x01\x00\x00\x01" + a + "\x01"), "its table of stamps is malformed"},
		{"size", crafted(6, 1, a+"\x01"), "its size is said to be 6 and is 5"},
		{"bearers", crafted(5, 2, a+"\x01"), "a stamp is said to have more members than bear it"},
		{"stamp", crafted(6, 1, a+"\x01\x02b\x01\x05"), "a member bears a stamp that is not there"},
		{"too few bearers", crafted(6, 1, a+"\x01\x02b\x00\x05"), "a member bears a stamp that is not there"},
		{"cut member", crafted(5, 1, "\x02a\x00"), "a member is malformed"},
		{"value beyond the end", crafted(5, 1, a+"\x12x"), "a member is malformed"},
		{"null", crafted(1, 1, a+"\x07"), "a value is malformed"},
		{"true with a value", crafted(5, 1, a+"\x091"), "a value is malformed"},
		{"number", crafted(9, 1, a+"\x12-x"), "a value is malformed"},
		{"number out of range", crafted(9, 1, a+"\x2a1e999"), "a value is malformed"},
		{"text with quotation mark", crafted(2, 1, a+"\x0b\""), "a value is malformed"},
		{"text that is escaped", crafted(2, 1, a+"\x13\\n"), "a value is malformed"},
		{"text not UTF-8", crafted(2, 1, a+"\x0b\xff"), "a value is malformed"},
		{"array", crafted(1, 1, a+"\x0e["), "a value is malformed"},
		{"array that is none", crafted(9, 1, a+"\x0e1"), "a value is malformed"},
		{"array with white space", crafted(1, 1, a+"\x1e[ ]"), "a value is malformed"},
		{"array with null", crafted(1, 1, a+"\x36[null]"), "a value is malformed"},
		{"key with dollar first", crafted(1, 1, "\x02$\x00\x05"), "a key is malformed"},
		{"key not UTF-8", crafted(1, 1, "\x02\xff\x00\x05"), "a key is malformed"},
		{"key to be escaped", crafted(1, 1, "\x02\"\x00\x05"), "a key is malformed"},
		{"key not to be escaped", crafted(1, 1, "\x03a\x00\x05"), "a key is malformed"},
		{"key twice", crafted(2, 2, a+"\x05"+a+"\x05"), "a key is there twice"},
		{"key twice in 20", crafted(20, 20, many(20, "A")), "a key is there twice"},
		{"depth", crafted(12, 12, nested(12)), "it nests too deep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.s.Validate()
			want := "The stored twin section is damaged: " + tt.want + "."
			if tvilling.CodeOf(err) != tvilling.Corrupt || tvilling.MessageOf(err) != want {
				t.Errorf("got %v, want %s", err, want)
			}
			use(tt.s, mustParse(t, []byte(`{"a":null,"b":{"c":1}}`)))
		})
	}
	// What is malformed in its structure is not merged into, nor written.
	p := mustParse(t, []byte(`{"a":{"a":{"z":1}},"y":2}`))
	for _, s := range []doc.Section{crafted(5, 1, "\x02a\x00"), crafted(12, 12, nested(12)), crafted(0, 0, a+"\x05"), crafted(2, 2, a+"\x05"+a+"\x05")} {
		if _, err := s.Merge(mustParse(t, []byte(`{"a":1,"b":2}`)), doc.Desired, startStamp); tvilling.CodeOf(err) != tvilling.Corrupt {
			t.Errorf("% x: merged, %v", []byte(s), err)
		}
		_, _ = s.Merge(p, doc.Desired, startStamp)
	}
	for _, s := range []doc.Section{crafted(5, 1, "\x02a\x00"), crafted(12, 12, nested(12)), crafted(1, 1, "\x02a\x01\x05")} {
		if got := s.AppendJSON([]byte("-"), full); string(got) != "-" {
			t.Errorf("% x: wrote %s", []byte(s), got)
		}
	}
}

// nested is n objects, each the only member of the one around it.
func nested(n int) string {
	s := ""
	for range n {
		tag := len(s)<<3 | 5
		if tag < 0x80 {
			s = "\x02a\x00" + string([]byte{byte(tag)}) + s
		} else {
			s = "\x02a\x00" + string([]byte{byte(tag) | 0x80, byte(tag >> 7)}) + s
		}
	}
	return s
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	s := mustMerge(t, mustMerge(t, doc.New(1), `{"a":{"b":"x"},"c":[1,"y"]}`, startStamp), `{"d":1.5}`, patchStamp)
	p := mustParse(t, []byte(`{"a":{"b":null},"c":1,"e":2}`))
	for i := range s {
		for bit := range 8 {
			b := bytes.Clone(s)
			b[i] ^= 1 << bit
			use(b, p)
		}
		if cut := s[:i]; i > 0 && cut.Validate() == nil {
			t.Errorf("cut to %d bytes: valid", i)
		}
	}
	for _, b := range []string{"\x02", "\x00", "\x01", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00\x00", "\x01\x01\x00\x00\x05", "\x01\x01\x00\x00\x00x"} {
		bad := doc.Section(b)
		if err := bad.Validate(); tvilling.CodeOf(err) != tvilling.Corrupt {
			t.Errorf("%q: %v", b, err)
		}
		if _, err := bad.Merge(p, doc.Desired, startStamp); b[:1] != "\x01" && tvilling.CodeOf(err) != tvilling.Corrupt {
			t.Errorf("merge of %q: %v", b, err)
		}
		if got := bad.AppendJSON([]byte("-"), full); string(got) != "-" {
			t.Errorf("%q reads %s", b, got)
		}
	}
}

// use does all that can be done with bytes of unknown origin.
func use(s doc.Section, p *doc.Patch) {
	_ = s.Version() + int64(s.Size())
	_, _ = s.Updated(), s.IsEmpty()
	s.AppendJSON(nil, full)
	visit(s, nil, 0)
	for _, path := range [][]string{{"a", "b"}, {"$version"}, {"$metadata"}, {"$metadata", "a", "$lastUpdated"}, {"$metadata", "$actor"}} {
		if v, ok := s.Lookup(path...); ok {
			v.AppendJSON(v.AppendText(nil))
			plain(v)
		}
	}
	valid := s.Validate() == nil
	merged, err := s.Merge(p, doc.Desired, patchStamp)
	if valid && err == nil {
		if err := merged.Validate(); err != nil {
			panic(fmt.Sprintf("merge into a valid section gave %v", err))
		}
	}
	_, _ = s.Replace(p, doc.Desired, patchStamp)
}

// visit walks over all that s says it holds.
func visit(s doc.Section, path []string, depth int) {
	v, ok := s.Lookup(path...)
	if !ok || depth > 12 {
		return
	}
	for range v.Elements() {
	}
	for key := range v.Members() {
		visit(s, append(slices.Clip(path), key), depth+1)
	}
}
