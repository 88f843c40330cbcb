// Package health says what is wrong with a hub: from its figures, by rules that
// are pure, the worst first. It collects nothing and mends nothing.
package health

import (
	"time"
)

// Facts are the figures of a hub at one time.
type Facts struct {
	Time    time.Time `json:"time"`
	Started time.Time `json:"started"`
	Version string    `json:"version"`

	Commit   Commit   `json:"commit"`
	Stores   []Store  `json:"stores"`
	Disk     Disk     `json:"disk"`
	Readers  []Reader `json:"readers"`
	Sinks    []Sink   `json:"sinks"`
	Index    Index    `json:"index"`
	Sessions Sessions `json:"sessions"`
	// CertificateEnds is when the server certificate ends, CertificateRefused
	// how many replacements were kept out.
	CertificateEnds    time.Time `json:"certificateEnds"`
	CertificateRefused int64     `json:"certificateRefused"`
	// Since the hub started: messages that could not be read and were kept, and
	// those that were only counted; messages turned away; reads refused because
	// of damage; queries refused because others look at all twins.
	DeadLetters       int64 `json:"deadLetters"`
	DeadLettersShed   int64 `json:"deadLettersShed"`
	MessagesRefused   int64 `json:"messagesRefused"`
	Corrupt           int64 `json:"corrupt"`
	QueriesRefused    int64 `json:"queriesRefused"`
	RefusalsShed      int64 `json:"refusalsShed"`
	PosturesFailing   int64 `json:"posturesFailing"`
	EventFlushErrors  int64 `json:"eventFlushErrors"`
	StoppedRollouts   int64 `json:"stoppedRollouts"`
	BrokenDetections  int64 `json:"brokenDetections"`
	AdoptionFailed    int64 `json:"adoptionFailed"`
	AdoptionRemaining int64 `json:"adoptionRemaining"`
}

// Commit are the figures of making changes durable.
type Commit struct {
	// Queue is how many changes wait or are under way, P50 and P99 how long the
	// disk took in the last minute, in milliseconds (upper bounds; 0 if nothing
	// was written).
	Queue int64 `json:"queue"`
	// Writes is how many writes that minute had.
	Writes int64   `json:"writesInAMinute"`
	P50    float64 `json:"p50Milliseconds"`
	P99    float64 `json:"p99Milliseconds"`
	// Stalls are commits that waited for the store since the start, Refused
	// those that were refused for want of space.
	Stalls  int64 `json:"stalls"`
	Refused int64 `json:"refused"`
	// WriteBack says why the store cannot write back, Ledger why that of alerts
	// takes no more; "" for nothing wrong.
	WriteBack string `json:"writeBackError,omitempty"`
	Ledger    string `json:"ledgerError,omitempty"`
}

// Store is something that is kept on disk.
type Store struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	// MaxBytes and MaxAge bound it; 0 for no bound.
	MaxBytes int64         `json:"maxBytes,omitempty"`
	MaxAge   time.Duration `json:"-"`
	// MaxSeconds is MaxAge, for those who read JSON.
	MaxSeconds int64 `json:"maxSeconds,omitempty"`
	// Oldest is when the oldest that is kept was written; zero if not known.
	Oldest time.Time `json:"oldest,omitzero"`
	// Growth is how much it has grown in the time that is known of, scaled to a
	// day; Known says that it is known.
	Growth int64 `json:"growthPerDay"`
	Known  bool  `json:"growthKnown"`
	// Held are messages kept beyond their limits, since a reader still needs them.
	Held uint64 `json:"held,omitempty"`
	// Option is where the configuration file sets its limits, "" for nowhere.
	Option string `json:"option,omitempty"`
}

// Full returns after how long it has come to its limit of size at the present
// rate; ok is false if it does not grow, or has no such limit.
func (s *Store) Full() (d time.Duration, ok bool) {
	if !s.Known || s.Growth <= 0 || s.MaxBytes <= 0 || s.Bytes >= s.MaxBytes {
		return 0, false
	}
	days := float64(s.MaxBytes-s.Bytes) / float64(s.Growth)
	if days > 3650 {
		return 0, false
	}
	return time.Duration(days * 24 * float64(time.Hour)), true
}

// Disk is the file system of the data directory.
type Disk struct {
	Free  int64 `json:"free"`
	Total int64 `json:"total"`
	// Growth is how much less is free after a day at the present rate.
	Growth int64 `json:"growthPerDay"`
	Known  bool  `json:"growthKnown"`
}

// Full returns after how long nothing is free at the present rate.
func (d *Disk) Full() (after time.Duration, ok bool) {
	if !d.Known || d.Growth <= 0 {
		return 0, false
	}
	days := float64(d.Free) / float64(d.Growth)
	if days > 3650 {
		return 0, false
	}
	return time.Duration(days * 24 * float64(time.Hour)), true
}

// Reader follows a log. Behind is how much it has not looked at.
type Reader struct {
	Name   string `json:"name"`
	Behind uint64 `json:"behind"`
}

// Sink is a receiver of alerts.
type Sink struct {
	Name   string `json:"name"`
	Behind uint64 `json:"behind"`
	Error  string `json:"error,omitempty"`
	Missed int64  `json:"missed"`
}

// Index is the memory index that answers queries.
type Index struct {
	On     bool  `json:"on"`
	Ready  bool  `json:"ready"`
	Bytes  int64 `json:"bytes"`
	Budget int64 `json:"budget"`
	// Left are paths of which the budget leaves too little in the index.
	Left int64 `json:"columnsLeftOut"`
}

// Sessions are the connections of devices.
type Sessions struct {
	Connected int64 `json:"connected"`
	// Refused counts connections turned away since the start, by reason.
	Refused map[string]int64 `json:"refused"`
}
