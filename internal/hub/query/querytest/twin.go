package querytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// Written is when the sections of the twins of scripts were written.
var Written = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// Row is a [query.Row] of one twin, all of it given.
type Row struct{ query.Twin }

// AppendJSON appends the whole twin, member by member, in the order of the
// service's documents.
func (r *Row) AppendJSON(dst []byte) []byte { return AppendTwin(dst, &r.Twin) }

// AppendTwin appends a whole twin as the scripts show it.
func AppendTwin(dst []byte, t *query.Twin) []byte {
	dst = append(dst, '{')
	for _, name := range []string{
		"deviceId", "moduleId", "etag", "deviceEtag", "status", "statusReason", "statusUpdateTime", "connectionState",
		"lastActivityTime", "cloudToDeviceMessageCount", "authenticationType", "x509Thumbprint", "modelId", "version",
		"tags", "properties", "capabilities", "deviceScope", "parentScopes", "configurations", "security",
	} {
		if v := t.Field([]string{name}); v.Kind() != query.Undefined {
			if dst[len(dst)-1] != '{' {
				dst = append(dst, ',')
			}
			dst = v.AppendJSON(fmt.Appendf(dst, "%q:", name))
		}
	}
	return append(dst, '}')
}

// document is a twin as a script has it.
type document struct {
	DeviceID           tvilling.DeviceID
	ModuleID           tvilling.ModuleID
	Status             string
	StatusReason       string
	StatusUpdateTime   time.Time
	ConnectionState    string
	LastActivityTime   time.Time
	AuthenticationType state.AuthType
	X509Thumbprint     struct{ PrimaryThumbprint, SecondaryThumbprint string }
	ModelID            string
	Capabilities       struct{ IotEdge bool }
	DeviceScope        string
	ParentScopes       []string
	Tags               json.RawMessage
	Properties         struct{ Desired, Reported json.RawMessage }
	// Members that the hub keeps for a part of itself.
	Configurations, Security json.RawMessage
}

// MustTwin makes a twin of its document. What the document leaves away is as in
// a fresh twin.
func MustTwin(t testing.TB, source string) *Row {
	t.Helper()
	d := document{AuthenticationType: state.SAS}
	decoder := json.NewDecoder(strings.NewReader(source))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		t.Fatalf("twin %s: %v", source, err)
	}
	id := tvilling.Identity{Device: d.DeviceID, Module: d.ModuleID}
	r := &Row{query.Twin{
		Identity: &state.Identity{
			ID: id, Version: 1, Disabled: d.Status == "disabled", StatusReason: d.StatusReason, StatusUpdated: d.StatusUpdateTime,
			Auth: state.Authentication{
				Type:              d.AuthenticationType,
				PrimaryThumbprint: d.X509Thumbprint.PrimaryThumbprint, SecondaryThumbprint: d.X509Thumbprint.SecondaryThumbprint,
			},
			Edge: d.Capabilities.IotEdge, DeviceScope: d.DeviceScope, ParentScopes: d.ParentScopes,
		},
		Twin:         state.NewTwin(id),
		Connected:    d.ConnectionState == "Connected",
		LastActivity: d.LastActivityTime,
	}}
	twin := r.Twin.Twin
	twin.ModelID = d.ModelID
	for name, body := range map[string]json.RawMessage{"configurations": d.Configurations, "security": d.Security} {
		if body != nil {
			twin.Owned = append(twin.Owned, state.Owned{Name: name, Value: section(t, doc.Section{}, doc.Owned, body)})
		}
	}
	twin.Tags = section(t, twin.Tags, doc.Tags, d.Tags)
	twin.Desired = section(t, twin.Desired, doc.Desired, d.Properties.Desired)
	twin.Reported = section(t, twin.Reported, doc.Reported, d.Properties.Reported)
	return r
}

// section returns a section with a body merged into it.
func section(t testing.TB, s doc.Section, part doc.Part, body json.RawMessage) doc.Section {
	t.Helper()
	if body == nil {
		return s
	}
	p, err := doc.Parse(body, part)
	if err == nil {
		s, err = s.Merge(p, part, doc.Stamp{Time: Written, Actor: "policy:service"})
	}
	if err = errors.Join(err, s.Validate()); err != nil {
		t.Fatalf("section %s: %v", body, err)
	}
	return s
}
