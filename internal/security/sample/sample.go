package sample

import (
	"encoding/hex"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// Source makes messages. It must not be used by two goroutines at a time.
type Source struct {
	seed uint64
	r    *rand.Rand
	// at is when the event that is being made happens.
	at time.Time
}

// New returns a source whose messages depend on seed and the calls alone.
func New(seed uint64) *Source {
	//nolint:gosec // G404: samples must be the same for the same seed
	return &Source{seed: seed, r: rand.New(rand.NewPCG(seed, 0x7476696c6c696e67))}
}

// Message returns the body of a message of the given device with that many
// events of the last two minutes before now. Over many messages 40 % of the
// events are ProcessCreate, 25 % ConnectionCreate and 15 % Login; the rest are
// snapshots and, of every hundred, two of the other kinds.
func (s *Source) Message(device string, events int, now time.Time) []byte {
	d := s.device(device)
	m := event.Message{AgentID: d.agent, AgentVersion: d.version, Events: make([]event.Event, events)}
	at := now.Add(-2 * time.Minute)
	for i := range m.Events {
		step := 2 * time.Minute / time.Duration(events)
		at = at.Add(time.Duration(s.r.Int64N(int64(step) + 1)))
		s.event(&m.Events[i], d, at)
	}
	return schema.Append(make([]byte, 0, events*500+200), &m)
}

func (s *Source) event(e *event.Event, d *device, at time.Time) {
	e.ID = s.guid()
	s.at = at
	d.stamp(e, at)
	switch p := s.r.IntN(100); {
	case p < 40:
		e.Items = []event.Item{s.processCreate(d)}
	case p < 65:
		e.Items = []event.Item{s.connectionCreate(d)}
	case p < 80:
		e.Items = []event.Item{s.login(d)}
	case p < 98:
		e.Items = s.snapshot(d)
	default:
		e.Items = []event.Item{s.other(d)}
	}
	e.Kind = e.Items[0].Kind()
	if _, ok := e.Items[0].Details().Get(event.HitCount); ok {
		e.Category = event.Aggregated
	}
}

// guid returns a random GUID.
func (s *Source) guid() string {
	var b [16]byte
	for i := range 2 {
		v := s.r.Uint64()
		for j := range 8 {
			b[i*8+j] = byte(v >> (8 * j))
		}
	}
	return guidOf(b)
}

func guidOf(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var t [36]byte
	hex.Encode(t[0:8], b[0:4])
	hex.Encode(t[9:13], b[4:6])
	hex.Encode(t[14:18], b[6:8])
	hex.Encode(t[19:23], b[8:10])
	hex.Encode(t[24:36], b[10:16])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return string(t[:])
}

// one returns one of the choices.
func one[T any](s *Source, choices []T) T { return choices[s.r.IntN(len(choices))] }

// mix returns a number that depends on its arguments alone.
func mix(seed uint64, parts ...string) uint64 {
	h := fnv.New64a()
	var b [8]byte
	for i := range b {
		b[i] = byte(seed >> (8 * i))
	}
	_, _ = h.Write(b[:])
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
		_, _ = h.Write([]byte{0})
	}
	v := h.Sum64()
	// FNV leaves near inputs near each other.
	v ^= v >> 33
	v *= 0xff51afd7ed558ccd
	v ^= v >> 33
	return v
}
