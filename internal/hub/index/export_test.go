package index

// Narrow makes every limit of x small, so that a few twins meet them.
func Narrow(x *Index) {
	x.limits = limits{columns: 40, members: 3, minDistinct: 2, maxDistinct: 2, walkFirst: 3, selectUpTo: 2}
}

// Check compares what x counts with what is in its cells, and returns what differs.
func Check(x *Index) []string { return x.check() }
