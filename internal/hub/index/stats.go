package index

import (
	"slices"
	"strings"
	"time"
)

// Stats says what an index holds and what it takes.
type Stats struct {
	// Devices and Modules are the rows, Damaged those of them that cannot be
	// read, and Unreadable the records that the build could not even name.
	Devices, Modules, Damaged, Unreadable int64
	// Bytes is what all of it takes, Budget what it may.
	Bytes, Budget int64
	// Built is how long the build took until the index was ready; 0 before.
	Built time.Duration
	// Columns are the paths, ascending by kind and name. Full is how many objects
	// have members beside them that got no column, since there are too many.
	Columns []ColumnStats
	Full    int64
}

// ColumnStats says how one path is kept.
type ColumnStats struct {
	Modules bool
	Path    string
	// Rows have a value; of Inexact ones it is not known exactly.
	Rows, Inexact int64
	// Distinct is how many values have a code.
	Distinct int
	Bytes    int64
	// Used is how many queries have read the path.
	Used int64
	// Coarse says that the budget allowed no more than whether there is a value,
	// Dropped that it did not allow that either.
	Coarse, Dropped bool
}

// Stats returns what the index holds now.
func (x *Index) Stats() Stats {
	s := Stats{
		Devices: x.devices.rows.Load(), Modules: x.modules.rows.Load(),
		Damaged:    x.devices.damaged.Load() + x.modules.damaged.Load(),
		Unreadable: x.unreadable.Load(),
		Full:       x.closed.Load(),
		Bytes:      x.bytes.Load(), Budget: x.opt.Budget, Built: time.Duration(x.built.Load()),
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, t := range []*table{&x.devices, &x.modules} {
		from := len(s.Columns)
		for _, c := range t.columns {
			c.mu.RLock()
			distinct := len(c.values)
			c.mu.RUnlock()
			s.Columns = append(s.Columns, ColumnStats{
				Modules: t.modules, Path: c.name, Rows: c.defined.Load(), Inexact: c.inexact.Load(), Distinct: distinct,
				Bytes: c.bytes.Load(), Used: c.used.Load(), Coarse: c.coarse.Load(), Dropped: c.gone.Load(),
			})
		}
		slices.SortFunc(s.Columns[from:], func(a, b ColumnStats) int { return strings.Compare(a.Path, b.Path) })
	}
	return s
}
