package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// agentChange is a change of the agent configuration of one device.
type agentChange struct {
	device tvilling.DeviceID
	etag   tvilling.ETag
	// variant is what is changed; devices that change alike share it.
	variant *agentVariant
	// twin is the twin as it was written, failure why it was not, or not read.
	twin    *client.Twin
	failure error
}

// agentVariant is what a change of a configuration does.
type agentVariant struct {
	patch []byte
	edits []agentconfig.Edit
	// warnings are what is unwise, notes what is good to know.
	warnings, notes []string
	devices         int
}

func (a *agentChange) id() tvilling.Identity {
	return tvilling.Identity{Device: a.device, Module: tvilling.SecurityModule}
}

// plan reads the twin of a device and works out its change.
func (w *configurer) plan(d tvilling.DeviceID) (*agentChange, error) {
	a := &agentChange{device: d, variant: &agentVariant{}}
	t, err := w.client.TwinWithActors(w.cmd.Context(), a.id())
	if err != nil {
		return nil, err
	}
	a.etag = t.ETag
	desired, old := agentconfig.Reported(t.Properties.Desired)
	if old {
		desired = nil
		a.variant.notes = append(a.variant.notes, "The twin also has "+agentconfig.OldObject+", which agents up to version 0.0.3 read instead. It stays as it is.")
	}
	change, err := w.changeOf(desired)
	if err != nil {
		return nil, err
	}
	if a.variant.patch, a.variant.edits = change.Patch, change.Edits; len(change.Edits) == 0 {
		return a, nil
	}
	for _, p := range change.Problems {
		a.variant.warnings = append(a.variant.warnings, p.Message)
	}
	a.variant.warnings = append(a.variant.warnings, held(t, change.Edits)...)
	if report, _ := agentconfig.Reported(t.Properties.Reported); report != nil && !hasMember(t.Properties.Reported, agentconfig.ExtensionObject) {
		a.variant.notes = append(a.variant.notes, "The agent is an original one (C or C#), which takes what it is sent for the whole configuration; so it is sent the whole of it.")
	}
	return a, nil
}

// changeOf works out the change of an object. Most devices of a fleet have one
// of a few, so what was worked out is kept.
func (w *configurer) changeOf(desired json.RawMessage) (*agentconfig.Change, error) {
	const most = 1000
	w.mu.Lock()
	c := w.known[string(desired)]
	w.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := agentconfig.NewChange(desired, w.values)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known == nil {
		w.known = map[string]*agentconfig.Change{}
	}
	if len(w.known) < most {
		w.known[string(desired)] = c
	}
	return c, nil
}

// held warns of properties that are to change and that an automatic
// configuration has set, which sets them back.
func held(t *client.Twin, edits []agentconfig.Edit) (warnings []string) {
	if !bytes.Contains(t.Properties.Desired, []byte(`"configuration:`)) {
		return nil
	}
	for _, s := range agentconfig.Settings(t.Properties.Desired, nil) {
		name, ok := strings.CutPrefix(s.Actor, "configuration:")
		if !ok {
			continue
		}
		if at := strings.LastIndexByte(name, '@'); at >= 0 {
			name = name[:at] // without the digest
		}
		for _, e := range edits {
			if e.Property == s.Property {
				warnings = append(warnings, fmt.Sprintf("The automatic configuration %s holds %s and will set it back to its own value. Change the configuration, or have it leave this device alone.", name, s.Property))
			}
		}
	}
	return warnings
}

func hasMember(object json.RawMessage, name string) bool {
	var members map[string]json.RawMessage
	return json.Unmarshal(object, &members) == nil && members[name] != nil
}

// write writes a change, if the twin is still as it was.
func (w *configurer) write(a *agentChange) (*client.Twin, error) {
	desired, err := json.Marshal(map[string]json.RawMessage{agentconfig.Object: a.variant.patch})
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return w.client.PatchTwin(w.cmd.Context(), a.id(), client.TwinPatch{Desired: desired}, client.IfTag(a.etag))
}

// print shows a change to people.
func (v *agentVariant) print(out io.Writer) error {
	p := newPrinter(out, false)
	for _, e := range v.edits {
		if err := p.row(nil, "  "+dash(e.Property), shorten(e.Old, 60)+" → "+shorten(e.New, 60)); err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	for _, s := range v.warnings {
		wrap(out, "  ", "warning: "+oneLine(s))
	}
	for _, s := range v.notes {
		wrap(out, "  ", "note: "+oneLine(s))
	}
	return nil
}

// configured is what programs are told of a device.
type configured struct {
	Device  tvilling.DeviceID  `json:"deviceId"`
	Module  tvilling.ModuleID  `json:"moduleId"`
	Changes []agentconfig.Edit `json:"changes"`
	// Written says that the change was made; Version and ETag are then the twin's.
	Written  bool          `json:"written"`
	Version  int64         `json:"version,omitempty"`
	ETag     tvilling.ETag `json:"etag,omitempty"`
	Warnings []string      `json:"warnings,omitempty"`
	// Error says why it could not be read or changed.
	Error string `json:"error,omitempty"`
}

// report tells programs what became of a device; t is nil if nothing was written.
func (w *configurer) report(a *agentChange, t *client.Twin) error {
	if !w.json {
		return nil
	}
	r := configured{Device: a.device, Module: tvilling.SecurityModule, Changes: a.variant.edits, Warnings: a.variant.warnings}
	if r.Changes == nil {
		r.Changes = []agentconfig.Edit{}
	}
	if t != nil {
		r.Written, r.Version, r.ETag = true, t.Version, t.ETag
	}
	return writeJSON(w.cmd.OutOrStdout(), r)
}

// failed tells of a device that could not be read or changed.
func (w *configurer) failed(d tvilling.DeviceID, err error) error {
	if w.json {
		return writeJSON(w.cmd.OutOrStdout(), configured{Device: d, Module: tvilling.SecurityModule, Changes: []agentconfig.Edit{}, Error: describe(err)})
	}
	fmt.Fprintf(w.cmd.ErrOrStderr(), "%s: %s\n", oneLine(string(d)), oneLine(describe(err)))
	return nil
}
