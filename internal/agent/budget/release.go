package budget

import "runtime/debug"

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
