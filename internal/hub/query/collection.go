package query

import (
	"strings"

	"github.com/tvilling/tvilling/internal/hub/state"
)

// Collection is what a query reads.
type Collection uint8

// The collections. Joined is devices JOIN devices.modules: a row for each
// module, with its device; an extension of this hub.
const (
	Devices Collection = iota
	Modules
	Joined
	Jobs
)

// String returns the collection as it stands behind FROM.
func (c Collection) String() string {
	switch c {
	case Devices:
		return "devices"
	case Modules:
		return "devices.modules"
	case Joined:
		return "devices JOIN devices.modules"
	case Jobs:
		return "devices.jobs"
	}
	return ""
}

// kind returns the identities that the rows of a collection have.
func (c Collection) kind() state.Kind {
	if c == Devices {
		return state.Devices
	}
	return state.Modules
}

// collection sets what the query is about.
func (c *checker) collection(from, join *Path) error {
	first, err := c.named(from)
	if err != nil {
		return err
	}
	if join == nil {
		c.of = first
		return nil
	}
	second, err := c.named(join)
	if err != nil {
		return err
	}
	if first != Devices || second != Modules {
		return invalid(c.text, join.At(), "devices alone are joined, and with their modules alone: FROM devices JOIN devices.modules.")
	}
	c.of = Joined
	return nil
}

func (c *checker) named(p *Path) (Collection, error) {
	name := strings.Join(p.Segments, ".")
	switch upperASCII(name) {
	case "DEVICES":
		return Devices, nil
	case "DEVICES.MODULES":
		return Modules, nil
	case "DEVICES.JOBS":
		return Jobs, nil
	}
	return 0, invalid(c.text, p.At(), "there is no collection %q; there are devices, devices.modules and devices.jobs.", clip(name))
}

// The members of a twin (wire §2.1) by their names in upper case: at its root,
// and those inside of it that no twin lacks a fixed name for. And those of a
// device's part in a job (wire §7.3).
var (
	rootMembers  = caseTable(state.RootMembers()...)
	innerMembers = map[string]map[string]string{
		"properties":     caseTable("desired", "reported"),
		"capabilities":   caseTable("iotEdge"),
		"x509Thumbprint": caseTable("primaryThumbprint", "secondaryThumbprint"),
	}
	jobMembers = caseTable("deviceId", "moduleId", "jobId", "jobType", "status", "startTimeUtc", "endTimeUtc",
		"createdDateTimeUtc", "lastUpdatedDateTimeUtc", "outcome", "error")
)

func caseTable(names ...string) map[string]string {
	table := make(map[string]string, len(names))
	for _, n := range names {
		table[upperASCII(n)] = n
	}
	return table
}

// path returns a path in canonical form: without the name of the collection,
// system members in their own case, deviceId for id; and whether it is one of
// the module in a join.
func (c *checker) path(p *Path) (canonical []string, module bool, err error) {
	segments, module, err := c.unqualified(p)
	if err != nil {
		return nil, false, err
	}
	canonical = append([]string(nil), segments...)
	root := upperASCII(canonical[0])
	if root == "ID" {
		root = "DEVICEID"
	}
	if c.of == Jobs {
		if jobMembers[root] == "" {
			return nil, false, invalid(c.text, p.At(), "a job of a device has no member %q; it has deviceId, jobId, jobType, status, startTimeUtc, endTimeUtc, createdDateTimeUtc, lastUpdatedDateTimeUtc and outcome.", clip(canonical[0]))
		}
		canonical[0] = jobMembers[root]
		return canonical, false, nil
	}
	if rootMembers[root] != "" {
		canonical[0] = rootMembers[root]
	}
	if len(canonical) > 1 {
		if inner := innerMembers[canonical[0]][upperASCII(canonical[1])]; inner != "" {
			canonical[1] = inner
		}
	}
	// A device has no moduleId, so that in a join it can only be the module's.
	return canonical, module || c.of == Joined && canonical[0] == "moduleId", nil
}

// unqualified returns the segments of a path behind the name of its collection.
func (c *checker) unqualified(p *Path) (segments []string, module bool, err error) {
	segments = p.Segments
	switch first := upperASCII(segments[0]); {
	case first == "MODULES" && c.of == Joined:
		segments, module = segments[1:], true
	case first != "DEVICES":
		return segments, false, nil
	default:
		segments = segments[1:]
		if len(segments) == 0 {
			break
		}
		switch inner := upperASCII(segments[0]); {
		case inner == "MODULES" && c.of == Joined:
			segments, module = segments[1:], true
		case inner == "MODULES" && c.of == Modules, inner == "JOBS" && c.of == Jobs:
			segments = segments[1:]
		case inner == "MODULES":
			return nil, false, invalid(c.text, p.At(), "a query of %s cannot see modules; read FROM devices.modules, or FROM devices JOIN devices.modules.", c.of)
		case inner == "JOBS":
			return nil, false, invalid(c.text, p.At(), "a query of %s cannot see jobs; read FROM devices.jobs.", c.of)
		}
	}
	if len(segments) == 0 {
		return nil, false, invalid(c.text, p.At(), "%s is a collection; name a member of it, such as devices.deviceId.", strings.Join(p.Segments, "."))
	}
	return segments, module, nil
}
