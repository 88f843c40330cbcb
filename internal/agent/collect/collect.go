package collect

import (
	"context"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Sink takes what watchers observe. Its methods do not block, and may be called
// from several goroutines at once.
type Sink interface {
	// Observe takes one thing that happened at a time.
	Observe(at time.Time, it event.Item)
	// Lost counts events of a kind that happened and could not be observed, or
	// only in part; why is one of a few constant words ("ring full",
	// "arguments gone").
	Lost(k event.Kind, n uint64, why string)
}

// Watcher tells of what happens. Run returns when ctx ends, with a nil error,
// or when there is nothing to be seen here any more.
type Watcher interface {
	// Kinds are the kinds of event that it makes.
	Kinds() []event.Kind
	// Sight says what it sees here; of what Run uses once that has begun.
	Sight() Sight
	Run(ctx context.Context, to Sink) error
}

// Snapshot takes all there is of one kind. An empty result with a nil error
// means that nothing is there.
type Snapshot interface {
	Kind() event.Kind
	Sight() Sight
	Take(ctx context.Context) ([]event.Item, error)
}

// Extent is how much a collector sees.
type Extent string

// The extents.
const (
	Full    Extent = "full"
	Partial Extent = "partial" // it can miss things
	Nothing Extent = "nothing"
)

// Sight says what a collector sees on this device, for people.
type Sight struct {
	// Name is what is seen: "processes", "logins", …
	Name   string `json:"name"`
	Extent Extent `json:"extent"`
	// Source is by what means, in a word or two: "ebpf", "proc connector",
	// "journal", "/proc/net".
	Source string `json:"source,omitempty"`
	// Why says what is missed and why, Remedy what to do about it; both empty
	// when all is seen.
	Why    string `json:"why,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}
