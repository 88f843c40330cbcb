package sqlite

import (
	"log/slog"
	"time"

	"github.com/tvilling/tvilling/internal/store/segment"
)

// Options say where a store is and how much it may use. Dir is needed; every
// other field has a default that its zero value stands for.
type Options struct {
	// Dir is the directory of the store; it is made, readable by the owner
	// only, if it does not exist.
	Dir string
	// Logger hears what is worth a look: a replay, damage, a write-back that
	// fails. The default discards.
	Logger *slog.Logger

	// CacheBytes bounds the memory for records kept to be read again; default
	// 128 MiB.
	CacheBytes int64
	// DirtyBytes bounds the memory for records that SQLite does not hold yet;
	// default 128 MiB. Writing back begins at half of it; at the bound commits
	// wait, or are refused while writing back fails.
	DirtyBytes int64
	// WriteBackAfter is how long a record waits for more changes before it is
	// written back; default 10 s.
	WriteBackAfter time.Duration
	// ReplayBytes is how much of the journal a start may have to replay before
	// writing back begins; default 128 MiB.
	ReplayBytes int64

	// HistoryAge and HistoryBytes bound the journal's history: whole segments
	// that are older, or above the size, are dropped; default 7 days, 1 GiB.
	HistoryAge   time.Duration
	HistoryBytes int64
	// SegmentBytes is the size of one file of the journal; default 64 MiB.
	SegmentBytes int64
	// RecentBytes bounds the memory for the newest changes, from which
	// followers of the journal are served; default 8 MiB.
	RecentBytes int64

	// AcceptLoss opens a store whose journal is damaged so that what was lost
	// cannot be named. Without it such a store is refused, because stale
	// records would be served for newer ones.
	AcceptLoss bool

	// FS is the file system of the journal; nil means the operating system's.
	FS segment.FS
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.CacheBytes = orDefault(o.CacheBytes, 128<<20)
	o.DirtyBytes = orDefault(o.DirtyBytes, 128<<20)
	o.WriteBackAfter = orDefault(o.WriteBackAfter, 10*time.Second)
	o.ReplayBytes = orDefault(o.ReplayBytes, 128<<20)
	o.HistoryAge = orDefault(o.HistoryAge, 7*24*time.Hour)
	o.HistoryBytes = orDefault(o.HistoryBytes, 1<<30)
	o.RecentBytes = orDefault(o.RecentBytes, 8<<20)
	return o
}

func orDefault[T int64 | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}
