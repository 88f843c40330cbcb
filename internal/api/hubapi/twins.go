package hubapi

import (
	"context"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// The forms in which sections stand in a twin (wire §2.2).
var (
	desiredForm  = doc.Form{Metadata: true, UpdatedVersion: true, Version: true}
	reportedForm = doc.Form{Metadata: true, Version: true}
)

// getTwin is GET of a device's or module's twin.
func (h *Handler) getTwin(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	v, err := h.Twins.Get(c.Context(), id)
	if err != nil {
		return err
	}
	return c.JSON(appendTwin(newTwin(v), v, false), v.ETag())
}

// getTwinActors is GET of a twin below /tvilling/: each leaf of its $metadata
// also says who wrote it.
func (h *Handler) getTwinActors(c *rest.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	v, err := h.Twins.Get(c.Context(), id)
	if err != nil {
		return err
	}
	return c.JSON(appendTwin(newTwin(v), v, true), v.ETag())
}

// patchTwin merges; putTwin replaces (wire §2.4). Without If-Match both are
// unconditional.
func (h *Handler) patchTwin(c *rest.Call) error { return h.writeTwin(c, h.Twins.Patch) }

func (h *Handler) putTwin(c *rest.Call) error { return h.writeTwin(c, h.Twins.Replace) }

// twinWriter is a method of [Twins] that changes a twin.
type twinWriter func(ctx context.Context, id tvilling.Identity, u twin.Update, match tvilling.Match, actor string) (twin.View, error)

func (h *Handler) writeTwin(c *rest.Call, write twinWriter) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	b, err := c.Object()
	if err != nil {
		return err
	}
	u, err := parseTwin(b)
	if err != nil {
		return err
	}
	v, err := write(c.Context(), id, u, c.Match(), c.Who.Actor())
	if err != nil {
		return err
	}
	return c.JSON(appendTwin(newTwin(v), v, false), v.ETag())
}

// parseTwin reads the sections a service may write from a checked object.
// Every other member is ignored, as clients send back whole twins; a section
// given twice or in the wrong letter case is refused, since ignoring it would
// lose a change in silence.
func parseTwin(b []byte) (twin.Update, error) {
	var u twin.Update
	var tags, properties, desired bool
	err := rest.Members(b, func(name string, value []byte) (err error) {
		switch name {
		case "tags":
			u.Tags, u.ClearTags, err = section(value, doc.Tags, "tags", &tags)
		case "properties":
			if err := once(&properties, "properties"); err != nil || isNull(value) {
				return err
			}
			if value[0] != '{' {
				return rest.BadMember("properties", "The value must be a JSON object.")
			}
			return rest.Members(value, func(name string, value []byte) (err error) {
				if name == "desired" {
					u.Desired, u.ClearDesired, err = section(value, doc.Desired, "properties.desired", &desired)
				} else {
					err = misspelt(name, "desired")
				}
				return err
			})
		default:
			err = misspelt(name, "tags", "properties")
		}
		return err
	})
	return u, err
}

// section reads one section; null clears it.
func section(value []byte, part doc.Part, path string, seen *bool) (p *doc.Patch, cleared bool, err error) {
	if err := once(seen, path); err != nil {
		return nil, false, err
	}
	if isNull(value) {
		return nil, true, nil
	}
	p, err = doc.Parse(value, part)
	return p, false, err
}

func once(seen *bool, path string) error {
	if *seen {
		return rest.BadMember(path, "The member is given twice.")
	}
	*seen = true
	return nil
}

func misspelt(name string, known ...string) error {
	for _, k := range known {
		if strings.EqualFold(name, k) {
			return rest.BadMember(name, "The member is spelt "+k+".")
		}
	}
	return nil
}

func isNull(value []byte) bool { return string(value) == "null" }

// newTwin returns room for the document of v.
func newTwin(v twin.View) []byte {
	owned := 0
	for _, m := range v.Owned {
		owned += 8 + len(m.Name) + 2*len(m.Value)
	}
	return make([]byte, 0, 768+2*len(v.Tags)+4*len(v.Desired)+4*len(v.Reported)+owned)
}

// appendTwin appends the document that services read (wire §2.1), its members
// in the order in which IoT Hub sends them.
func appendTwin(dst []byte, v twin.View, actors bool) []byte {
	dst = append(dst, `{"deviceId":`...)
	dst = rest.AppendString(dst, string(v.ID.Device))
	if v.ID.IsModule() {
		dst = append(dst, `,"moduleId":`...)
		dst = rest.AppendString(dst, string(v.ID.Module))
	}
	dst = append(dst, `,"etag":`...)
	dst = rest.AppendString(dst, string(v.ETag()))
	dst = appendTwinIdentity(dst, v.Identity, v)
	dst = append(dst, `,"modelId":`...)
	dst = rest.AppendString(dst, v.ModelID)
	dst = append(dst, `,"version":`...)
	dst = strconv.AppendInt(dst, v.Version, 10)
	dst = appendTags(dst, v.Tags, actors)
	desired, reported := desiredForm, reportedForm
	desired.Actors, reported.Actors = actors, actors
	dst = append(dst, `,"properties":{"desired":`...)
	dst = v.Desired.AppendJSON(dst, desired)
	dst = append(dst, `,"reported":`...)
	dst = v.Reported.AppendJSON(dst, reported)
	dst = append(dst, '}')
	if !v.ID.IsModule() {
		dst = appendDeviceTail(dst, v.Identity)
	}
	return append(appendOwned(dst, v.Owned), '}')
}

// appendOwned appends the members that the hub keeps for a part of itself.
// They come last: IoT Hub has none.
func appendOwned(dst []byte, members []state.Owned) []byte {
	for _, m := range members {
		dst = append(dst, ',')
		dst = append(rest.AppendString(dst, m.Name), ':')
		dst = m.Value.AppendJSON(dst, doc.Form{})
	}
	return dst
}

// appendTwinIdentity appends what a twin mirrors of its identity.
func appendTwinIdentity(dst []byte, rec *state.Identity, v twin.View) []byte {
	dst = append(dst, `,"deviceEtag":`...)
	dst = rest.AppendString(dst, string(rec.ETag()))
	dst = append(dst, `,"status":`...)
	dst = appendStatus(dst, rec.Disabled)
	if rec.StatusReason != "" {
		dst = append(dst, `,"statusReason":`...)
		dst = rest.AppendString(dst, rec.StatusReason)
	}
	dst = append(dst, `,"statusUpdateTime":`...)
	dst = rest.AppendTime(dst, rec.StatusUpdated)
	dst = append(dst, `,"connectionState":`...)
	dst = appendConnection(dst, v.Connected)
	dst = append(dst, `,"lastActivityTime":`...)
	dst = rest.AppendTime(dst, v.LastActivity)
	dst = append(dst, `,"cloudToDeviceMessageCount":0,"authenticationType":`...)
	dst = rest.AppendString(dst, string(rec.Auth.Type))
	dst = append(dst, `,"x509Thumbprint":`...)
	return appendThumbprints(dst, rec.Auth)
}

// appendTags appends the tags, which are absent when there are none. They have
// no $metadata in IoT Hub's document; with actors they have, to tell who wrote them.
func appendTags(dst []byte, tags doc.Section, actors bool) []byte {
	if tags.IsEmpty() {
		return dst
	}
	return tags.AppendJSON(append(dst, `,"tags":`...), doc.Form{Metadata: actors, Actors: actors})
}
