package crash_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// versions are those of a twin.
type versions struct {
	twin, desired, reported int64
}

// verifyJournal replays the journal, in which every version must be one more
// than the one before, and compares what comes of it with the twins there are.
func verifyJournal(l *life) {
	l.t.Helper()
	want := make(map[tvilling.Identity]versions)
	var sequence uint64
	for ch, err := range l.api.Changes(l.ctx, client.StreamOptions{}) {
		if err != nil {
			l.t.Errorf("read the journal after change %d: %v", sequence, err)
			return
		}
		if sequence++; ch.Sequence != sequence {
			l.t.Errorf("change %d follows change %d", ch.Sequence, sequence-1)
			return
		}
		if !step(want, ch) {
			l.t.Errorf("the chain of versions is broken at %s, which follows %+v", ch.Raw, want[identity(ch)])
			return
		}
	}
	found := 0
	for _, from := range []string{"devices", "devices.modules"} {
		for raw, err := range l.api.Query(l.ctx, "SELECT * FROM "+from, 0) {
			if err != nil {
				l.t.Errorf("query %s: %v", from, err)
				return
			}
			var t client.Twin
			if err := json.Unmarshal(raw, &t); err != nil {
				l.t.Errorf("query %s: %v", from, err)
				return
			}
			found++
			compareTwin(l, &t, want)
		}
	}
	if found != len(want) {
		l.t.Errorf("%d twins are there, and %d in the journal", found, len(want))
	}
}

func identity(ch *client.Change) tvilling.Identity {
	return tvilling.Identity{Device: ch.DeviceID, Module: ch.ModuleID}
}

// step applies a change; false when it does not follow from what was before.
func step(all map[tvilling.Identity]versions, ch *client.Change) bool {
	id := identity(ch)
	v, there := all[id]
	next := versions{ch.Version, ch.DesiredVersion, ch.ReportedVersion}
	switch ch.Op {
	case "createDeviceIdentity", "createModuleIdentity":
		if there || next != (versions{2, 1, 1}) {
			return false
		}
		if _, device := all[tvilling.Device(id.Device)]; id.IsModule() && !device {
			return false
		}
	case "deleteDeviceIdentity", "deleteModuleIdentity":
		delete(all, id)
		return there
	case "updateTwin", "replaceTwin":
		touched := int64(1)
		if next.desired == 0 {
			next.desired, touched = v.desired, 0
		}
		next.reported = v.reported
		if !there || next != (versions{v.twin + 1, v.desired + touched, v.reported}) {
			return false
		}
	case "reportTwin":
		next.desired = v.desired
		if !there || next != (versions{v.twin, v.desired, v.reported + 1}) {
			return false
		}
	default:
		return there || id.Device == "" || ch.Op == "connected" || ch.Op == "disconnected"
	}
	all[id] = next
	return true
}

func compareTwin(l *life, t *client.Twin, want map[tvilling.Identity]versions) {
	l.t.Helper()
	id := tvilling.Identity{Device: t.DeviceID, Module: t.ModuleID}
	v, ok := want[id]
	if !ok {
		l.t.Errorf("the twin of %s is there, but not in the journal", id)
		return
	}
	var desired, reported struct {
		Version int64 `json:"$version"`
	}
	if err := json.Unmarshal(t.Properties.Desired, &desired); err != nil {
		l.t.Error(err)
	}
	if err := json.Unmarshal(t.Properties.Reported, &reported); err != nil {
		l.t.Error(err)
	}
	if got := (versions{t.Version, desired.Version, reported.Version}); got != v {
		l.t.Errorf("the twin of %s has versions %+v, the journal %+v", id, got, v)
	}
	etag := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(t.Version)-1))
	if string(t.ETag) != etag {
		l.t.Errorf("the twin of %s has version %d and etag %s, want %s", id, t.Version, t.ETag, etag)
	}
}
