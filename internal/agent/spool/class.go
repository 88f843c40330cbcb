package spool

// Class is the priority of an event: which queue it waits in.
type Class uint8

// The classes, the most important first.
const (
	High Class = iota
	Medium
	Low
	// Classes is how many there are.
	Classes
)

// String returns the name of the class in lower case: "high".
func (c Class) String() string {
	switch c {
	case High:
		return "high"
	case Medium:
		return "medium"
	case Low:
		return "low"
	default:
		return "unknown"
	}
}

// Reason is why an event was dropped.
type Reason uint8

// The reasons.
const (
	// Full: there was no room, and it was the oldest of the least important.
	Full Reason = iota
	// TooLarge: no message can carry it.
	TooLarge
	// Damaged: what the disk gave back is not what was written.
	Damaged
	// Reasons is how many there are.
	Reasons
)

// String returns the name of the reason in lower case: "too large".
func (r Reason) String() string {
	switch r {
	case Full:
		return "full"
	case TooLarge:
		return "too large"
	case Damaged:
		return "damaged"
	default:
		return "unknown"
	}
}

// Count is what became of the events of one class.
type Count struct {
	// Collected is how many events were given to [Spool.Add], those that it
	// refused included.
	Collected uint64
	// Dropped is how many were not sent and never will be, by reason. One that
	// had to make room while a message with it was under way counts, too.
	Dropped [Reasons]uint64
}

// Lost returns how many events were dropped, whatever the reason.
func (c Count) Lost() uint64 {
	var n uint64
	for _, d := range c.Dropped {
		n += d
	}
	return n
}

// Counts returns what became of the events of each class since the last Reset,
// of an earlier run as well as far as that could be kept.
func (s *Spool) Counts() [Classes]Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Reset returns what Counts does, and begins to count anew.
func (s *Spool) Reset() [Classes]Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.counts
	s.counts = [Classes]Count{}
	s.stateDirty = true
	return was
}
