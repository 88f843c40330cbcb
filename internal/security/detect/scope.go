package detect

import (
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// maxMemory bounds what one detection may remember of a device. What is over
// is forgotten and counted: a detection that needs more is wrong.
const maxMemory = 4 << 10

// scope is the [Scope] of one detection during one call.
type scope struct {
	device  *ledger.Device
	message *event.Message
	now     time.Time
	last    time.Time
	started time.Time

	id      string
	changed bool
	shed    int
	found   []Finding
}

func (s *scope) Device() tvilling.DeviceID { return s.device.ID }
func (s *scope) Message() *event.Message   { return s.message }
func (s *scope) Received() time.Time       { return s.now }
func (s *scope) LastSeen() time.Time       { return s.last }
func (s *scope) Started() time.Time        { return s.started }
func (s *scope) Memory() []byte            { return s.device.Memory[s.id] }
func (s *scope) Report(f Finding)          { s.found = append(s.found, f) }

func (s *scope) Remember(b []byte) {
	if len(b) > maxMemory {
		s.shed++
		b = nil
	}
	if len(b) == 0 {
		if _, ok := s.device.Memory[s.id]; ok {
			delete(s.device.Memory, s.id)
			s.changed = true
		}
		return
	}
	if s.device.Memory == nil {
		s.device.Memory = make(map[string][]byte)
	}
	s.device.Memory[s.id] = b
	s.changed = true
}

func (s *scope) Wake(at time.Time) {
	if was, ok := WakeTime(s.device, s.id); ok == !at.IsZero() && (!ok || was.Equal(at.UTC().Truncate(time.Second))) {
		return
	}
	SetWake(s.device, s.id, at)
	s.changed = true
}
