package eventdb_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/sample"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// fleet makes messages of a fleet in ordinary operation, as intake gives them
// to the store. No two events are alike.
type fleet struct {
	source  *sample.Source
	r       *rand.Rand
	devices int
	perMsg  int
}

func newFleet(devices, perMsg int, seed uint64) *fleet {
	return &fleet{source: sample.New(seed), r: rand.New(rand.NewPCG(seed, 7)), devices: devices, perMsg: perMsg}
}

// message makes the next message, from a random device.
func (f *fleet) message(sequence uint64, received time.Time) *event.Message {
	return f.from(f.r.IntN(f.devices), sequence, received)
}

func (f *fleet) device(n int) tvilling.DeviceID {
	return tvilling.DeviceID(fmt.Sprintf("pump-%06d", n))
}

// from makes the next message of a device.
func (f *fleet) from(n int, sequence uint64, received time.Time) *event.Message {
	device := f.device(n)
	m, err := schema.Decode(&tvilling.Message{
		From: tvilling.Identity{Device: device, Module: tvilling.SecurityModule}, Sequence: sequence, Enqueued: received,
		Body: f.source.Message(string(device), f.perMsg, received),
	}, received)
	if err != nil {
		panic(err) // the sample is refused by the schema
	}
	return m
}
