package recommend

import (
	"encoding/binary"
	"hash/fnv"
	"slices"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// memoryForm is the form in which memories are written; formerMemory is that
// before the baseline was remembered, and is still read.
const memoryForm, formerMemory = 2, 1

// memory is what assessments remember of a device.
type memory struct {
	// without says that the device was found to be without an agent; known
	// that its configuration was looked at; answered that its agent reported
	// since it was changed.
	without, known, answered bool
	// ports, firewall and baseline are the times of the newest snapshots, Unix
	// seconds.
	ports, firewall, baseline int64
	// desired and reported are digests of configurations, changed is when the
	// reported one was seen to change.
	desired, reported uint32
	changed           int64
	// days are statistics of messages, oldest first.
	days []statistic
}

// statistic is one MessageStatistics event.
type statistic struct {
	second      int64
	sent, small int64
}

// maxStatistics bounds the statistics of a day that are kept.
const maxStatistics = 24

func recall(d *ledger.Device) memory {
	var m memory
	b := d.Memory[memoryName]
	if len(b) < 2 || b[0] != memoryForm && b[0] != formerMemory {
		return m
	}
	form, flags := b[0], b[1]
	b = b[2:]
	bad := false
	next := func() int64 {
		v, n := binary.Varint(b)
		if n <= 0 {
			bad = true
			return 0
		}
		b = b[n:]
		return v
	}
	m.without, m.known, m.answered = flags&1 != 0, flags&2 != 0, flags&4 != 0
	m.ports, m.firewall = next(), next()
	if form != formerMemory {
		m.baseline = next()
	}
	m.desired, m.reported, m.changed = uint32(next()), uint32(next()), next()
	for len(b) > 0 && !bad && len(m.days) < maxStatistics {
		m.days = append(m.days, statistic{next(), next(), next()})
	}
	if bad {
		return memory{}
	}
	return m
}

// keep puts the memory into the device's record. A memory of nothing is none.
func (m *memory) keep(tx *ledger.Tx, d *ledger.Device) {
	var flags byte
	for i, f := range []bool{m.without, m.known, m.answered} {
		if f {
			flags |= 1 << i
		}
	}
	b := []byte{memoryForm, flags}
	for _, v := range []int64{m.ports, m.firewall, m.baseline, int64(m.desired), int64(m.reported), m.changed} {
		b = binary.AppendVarint(b, v)
	}
	for _, s := range m.days {
		b = binary.AppendVarint(b, s.second)
		b = binary.AppendVarint(b, s.sent)
		b = binary.AppendVarint(b, s.small)
	}
	if d.Memory == nil {
		d.Memory = make(map[string][]byte)
	}
	d.Memory[memoryName] = b
	tx.PutDevice(d)
}

func digest(b []byte) uint32 {
	h := fnv.New32a()
	_, _ = h.Write(b)
	return h.Sum32()
}

// lateness is how much older than the newest snapshot another may be to be
// taken for one that came late. What is older still comes from a clock that
// was ahead and has been set right.
const lateness = 72 * time.Hour

// fresh reports whether a snapshot is to be looked at, and notes its time.
func fresh(newest *int64, e *event.Event) bool {
	if len(e.Items) == 0 && !e.Empty {
		return false // nothing readable is not the same as nothing there
	}
	t := e.Time.Unix()
	if t < *newest && *newest-t <= int64(lateness/time.Second) {
		return false
	}
	*newest = t
	return true
}

// items returns the items of the snapshot that e belongs to: an agent may
// split one over several events of a message that have the same time.
func items(m *event.Message, e *event.Event) []event.Item {
	list := e.Items
	for i := range m.Events {
		o := &m.Events[i]
		if o != e && o.ID != e.ID && o.Kind == e.Kind && o.Time.Equal(e.Time) {
			list = append(slices.Clip(list), o.Items...)
		}
	}
	return list
}
