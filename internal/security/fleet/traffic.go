package fleet

import (
	"math"
	"time"
)

const (
	// sampleEvery is how often counters are read.
	sampleEvery = 5 * time.Second
	// samples is how many readings are kept: those of an hour.
	samples = int(time.Hour/sampleEvery) + 1
	// sparkPoints is how many readings a line of them has.
	sparkPoints = 60
)

// Counters are what the hub has counted since its start.
type Counters struct {
	// Messages were taken, Events read from security messages.
	Messages, Events int64
	// Refused are connections that got no session, by reason.
	Refused map[string]int64
	// Shed is what bounded queues and stores did not take, by name.
	Shed map[string]int64
	// DeadLetters is how many are kept now.
	DeadLetters int64
	// Behind is how many security messages, ChangesBehind how many changes wait
	// to be looked at.
	Behind, ChangesBehind int64
}

// Traffic is what passes through the hub.
type Traffic struct {
	// Connected is how many devices are; nil if it could not be counted.
	Connected *int64 `json:"connected,omitempty"`
	// MessagesPerSecond and EventsPerSecond are of the last seconds; nil until
	// the hub has run for some.
	MessagesPerSecond *float64 `json:"messagesPerSecond,omitempty"`
	EventsPerSecond   *float64 `json:"eventsPerSecond,omitempty"`
	// Refused are connections that got no session since RefusedSince, which is
	// an hour ago or the start of the hub, by reason.
	Refused      map[string]int64 `json:"refused"`
	RefusedSince time.Time        `json:"refusedSince"`
	// Shed is what bounded queues and stores have not taken since the start of
	// the hub, by name; what is nothing is left out.
	Shed        map[string]int64 `json:"shed"`
	DeadLetters int64            `json:"deadLetters"`
	// SecurityBehind is how many security messages wait to be looked at,
	// ChangesBehind how many changes of identities and twins.
	SecurityBehind int64 `json:"securityBehind"`
	ChangesBehind  int64 `json:"changesBehind"`

	// ConnectedLine, MessagesLine and EventsLine are the last five minutes, the
	// oldest first; NaN is a gap.
	ConnectedLine []float64 `json:"-"`
	MessagesLine  []float64 `json:"-"`
	EventsLine    []float64 `json:"-"`
}

// sample is one reading.
type sample struct {
	at        time.Time
	counters  Counters
	connected float64
}

// ring keeps the readings of an hour, the newest last.
type ring struct{ list []sample }

func (r *ring) add(s sample) {
	if len(r.list) == samples {
		copy(r.list, r.list[1:])
		r.list = r.list[:samples-1]
	}
	r.list = append(r.list, s)
}

// connect notes how many devices were connected, with the newest reading.
func (r *ring) connect(n int64) {
	if len(r.list) > 0 {
		r.list[len(r.list)-1].connected = float64(n)
	}
}

// traffic says what the readings tell, and what the counters are now.
func (r *ring) traffic(now Counters) *Traffic {
	t := &Traffic{
		Refused: map[string]int64{}, Shed: map[string]int64{}, DeadLetters: now.DeadLetters,
		SecurityBehind: now.Behind, ChangesBehind: now.ChangesBehind,
	}
	for name, n := range now.Shed {
		if n > 0 {
			t.Shed[name] = n
		}
	}
	if len(r.list) == 0 {
		return t
	}
	first := r.list[0]
	t.RefusedSince = first.at
	for reason, n := range now.Refused {
		if n -= first.counters.Refused[reason]; n > 0 {
			t.Refused[reason] = n
		}
	}
	from := max(0, len(r.list)-sparkPoints)
	t.ConnectedLine = gaps(from, r.list)
	for i, s := range r.list[from:] {
		t.ConnectedLine = append(t.ConnectedLine, s.connected)
		messages, events := math.NaN(), math.NaN()
		if j := from + i; j > 0 {
			before := r.list[j-1]
			if d := s.at.Sub(before.at).Seconds(); d > 0 {
				messages = float64(s.counters.Messages-before.counters.Messages) / d
				events = float64(s.counters.Events-before.counters.Events) / d
			}
		}
		t.MessagesLine, t.EventsLine = append(t.MessagesLine, messages), append(t.EventsLine, events)
	}
	if n := len(t.MessagesLine) - 1; !math.IsNaN(t.MessagesLine[n]) {
		t.MessagesPerSecond, t.EventsPerSecond = &t.MessagesLine[n], &t.EventsLine[n]
	}
	return t
}

// gaps leaves room for what follows.
func gaps(from int, list []sample) []float64 { return make([]float64, 0, len(list)-from) }
