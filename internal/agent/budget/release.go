package budget

import (
	"bytes"
	"runtime/debug"
	"strconv"
)

// Release gives back to the system what is not needed for a while: garbage, and
// the pages of the program's own file that are mapped though nothing of them is
// in use, which are most of it after a start. What is needed again comes from
// the system's cache of files. The caller is to call it when it has done
// something that it will not do again for long.
func (b *Budget) Release() {
	if b.embedded {
		return
	}
	debug.FreeOSMemory()
	releaseProgram()
}

// memoryRange is a range of addresses.
type memoryRange struct{ start, end uintptr }

// cleanRanges returns the ranges of proc_pid_smaps(5) that are mapped from a
// file, are not to be written, and have nothing of their own: what such a range
// has is all in the file. One with relocations in it, as those of programs that
// are linked to run anywhere have, is not among them.
func cleanRanges(smaps []byte, file string) (clean []memoryRange) {
	var now memoryRange
	for line := range bytes.Lines(smaps) {
		words := bytes.Fields(line)
		if len(words) < 2 {
			continue
		}
		if r, ok := parseRange(words[0]); ok {
			now = memoryRange{}
			if len(words) >= 6 && (string(words[1]) == "r-xp" || string(words[1]) == "r--p") && pathOf(line) == file {
				now = r
			}
			continue
		}
		// The kernel tells of pages that are not the file's after Rss and before
		// the flags: a range without that line is not known to be clean.
		if string(words[0]) == "Anonymous:" && string(words[1]) == "0" && now.end > now.start {
			clean = append(clean, now)
		}
	}
	return clean
}

// pathOf is what follows the fifth word of the head of a range.
func pathOf(line []byte) string {
	rest := bytes.TrimSpace(line)
	for range 5 {
		_, after, _ := bytes.Cut(rest, []byte(" "))
		rest = bytes.TrimLeft(after, " ")
	}
	return string(rest)
}

// parseRange reads "00400000-00452000".
func parseRange(b []byte) (memoryRange, bool) {
	from, to, ok := bytes.Cut(b, []byte("-"))
	if !ok {
		return memoryRange{}, false
	}
	start, err := strconv.ParseUint(string(from), 16, strconv.IntSize)
	if err != nil {
		return memoryRange{}, false
	}
	end, err := strconv.ParseUint(string(to), 16, strconv.IntSize)
	return memoryRange{uintptr(start), uintptr(end)}, err == nil && end > start
}
