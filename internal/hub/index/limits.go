package index

// rowsPerDistinct is how many rows there are for each distinct value that a
// dictionary takes, between the limits.
const rowsPerDistinct = 64

// limits bound what an index keeps, and say when it does what in which way.
type limits struct {
	// columns bounds the paths of a table that have a column, members those
	// right below one object; what is beyond them is not in the index.
	columns, members int
	// minDistinct and maxDistinct bound how many distinct strings, and how many
	// distinct numbers, a dictionary takes.
	minDistinct, maxDistinct int
	// walkFirst is how many slots are looked at in order before all rows are
	// evaluated: what is frequent is found among them.
	walkFirst int
	// selectUpTo is up to how many rows it takes less time to order those than
	// to walk along all.
	selectUpTo int
}

func defaultLimits() limits {
	return limits{
		columns: 1024, members: 256,
		minDistinct: 4096, maxDistinct: 16384,
		walkFirst: 32 << 10, selectUpTo: 16 << 10,
	}
}
