package budget_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/budget"
)

const smaps = `00400000-0080e000 r-xp 00000000 fe:00 131 /usr/bin/tvilling agent
Size:               4152 kB
Rss:                4152 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
0080e000-00c46000 r--p 0040e000 fe:00 131 /usr/bin/tvilling agent
Rss:                4000 kB
Anonymous:             4 kB
00c46000-00c89000 r--p 00846000 fe:00 131                        /usr/bin/tvilling agent
Anonymous:             0 kB
00c89000-00cff000 rw-p 00889000 fe:00 131 /usr/bin/tvilling agent
Anonymous:             0 kB
00cff000-00d00000 r-xp 00000000 fe:00 132 /usr/lib/libc.so.6
Anonymous:             0 kB
7f4c08790000-7f4c08792000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
00d00000-00d01000 r--p 00000000 fe:00 131 /usr/bin/tvilling agent
Rss:                   4 kB
`

func TestCleanRanges(t *testing.T) {
	want := [][2]uintptr{{0x400000, 0x80e000}, {0xc46000, 0xc89000}}
	if d := cmp.Diff(want, budget.CleanRanges([]byte(smaps), "/usr/bin/tvilling agent")); d != "" {
		t.Error(d)
	}
}

func FuzzCleanRanges(f *testing.F) {
	f.Add([]byte(smaps), "/usr/bin/tvilling agent")
	f.Add([]byte("1-0 r-xp 0 0 0 x\nAnonymous: 0"), "x")
	f.Add([]byte("0-ffffffffffffffffff r--p 0 0 0 x\nAnonymous: 0 kB"), "x")
	f.Fuzz(func(t *testing.T, text []byte, file string) {
		for _, r := range budget.CleanRanges(text, file) {
			if r[1] <= r[0] {
				t.Errorf("range %x", r)
			}
		}
	})
}

// The pages of this program that are mapped become fewer, and it goes on.
func TestRelease(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before := mapped(t, program)
	budget.New(budget.Options{}).Release()
	if after := mapped(t, program); after >= before {
		t.Errorf("%d KiB of the program were mapped, and now %d", before, after)
	}
	again := mapped(t, program)
	budget.New(budget.Options{Embedded: true}).Release()
	if after := mapped(t, program); after < again {
		t.Errorf("a guest has released pages of its host: %d KiB were mapped, and now %d", again, after)
	}
}

// mapped is how many KiB of a file are mapped and resident here.
func mapped(t *testing.T, file string) (kib int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip("no /proc/self/smaps: ", err)
	}
	inside := false
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		if len(words) >= 6 && bytes.Contains(words[0], []byte("-")) {
			inside = string(words[5]) == filepath.Clean(file)
		}
		if inside && string(words[0]) == "Rss:" {
			n, err := strconv.Atoi(string(words[1]))
			if err != nil {
				t.Fatal(err)
			}
			kib += n
		}
	}
	return kib
}
