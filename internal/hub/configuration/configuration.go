package configuration

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// Configuration is the definition of an automatic configuration.
type Configuration struct {
	// ID has at most 128 characters, lower-case letters and digits among them,
	// but no upper-case letters, spaces or any of & ^ [ ] { } \ | " < > /.
	ID string
	// SchemaVersion is kept as it is given, "" for none.
	SchemaVersion string
	// Labels are for people.
	Labels map[string]string
	// Content is a JSON object of one member, deviceContent or moduleContent,
	// that holds values by path: "properties.desired", "properties.desired.a.b".
	// A null removes what is there. It never changes.
	Content json.RawMessage
	// Target is the target condition. With deviceContent it is a condition over
	// device twins, "*" for all of them; with moduleContent it is
	// "from devices.modules where " and a condition. "" targets nothing.
	Target string
	// Priority is not negative. The highest wins; of equals the one that was
	// created last.
	Priority int
	// Metrics are custom metrics: queries by the name of the metric, at most 5.
	Metrics map[string]string
	// Rollout, if set, applies the configuration in steps.
	Rollout *Rollout
	// Paused says that nothing is written for the configuration until it is
	// resumed. A create may ask for it; an update does not change it.
	Paused bool

	// Created and Updated are set by the hub, as is Revision, which counts the
	// accepted definitions from 1 on.
	Created, Updated time.Time
	Revision         uint64
}

// ETag is the configuration's etag: base64 of the decimal revision, "MQ==" for
// the first (wire §4.1).
func (c *Configuration) ETag() tvilling.ETag {
	return tvilling.ETag(base64.StdEncoding.EncodeToString(strconv.AppendUint(nil, c.Revision, 10)))
}

// Kind says which identities a configuration is for.
type Kind uint8

// The kinds of configurations.
const (
	Devices Kind = iota // deviceContent
	Modules             // moduleContent
)

// Kind returns which identities c is for. It must have been checked.
func (c *Configuration) Kind() Kind {
	var content struct {
		Module json.RawMessage `json:"moduleContent"`
	}
	if json.Unmarshal(c.Content, &content) == nil && len(content.Module) > 0 && string(content.Module) != "null" {
		return Modules
	}
	return Devices
}

// Actor is who a twin's stamps and the journal say wrote for c:
// "configuration:<id>@<digest>", where the digest is [Configuration.Digest].
func (c *Configuration) Actor() string { return doc.ConfigurationActor(c.ID, c.Digest()) }

// Digest names a revision of c: the time of its last update in ticks of 100 ns
// since the year 1, as decimal digits (wire §2.2, $lastUpdatedByDigest).
func (c *Configuration) Digest() string {
	const unixTicks = 62135596800 * 10_000_000
	return strconv.FormatInt(c.Updated.Unix()*10_000_000+int64(c.Updated.Nanosecond()/100)+unixTicks, 10)
}

// TargetedQuery is the text of the system metric targetedCount: the twins that
// the target condition finds; "" when it can find none.
func (c *Configuration) TargetedQuery() string {
	id := "deviceId"
	if c.Kind() == Modules {
		id += ", moduleId"
	}
	switch target := strings.TrimSpace(c.Target); {
	case target == "":
		return ""
	case c.Kind() == Modules:
		return "select " + id + " " + target
	case target == "*":
		return "select " + id + " from devices"
	default:
		return "select " + id + " from devices where " + target
	}
}

// AppliedQuery is the text of the system metric appliedCount: the twins that
// have what the configuration says (wire §4.5).
func (c *Configuration) AppliedQuery() string {
	columns, from := "deviceId", "devices"
	if c.Kind() == Modules {
		columns, from = "deviceId, moduleId", "devices.modules"
	}
	return "select " + columns + " from " + from + " where configurations.[[" + c.ID + "]].status = 'Applied'"
}
