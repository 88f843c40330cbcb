package doc_test

import (
	"bytes"
	"testing"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// TestFormat pins format 1 to the byte: stored twins must stay readable, so a
// change here needs a new format number and a reader for the old one.
func TestFormat(t *testing.T) {
	t.Parallel()
	s := mustMerge(t, doc.New(1), `{"a":{"b":true,"q\"":"x"},"n":-1.5}`, startStamp)
	s = mustMerge(t, s, `{"n":null,"a":{"b":false},"l":[1],"e":"\n"}`, patchStamp)
	want := bytes.Join([][]byte{
		{1},                 // format
		{3},                 // version
		{1 + 5 + 3 + 9 + 1}, // size: a and b, q" and x, l and 1, e and nothing
		{0xc2, 0xac, 0xce, 0xf3, 0xf0, 0xbf, 0x98, 0xef, 0x08}, // ticks of 2026-02-02T02:02:02.0200002Z
		{49}, // length of the table
		{2, 14},
		[]byte("policy:service"),
		{18},
		[]byte("policy:iothubowner"),
		{1, 0xc2, 0xa3, 0xed, 0x9a, 0xdd, 0xa5, 0x06, 1, 1}, // the first stamp: 1 member, older by so many ticks and 1 version, actor 1
		{4, 0, 0, 0}, // this change's: 4 members
		{2, 'a', 1, 10<<3 | 5},
		{2, 'b', 1, 0},
		{5, 'q', '"', 0, 1<<3 | 3, 'x'},
		{2, 'l', 1, 3<<3 | 6, '[', '1', ']'},
		{2, 'e', 1, 2<<3 | 4, '\\', 'n'},
	}, nil)
	if !bytes.Equal(s, want) {
		t.Errorf("got  % x\nwant % x", []byte(s), want)
	}
}
