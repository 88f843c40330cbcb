package hubapi

import (
	"bytes"
	"encoding/json"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/onboard"
)

// getSettings is GET /tvilling/settings:
//
//	{"guardSecurityTwin":false,"hideModuleKeys":false,
//	 "securityModule":{"enabled":true,"desired":{…},"tags":{…}}}
//
// desired and tags are the initial content of the module's twin, absent when
// there is none.
func (h *Handler) getSettings(c *rest.Call) error { return c.Answer(h.Settings.Current(), "") }

// putSettings is PUT /tvilling/settings. Members left out keep their value,
// and the answer is the settings then in force.
func (h *Handler) putSettings(c *rest.Call) error {
	b, err := c.Object()
	if err != nil {
		return err
	}
	next := h.Settings.Current()
	if err := parseSettings(b, &next); err != nil {
		return err
	}
	if err := h.Settings.Change(c.Context(), next, c.Who.Actor()); err != nil {
		return err
	}
	return c.Answer(next, "")
}

func parseSettings(b []byte, into *onboard.Settings) error {
	if err := rest.DecodeStrict(b, into); err != nil {
		return err
	}
	m := &into.SecurityModule
	var err error
	if m.Desired, err = initial(m.Desired, doc.Desired); err != nil {
		return err
	}
	m.Tags, err = initial(m.Tags, doc.Tags)
	return err
}

// initial checks the initial content of a section; null means none.
func initial(raw json.RawMessage, part doc.Part) (json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || isNull(raw) {
		return nil, nil
	}
	p, err := doc.Parse(raw, part)
	if err == nil {
		// The limit of a section holds for what becomes of the patch.
		_, err = doc.New(0).Replace(p, part, doc.Stamp{})
	}
	if err != nil {
		return nil, &tvilling.Error{Code: tvilling.CodeOf(err), Op: "read settings", Path: "securityModule", Message: tvilling.MessageOf(err), Err: err}
	}
	return raw, nil
}

// securityModule is GET /tvilling/securitymodule: how far the adoption of
// existing devices is,
//
//	{"enabled":true,"running":true,"seen":600,"adopted":500,"failed":0,"remaining":400}
func (h *Handler) securityModule(c *rest.Call) error { return c.Answer(h.Adoption.Progress(), "") }
