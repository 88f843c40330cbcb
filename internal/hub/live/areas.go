package live

import (
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// areas are parts of what a query can see of an identity. A change that touches
// none of those that a query reads or shows does not concern the query.
type areas uint8

const (
	tags areas = 1 << iota
	desired
	reported
	owned      // root members that the hub keeps for a part of itself
	identity   // the registry's record
	connection // connection state, what came with a connection
	existence  // there is such an identity
	everything = tags | desired | reported | owned | identity | connection | existence
)

// touchedBy returns what a change can have touched of its identity.
func touchedBy(op state.Op) areas {
	switch op {
	case state.UpdateTwin, state.ReplaceTwin:
		return tags | desired | owned
	case state.ReportTwin:
		return reported
	case state.UpdateOwned:
		return owned
	case state.UpdateDevice, state.UpdateModule:
		return identity
	case state.Connected, state.Disconnected:
		return connection
	case state.ChangePolicy, state.ChangeSetting, state.ChangeUser, state.SignedIn, state.SignedOut, state.SignInRefused, state.Acted:
		return 0
	case state.CreateDevice, state.CreateModule, state.DeleteDevice, state.DeleteModule:
	}
	return everything
}

// readBy returns what a query reads of a row, its condition and what it shows.
func readBy(q *query.Query) areas {
	if q.Star() {
		return everything
	}
	return areasOf(q.Members())
}

// askedBy returns what the condition of a query reads.
func askedBy(q *query.Query) areas {
	if q.Where() == nil {
		return existence
	}
	return areasOf(query.Members(q.Where()))
}

func areasOf(members []*query.Member) areas {
	a := existence
	for _, m := range members {
		a |= areaOf(m.Segments)
	}
	return a
}

// areaOf returns where a path leads.
func areaOf(path []string) areas {
	switch path[0] {
	case "deviceId", "moduleId", "cloudToDeviceMessageCount":
		return 0 // the same for the life of an identity
	case "tags":
		return tags
	case "properties":
		switch {
		case len(path) == 1:
			return desired | reported
		case path[1] == "desired":
			return desired
		case path[1] == "reported":
			return reported
		}
		return 0
	case "version", "etag":
		return tags | desired
	case "status", "statusReason", "statusUpdateTime", "authenticationType", "x509Thumbprint", "deviceEtag",
		"capabilities", "deviceScope", "parentScopes":
		return identity
	case "connectionState", "modelId":
		return connection
	case "lastActivityTime":
		return everything // whatever happens to an identity may move it
	}
	return owned
}

// readsActivity reports whether a condition depends on when identities were
// last heard of, of which no history is kept.
func readsActivity(c query.Condition) bool {
	if c == nil {
		return false
	}
	for _, m := range query.Members(c) {
		if m.Segments[0] == "lastActivityTime" {
			return true
		}
	}
	return false
}
