package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
)

// Device is a device identity. Of what is sent, the hub reads DeviceID, Status,
// StatusReason, Authentication, Capabilities, DeviceScope and ParentScopes.
type Device struct {
	DeviceID               tvilling.DeviceID `json:"deviceId"`
	GenerationID           string            `json:"generationId,omitempty"`
	ETag                   tvilling.ETag     `json:"etag,omitempty"`
	ConnectionState        string            `json:"connectionState,omitempty"`
	Status                 string            `json:"status,omitempty"`
	StatusReason           string            `json:"statusReason,omitempty"`
	ConnectionStateUpdated time.Time         `json:"connectionStateUpdatedTime,omitzero"`
	StatusUpdated          time.Time         `json:"statusUpdatedTime,omitzero"`
	LastActivity           time.Time         `json:"lastActivityTime,omitzero"`
	Authentication         *Authentication   `json:"authentication,omitempty"`
	Capabilities           Capabilities      `json:"capabilities,omitzero"`
	DeviceScope            string            `json:"deviceScope,omitempty"`
	ParentScopes           []string          `json:"parentScopes,omitempty"`
}

// Module is a module identity. Of what is sent, the hub reads the ids,
// ManagedBy and Authentication.
type Module struct {
	ModuleID               tvilling.ModuleID `json:"moduleId"`
	ManagedBy              string            `json:"managedBy,omitempty"`
	DeviceID               tvilling.DeviceID `json:"deviceId"`
	GenerationID           string            `json:"generationId,omitempty"`
	ETag                   tvilling.ETag     `json:"etag,omitempty"`
	ConnectionState        string            `json:"connectionState,omitempty"`
	ConnectionStateUpdated time.Time         `json:"connectionStateUpdatedTime,omitzero"`
	LastActivity           time.Time         `json:"lastActivityTime,omitzero"`
	Authentication         *Authentication   `json:"authentication,omitempty"`
}

// ID returns the identity of m.
func (m *Module) ID() tvilling.Identity {
	return tvilling.Identity{Device: m.DeviceID, Module: m.ModuleID}
}

// Authentication is how an identity proves who it is. Type is sas, selfSigned,
// certificateAuthority or none; without it the hub goes by what is given.
type Authentication struct {
	Type           string         `json:"type,omitempty"`
	SymmetricKey   SymmetricKey   `json:"symmetricKey,omitzero"`
	X509Thumbprint X509Thumbprint `json:"x509Thumbprint,omitzero"`
}

// SymmetricKey is a pair of keys in base64; empty ones are made by the hub.
type SymmetricKey struct {
	Primary   string `json:"primaryKey,omitempty"`
	Secondary string `json:"secondaryKey,omitempty"`
}

// X509Thumbprint is a pair of SHA-1 or SHA-256 hashes of certificates.
type X509Thumbprint struct {
	Primary   string `json:"primaryThumbprint,omitempty"`
	Secondary string `json:"secondaryThumbprint,omitempty"`
}

// Capabilities are those of a device.
type Capabilities struct {
	IotEdge bool `json:"iotEdge"`
}

// Device returns a device.
func (c *Client) Device(ctx context.Context, id tvilling.DeviceID) (*Device, error) {
	d := &Device{}
	_, err := c.do(ctx, request{op: "get device", subject: string(id), method: http.MethodGet, path: path("devices", string(id))}, d)
	return some(d, err)
}

// CreateDevice registers a device that is not there yet.
func (c *Client) CreateDevice(ctx context.Context, d Device) (*Device, error) {
	return c.putDevice(ctx, "create device", d, tvilling.Match{})
}

// UpdateDevice changes a device that is there and that match allows.
func (c *Client) UpdateDevice(ctx context.Context, d Device, match tvilling.Match) (*Device, error) {
	return c.putDevice(ctx, "update device", d, orAny(match))
}

func (c *Client) putDevice(ctx context.Context, op string, d Device, match tvilling.Match) (*Device, error) {
	got := &Device{}
	_, err := c.do(ctx, request{op: op, subject: string(d.DeviceID), method: http.MethodPut, path: path("devices", string(d.DeviceID)), match: match, body: d}, got)
	return some(got, err)
}

// Delete removes an identity, a device with all of its modules.
func (c *Client) Delete(ctx context.Context, id tvilling.Identity, match tvilling.Match) error {
	_, err := c.do(ctx, request{op: "delete", subject: id.String(), method: http.MethodDelete, path: identityPath(id, "devices"), match: orAny(match)}, nil)
	return err
}

// DeviceRange selects devices of a list.
type DeviceRange struct {
	// After is the id after which to begin, Prefix what all ids begin with.
	After  tvilling.DeviceID
	Prefix string
	// PageSize is how many are asked for at once, at most 1000; 0 is 1000.
	PageSize int
}

// Devices yields the devices of a hub in the order of their ids, reading page
// after page as far as they are wanted.
func (c *Client) Devices(ctx context.Context, r DeviceRange) iter.Seq2[*Device, error] {
	return func(yield func(*Device, error) bool) {
		for {
			var page struct {
				Devices []*Device         `json:"devices"`
				Next    tvilling.DeviceID `json:"next"`
			}
			q := url.Values{}
			setIf(q, "after", string(r.After))
			setIf(q, "prefix", r.Prefix)
			if r.PageSize > 0 {
				q.Set("top", strconv.Itoa(r.PageSize))
			}
			if _, err := c.do(ctx, request{op: "list devices", subject: c.host, method: http.MethodGet, path: "/tvilling/devices", query: q}, &page); err != nil {
				yield(nil, err)
				return
			}
			for _, d := range page.Devices {
				if !yield(d, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			r.After = page.Next
		}
	}
}

// Module returns a module.
func (c *Client) Module(ctx context.Context, id tvilling.Identity) (*Module, error) {
	m := &Module{}
	_, err := c.do(ctx, request{op: "get module", subject: id.String(), method: http.MethodGet, path: identityPath(id, "devices")}, m)
	return some(m, err)
}

// Modules returns the modules of a device.
func (c *Client) Modules(ctx context.Context, d tvilling.DeviceID) ([]*Module, error) {
	var list []*Module
	_, err := c.do(ctx, request{op: "list modules", subject: string(d), method: http.MethodGet, path: path("devices", string(d), "modules")}, &list)
	return list, err
}

// CreateModule registers a module that is not there yet.
func (c *Client) CreateModule(ctx context.Context, m Module) (*Module, error) {
	return c.putModule(ctx, "create module", m, tvilling.Match{})
}

// UpdateModule changes a module that is there and that match allows.
func (c *Client) UpdateModule(ctx context.Context, m Module, match tvilling.Match) (*Module, error) {
	return c.putModule(ctx, "update module", m, orAny(match))
}

func (c *Client) putModule(ctx context.Context, op string, m Module, match tvilling.Match) (*Module, error) {
	got := &Module{}
	_, err := c.do(ctx, request{op: op, subject: m.ID().String(), method: http.MethodPut, path: identityPath(m.ID(), "devices"), match: match, body: m}, got)
	return some(got, err)
}

// RestoreModule makes the security module of a device again after it was
// deleted on purpose.
func (c *Client) RestoreModule(ctx context.Context, d tvilling.DeviceID) (*Module, error) {
	m := &Module{}
	p := path("tvilling", "devices", string(d), "modules", string(tvilling.SecurityModule), "restore")
	_, err := c.do(ctx, request{op: "restore module", subject: string(d), method: http.MethodPost, path: p}, m)
	return some(m, err)
}

// RegenerateKey gives an identity a new "primary" or "secondary" key, or swaps
// the two ("swap"), and returns what it then authenticates with.
func (c *Client) RegenerateKey(ctx context.Context, id tvilling.Identity, which string) (*Authentication, error) {
	var got struct{ Authentication *Authentication }
	_, err := c.do(ctx, request{
		op: "regenerate key", subject: id.String(), method: http.MethodPost,
		path: identityPath(id, "tvilling", "devices") + "/regenerate", query: url.Values{"key": {which}},
	}, &got)
	return got.Authentication, err
}

// orAny turns no condition into the one that the thing exists.
func orAny(m tvilling.Match) tvilling.Match {
	if m.Given {
		return m
	}
	return Any()
}

func setIf(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// some returns v, or nil with an error.
func some[T any](v *T, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}
