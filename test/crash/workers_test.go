package crash_test

import (
	"math/rand/v2"
	"strconv"

	"github.com/tvilling/tvilling"
)

// worker makes writes of one kind and remembers what of them was acknowledged.
type worker interface {
	// setUp makes what the worker needs, in a hub that nobody kills.
	setUp(l *life)
	// work writes until the hub is killed.
	work(l *life)
	// verify fails unless the hub, started anew, has what was acknowledged.
	verify(l *life)
}

// workers write all there is to write in a hub.
type workers struct {
	all     []worker
	senders []*sender
}

func newWorkers(random *rand.Rand) crew {
	// Workers run side by side: each has choices of its own.
	child := func() *rand.Rand { return rand.New(rand.NewPCG(random.Uint64(), 0)) }
	w := &workers{}
	for i := range 4 {
		id := tvilling.Device(name("reporter", i))
		if i%2 == 1 {
			id = securityOf(id.Device)
		}
		w.all = append(w.all, &reporter{id: id, random: child()})
	}
	for i := range 3 {
		id := tvilling.Device(name("sender", i))
		if i == 2 {
			id = securityOf(id.Device)
		}
		s := &sender{id: id, random: child()}
		w.senders = append(w.senders, s)
		w.all = append(w.all, s)
	}
	for i := range 3 {
		id := tvilling.Device(name("written", i))
		if i == 2 {
			id = securityOf(id.Device)
		}
		w.all = append(w.all, &writer{id: id})
	}
	for i := range 2 {
		w.all = append(w.all, &registrar{prefix: "reg" + strconv.Itoa(i), random: child()})
	}
	for i := range 2 {
		w.all = append(w.all, &subscriber{id: name("subscriber", i), random: child()})
	}
	w.all = append(w.all, &policies{random: child()})
	return w
}

func name(kind string, i int) tvilling.DeviceID {
	return tvilling.DeviceID(kind + strconv.Itoa(i))
}

func (w *workers) list() []worker { return w.all }

func (w *workers) most() float64 { return 3000 }

func (w *workers) setUp(l *life) {
	l.t.Helper()
	for _, worker := range w.all {
		worker.setUp(l)
	}
}

func (w *workers) verify(l *life) {
	l.t.Helper()
	verifyJournal(l)
	verifyMessages(l, w.senders)
	for _, worker := range w.all {
		worker.verify(l)
		if l.t.Failed() {
			return
		}
	}
}
