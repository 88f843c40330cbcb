package budget

import (
	"math"
	"sync"
	"time"
)

// Limits are what the agent may use. A limit of 0 is none.
type Limits struct {
	// MemoryBytes bounds the resident memory.
	MemoryBytes int64
	// CPUPercent is in percent of one core.
	CPUPercent float64
	// BytesPerDay bounds what is sent in a day of UTC.
	BytesPerDay int64
}

// Options are what a budget is made with.
type Options struct {
	// Limits are in force until Set is called.
	Limits Limits
	// Day is what Today returned before a restart.
	Day Day
	// Root is the folder that has proc and sys; empty is "/".
	Root string
	// Embedded says that the process is not the agent's own: its memory and CPU
	// are then neither bounded nor measured, and Use has only the bytes.
	Embedded bool
	// CPU returns the CPU time that the process has used; nil asks the system.
	CPU func() (time.Duration, error)
}

// Budget watches over the limits. Its methods may be called from several
// goroutines.
type Budget struct {
	root     string
	embedded bool

	mu          sync.Mutex
	limits      Limits
	cpu         cpu
	memory      memory
	bytes       spending
	enforcement string
}

// New returns a budget, and makes the limits known to the runtime and, where
// that is possible, to the kernel.
func New(o Options) *Budget {
	b := &Budget{root: o.Root, embedded: o.Embedded, bytes: spending{day: o.Day}}
	if b.root == "" {
		b.root = "/"
	}
	if b.cpu.used = o.CPU; o.CPU == nil {
		b.cpu.used = processTime
	}
	b.limits = Limits{MemoryBytes: -1} // so that it differs from all
	b.Set(o.Limits)
	return b
}

// Set puts other limits in force.
func (b *Budget) Set(l Limits) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l == b.limits {
		return
	}
	if l.CPUPercent != b.limits.CPUPercent {
		b.cpu.setShare(l.CPUPercent)
	}
	b.limits = l
	if b.embedded {
		b.enforcement = "none: the agent is part of another program"
		return
	}
	b.check(time.Now())
	b.enforcement = enforce(b.root, l)
}

// Enforcement says, for people, who enforces the limits besides the agent
// itself, and why nobody does otherwise.
func (b *Budget) Enforcement() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.enforcement
}

// Use is what the agent uses. Its counters start with the process.
type Use struct {
	// RSSBytes is the resident memory now, PeakRSSBytes the most there was.
	RSSBytes     int64 `json:"rssBytes"`
	PeakRSSBytes int64 `json:"peakRssBytes"`
	// CPUPercent is of one core, over the last minute; CPUSeconds is all.
	CPUPercent float64 `json:"cpuPercent"`
	CPUSeconds float64 `json:"cpuSeconds"`
	// BytesToday are what was sent since the day of UTC began.
	BytesToday int64 `json:"bytesToday"`
	Sheds      Sheds `json:"sheds"`
}

// Sheds count how often the agent had to hold back, by what was short.
type Sheds struct {
	// CPU counts the calls of Wait that had to wait.
	CPU uint64 `json:"cpu"`
	// Memory counts how often memory became tight.
	Memory uint64 `json:"memory"`
	// Bytes counts the days on which something could not be sent.
	Bytes uint64 `json:"bytes"`
}

// Use measures what is used now.
func (b *Budget) Use() Use {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.bytes.turn(now)
	u := Use{BytesToday: b.bytes.day.Bytes, Sheds: Sheds{CPU: b.cpu.waits, Memory: b.memory.tights, Bytes: b.bytes.stops}}
	if b.embedded {
		return u
	}
	b.measure()
	u.RSSBytes, u.PeakRSSBytes = b.memory.resident, max(b.memory.peak, readPeak(b.root))
	b.cpu.charge(now)
	u.CPUSeconds = math.Round(b.cpu.total.Seconds()*1000) / 1000
	u.CPUPercent = math.Round(b.cpu.lastMinute(now)*1000) / 1000
	return u
}
