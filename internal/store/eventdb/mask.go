package eventdb

import "github.com/tvilling/tvilling/internal/security/event"

// mask has a bit for each type and each kind of event that something holds:
// what lacks the bit asked for need not be read. It is part of the format.
type mask uint64

const (
	typeBits  = 4 // Security, Operational, Diagnostic, anything else
	otherType = 3
	maxKind   = 58 // so that a mask is no negative number in SQLite
	allTypes  = mask(1<<typeBits - 1)
	allMask   = mask(1<<(typeBits+maxKind+1) - 1)
)

var types = [otherType]event.Type{event.Security, event.Operational, event.Diagnostics}

var categories = [3]event.Category{event.Periodic, event.Triggered, event.Aggregated}

// typeOf returns the number of a type, otherType for one without.
func typeOf(t event.Type) int {
	for i, known := range types {
		if t == known {
			return i
		}
	}
	return otherType
}

func categoryOf(c event.Category) int {
	for i, known := range categories {
		if c == known {
			return i
		}
	}
	return len(categories)
}

func kindBit(k event.Kind) mask { return 1 << (typeBits + min(k, maxKind)) }

// maskOf returns the bits of an event.
func maskOf(e *event.Event) mask {
	k := e.Kind
	if k == event.Unknown || k.String() != e.Name {
		k = event.KindOf(e.Name)
	}
	return kindBit(k) | 1<<typeOf(e.Type)
}

// wanted is what a query asks for of a mask.
type wanted struct {
	names, typ mask
}

// wantedOf returns what masks are asked for events of one of the names and of
// a type; none and "" stand for all.
func wantedOf(names []string, t event.Type) wanted {
	w := wanted{names: allMask &^ allTypes, typ: allTypes}
	if len(names) > 0 {
		// An older version may have stored the name as an unknown one.
		w.names = kindBit(event.Unknown)
		for _, n := range names {
			w.names |= kindBit(event.KindOf(n))
		}
	}
	if t != "" {
		w.typ = 1 << typeOf(t)
	}
	return w
}

// in reports whether what has a mask may hold such an event.
func (w wanted) in(m mask) bool { return m&w.names != 0 && m&w.typ != 0 }
