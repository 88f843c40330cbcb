package eventdb

import (
	"cmp"
	"log/slog"
	"time"
)

// Window is how long an event is known again: one that comes with the id of
// an event of the same device that was received at most so long before is a
// duplicate. The time runs from the reception that is kept.
const Window = 72 * time.Hour

// Options say where a store is and how much it may use. Dir is needed; every
// other field has a default that its zero value stands for.
type Options struct {
	// Dir is the directory of the store; it is made, readable by the owner
	// only, if it does not exist.
	Dir string
	// MaxAge is how long events are kept after they were received; 0 keeps
	// them for ever. Because whole days go, some stay up to a day longer.
	MaxAge time.Duration
	// MaxBytes is how large the files may grow; 0 sets no limit. Whole days
	// go, never the current one.
	MaxBytes int64
	// Logger hears what is worth a look: what retention removes, damage, a
	// disk that takes no more. The default discards.
	Logger *slog.Logger

	// FlushBytes and FlushAfter say when the open batch goes to disk: at so
	// many bytes before compression, or when it has waited so long; defaults
	// 512 KiB, 5 minutes.
	FlushBytes int
	FlushAfter time.Duration
	// OpenBytes bounds the open batch while the disk takes no more; beyond it
	// Append refuses. Default 8 MiB.
	OpenBytes int
	// BlockBytes is the size of a block before compression; default 32 KiB. A
	// smaller one makes reading a device's events cheaper and files larger.
	BlockBytes int
	// Letters is how many dead letters of a device are kept per day, LetterBytes
	// how many bytes of dead letters of all devices; defaults 1,000 and 256 MiB.
	Letters     int
	LetterBytes int64
	// Readers is how many queries may read files at the same moment; default 4.
	Readers int
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.FlushBytes = cmp.Or(max(o.FlushBytes, 0), 512<<10)
	o.FlushAfter = cmp.Or(max(o.FlushAfter, 0), 5*time.Minute)
	o.OpenBytes = max(cmp.Or(max(o.OpenBytes, 0), 8<<20), o.FlushBytes)
	o.BlockBytes = cmp.Or(max(o.BlockBytes, 0), 32<<10)
	o.Letters = cmp.Or(max(o.Letters, 0), 1000)
	o.LetterBytes = cmp.Or(max(o.LetterBytes, 0), 256<<20)
	o.Readers = cmp.Or(max(o.Readers, 0), 4)
	return o
}
