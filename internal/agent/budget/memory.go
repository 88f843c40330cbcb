package budget

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"
)

// Level says how short memory is.
type Level uint8

// The levels.
const (
	// Normal: below nine tenths of the limit.
	Normal Level = iota
	// Tight: the caller should drop caches, and put off what has low priority.
	Tight
	// Over: more than the limit. The caller should stop what it can.
	Over
)

// String returns the level in a word.
func (l Level) String() string { return [...]string{"normal", "tight", "over"}[min(l, Over)] }

const (
	// tightShare is the part of the limit from which on memory is tight.
	tightShare = 0.9
	// freeGap is the time between two attempts to give memory back to the
	// system, each of which costs a garbage collection.
	freeGap = time.Minute
	// softStep is the least by which the runtime's limit is changed, since that
	// stops all goroutines for a moment.
	softStep = 1 << 20
)

// memory is what was measured last.
type memory struct {
	resident, shared, peak int64 // in bytes; shared is the part that is no heap or stack
	known                  bool
	level                  Level
	tights                 uint64
	soft                   int64 // the runtime's limit, 0 before it is set
	freed                  time.Time
}

// Check measures the memory, gives some back to the system when it is tight,
// and returns how short it still is. It keeps the numbers of Use, too. The owner
// calls it every ten seconds or so.
func (b *Budget) Check() Level {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.embedded {
		return Normal
	}
	return b.check(time.Now())
}

func (b *Budget) check(now time.Time) Level {
	m := &b.memory
	b.cpu.charge(now)
	b.measure()
	b.setSoft()
	before := m.level
	m.level = m.levelOf(b.limits.MemoryBytes)
	if m.level != Normal && (m.freed.IsZero() || now.Sub(m.freed) >= freeGap) {
		m.freed = now
		debug.FreeOSMemory()
		b.measure()
		m.level = m.levelOf(b.limits.MemoryBytes)
	}
	if m.level != Normal && before == Normal {
		m.tights++
	}
	return m.level
}

func (m *memory) levelOf(limit int64) Level {
	switch {
	case limit <= 0 || !m.known:
		return Normal
	case m.resident > limit:
		return Over
	case float64(m.resident) >= tightShare*float64(limit):
		return Tight
	}
	return Normal
}

// setSoft tells the runtime how much it may have: what is left of the limit
// when the pages of files, the program's among them, are taken away, and a bit
// less so that the garbage collector works before memory is tight. It has half
// of the limit at least, since a collector that cannot succeed uses much CPU.
func (b *Budget) setSoft() {
	limit := b.limits.MemoryBytes
	if limit <= 0 {
		if b.memory.soft != 0 {
			b.memory.soft = 0
			debug.SetMemoryLimit(1<<63 - 1)
		}
		return
	}
	soft := max(limit/2, int64(tightShare*float64(limit))-b.memory.shared)
	if d := soft - b.memory.soft; b.memory.soft == 0 || d >= softStep || d <= -softStep {
		b.memory.soft = soft
		debug.SetMemoryLimit(soft)
	}
}

// measure reads the resident memory. What cannot be read is unknown, and then
// only the runtime's own limit bounds the memory.
func (b *Budget) measure() {
	m := &b.memory
	p, err := readFile(b.root, "proc/self/statm")
	if err == nil {
		m.resident, m.shared, err = parseStatm(p, int64(os.Getpagesize()))
	}
	m.known = err == nil
	m.peak = max(m.peak, m.resident)
}

var errStatm = errors.New("statm is malformed")

// parseStatm reads /proc/PID/statm: numbers of pages, of which the second are
// the resident ones and the third those of them that are of files or shared
// (proc_pid_statm(5)). It returns bytes.
func parseStatm(p []byte, page int64) (resident, shared int64, err error) {
	words := bytes.Fields(p)
	if len(words) < 3 {
		return 0, 0, errStatm
	}
	var n [2]int64
	for i := range n {
		v, err := strconv.ParseInt(string(words[i+1]), 10, 64)
		if err != nil || v < 0 || v > 1<<40 {
			return 0, 0, errStatm
		}
		n[i] = v * page
	}
	return n[0], n[1], nil
}

// readPeak is VmHWM of proc_pid_status(5) in bytes, 0 if it is not told. The
// peak of getrusage(2) may be that of the program that started this one.
func readPeak(root string) int64 {
	p, err := readFile(root, "proc/self/status")
	if err != nil {
		return 0
	}
	return parsePeak(p)
}

func parsePeak(p []byte) int64 {
	for line := range bytes.Lines(p) {
		rest, ok := bytes.CutPrefix(line, []byte("VmHWM:"))
		if !ok {
			continue
		}
		words := bytes.Fields(rest)
		if len(words) != 2 || string(words[1]) != "kB" {
			return 0
		}
		kib, err := strconv.ParseInt(string(words[0]), 10, 64)
		if err != nil || kib < 0 || kib > 1<<50 {
			return 0
		}
		return kib << 10
	}
	return 0
}

// fileLimit bounds what is read of a file: all are smaller.
const fileLimit = 64 << 10

// readFile reads a file below root, fileLimit bytes at most.
func readFile(root, name string) ([]byte, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", root, err)
	}
	defer dir.Close()
	return readIn(dir, name)
}
