package attack

import (
	"math/rand/v2"
	"time"
)

// Attack is a rehearsal that provokes one detection.
type Attack struct {
	// Name is what "tvilling simulate attack" takes: that of the detection.
	Name, Title string
	// Type is the type of the alert that comes, Detection the detection that
	// raises it.
	Type, Detection string
	// Describe says in full sentences what the device is made to tell.
	Describe string
	Steps    []Step
	// Also are other detections that rightly see something in it.
	Also []string
	// Unavailable says why the detection cannot be provoked at once, "" if it can.
	Unavailable string
}

// Kind says what is done in a step.
type Kind uint8

// The kinds of step.
const (
	// Send sends a security message.
	Send Kind = iota
	// ExpiredToken connects as the security module with a token that has run
	// out, signed with the right key.
	ExpiredToken
	// WrongKey connects with a token signed with another key.
	WrongKey
	// WrongCertificate connects with a certificate that is not the device's:
	// it needs a device that authenticates with thumbprints.
	WrongCertificate
	// ExpiredCertificate connects with a certificate that has run out: it needs
	// a device that authenticates with certificates.
	ExpiredCertificate
)

// NeedsCertificate reports whether only devices that authenticate with
// certificates can take the step.
func (k Kind) NeedsCertificate() bool { return k == WrongCertificate || k == ExpiredCertificate }

// Step is a part of an attack.
type Step struct {
	Kind Kind
	// Title says what happens, for whoever watches.
	Title string
	act   func(s *scene)
}

// gap is how much later than the one before each message's events are.
const gap = time.Second

// Messages returns the bodies of the security messages of the attack, in the
// order in which they have to be sent. Their events are of the moments before
// now; the same r makes the same messages.
func (a *Attack) Messages(now time.Time, r *rand.Rand) [][]byte {
	var bodies [][]byte
	agent := guid(r)
	for _, step := range a.Steps {
		if step.Kind != Send {
			continue
		}
		s := &scene{now: now, r: r, pid: 2000 + r.Int64N(20000)}
		step.act(s)
		bodies = append(bodies, s.body(agent))
		now = now.Add(gap)
	}
	return bodies
}

// Find returns the attack of a name.
func Find(name string) (Attack, bool) {
	for _, a := range Catalogue() {
		if a.Name == name {
			return a, true
		}
	}
	return Attack{}, false
}

// Catalogue returns all attacks, those on one device by what it does first.
func Catalogue() []Attack {
	var all []Attack
	for _, part := range [][]Attack{commands(), connections(), logins(), snapshots(), agents(), credentials()} {
		all = append(all, part...)
	}
	return all
}
