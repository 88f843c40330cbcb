package configuration

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
)

// stage is how far a configuration has come: what of its progress has to
// outlive the hub.
type stage struct {
	Format int `json:"format"`
	// Paused was asked for; Stopped is why a rollout is at an end, and Reason
	// says more, for people.
	Paused  bool    `json:"paused,omitempty"`
	Stopped stopped `json:"stopped,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	// Everyone says that all targeted twins are to have the configuration;
	// otherwise those up to Threshold, which is that of step Step (from 0 on)
	// and stands for Reach twins.
	Everyone  bool      `json:"everyone,omitempty"`
	Step      int       `json:"step,omitempty"`
	Threshold threshold `json:"threshold,omitempty"`
	Reach     int64     `json:"reach,omitempty"`
	// Placed says that the threshold of the step is known.
	Placed bool `json:"placed,omitempty"`
	// Settled is when the step was found finished.
	Settled time.Time `json:"settled,omitzero"`
	// Finished says that the rollout is.
	Finished bool `json:"finished,omitempty"`
	// Removed says that the configuration is deleted; Kind is what it was for.
	Removed bool `json:"removed,omitempty"`
	Kind    Kind `json:"kind,omitempty"`
	// Pass is the pass over the twins that is still to be made, or to be ended.
	Pass *pass `json:"pass,omitempty"`
	// Turn counts the passes, so that one which is over says nothing of the next.
	Turn uint64 `json:"turn,omitempty"`
	// Looked and Blocked are the figures of the last pass that has ended.
	Looked  int64     `json:"looked,omitempty"`
	Blocked int64     `json:"blocked,omitempty"`
	Changed time.Time `json:"changed"`
}

// begin has all twins of the configuration looked at, from the start.
func (s *stage) begin(now time.Time) {
	s.Pass, s.Settled, s.Changed = new(pass), time.Time{}, now
	s.Turn++
}

// restart has a rollout begin at its first step.
func (s *stage) restart() {
	s.Everyone, s.Step, s.Threshold, s.Reach, s.Placed, s.Finished = false, 0, 0, 0, false, false
	s.Stopped, s.Reason = "", ""
}

// renew has a new definition take effect.
func (s *stage) renew(now time.Time, r *Rollout) {
	if r == nil {
		s.Everyone, s.Finished = true, true
	}
	s.begin(now)
}

type stopped string

const (
	halted     stopped = "halted"
	rolledBack stopped = "rolledBack"
)

// pass is how far a look at all twins of a configuration has come.
type pass struct {
	// Connected says that the twins that are connected have been looked at.
	Connected bool              `json:"connected,omitempty"`
	Device    tvilling.DeviceID `json:"device,omitempty"`
	Module    tvilling.ModuleID `json:"module,omitempty"`
	// Looked and Blocked count twins, as in [Progress].
	Looked  int64 `json:"looked,omitempty"`
	Blocked int64 `json:"blocked,omitempty"`
}

// after is the last identity that was looked at.
func (p *pass) after() tvilling.Identity {
	return tvilling.Identity{Device: p.Device, Module: p.Module}
}

// threshold is a place in the order of a rollout; in JSON a decimal string,
// since not every reader has numbers of 64 bits.
type threshold uint64

// MarshalText writes t in decimal.
func (t threshold) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(t), 10), nil }

// UnmarshalText reads t.
func (t *threshold) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 64)
	*t = threshold(n)
	return err
}

// writes reports whether a configuration may write to the twins that it reaches.
func (s *stage) writes() bool { return !s.Paused && s.Stopped == "" }

// format is that of all settings of this package.
const format = 1

// The settings in which configurations are kept.
const (
	indexSetting  = "configurations"
	cursorSetting = "configurations-cursor"
)

func definitionSetting(id string) string { return "configuration/" + id }
func stageSetting(id string) string      { return "configuration-progress/" + id }

// index lists the configurations that there are, and those that are deleted
// and still leave traces.
type index struct {
	Format  int      `json:"format"`
	IDs     []string `json:"ids"`
	Removed []string `json:"removed,omitempty"`
}

// definition is a configuration as it is stored.
type definition struct {
	Format        int               `json:"format"`
	SchemaVersion string            `json:"schemaVersion,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Content       json.RawMessage   `json:"content"`
	Target        string            `json:"target"`
	Priority      int               `json:"priority"`
	Metrics       map[string]string `json:"metrics,omitempty"`
	Rollout       *Rollout          `json:"rollout,omitempty"`
	Created       time.Time         `json:"created"`
	Updated       time.Time         `json:"updated"`
	Revision      uint64            `json:"revision"`
}

func (d *definition) configuration(id string) Configuration {
	return Configuration{
		ID: id, SchemaVersion: d.SchemaVersion, Labels: d.Labels, Content: d.Content, Target: d.Target,
		Priority: d.Priority, Metrics: d.Metrics, Rollout: d.Rollout, Created: d.Created, Updated: d.Updated, Revision: d.Revision,
	}
}

func definitionOf(c *Configuration) *definition {
	return &definition{
		Format: format, SchemaVersion: c.SchemaVersion, Labels: c.Labels, Content: c.Content, Target: c.Target,
		Priority: c.Priority, Metrics: c.Metrics, Rollout: c.Rollout, Created: c.Created, Updated: c.Updated, Revision: c.Revision,
	}
}

// decode reads a setting of this package; an absent one leaves v as it is.
func decode(name string, value []byte, v any) error {
	if value == nil {
		return nil
	}
	var head struct {
		Format int `json:"format"`
	}
	err := json.Unmarshal(value, &head)
	if err == nil && head.Format != format {
		return tvilling.Errorf(tvilling.Corrupt, "The setting %s has format %d, and this version of the hub knows format %d only.", name, head.Format, format)
	}
	if err == nil {
		err = json.Unmarshal(value, v)
	}
	if err != nil {
		return tvilling.Errorf(tvilling.Corrupt, "The setting %s is damaged: %w", name, err)
	}
	return nil
}

// encode writes a setting. The text of values stays as it is, since twins
// keep it to the byte.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, tvilling.Errorf(tvilling.Internal, "Encode a setting of configurations: %w", err)
	}
	return b.Bytes(), nil
}

// cursor is how far the journal was followed.
type cursor struct {
	Format int    `json:"format"`
	Cursor uint64 `json:"cursor"`
}

// compact takes the white space from JSON.
func compact(raw json.RawMessage) (json.RawMessage, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, contentError("content", "The content is no JSON: %w", err)
	}
	return b.Bytes(), nil
}
