package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Statistics count what a hub has.
type Statistics struct {
	Devices   int64 `json:"totalDeviceCount"`
	Enabled   int64 `json:"enabledDeviceCount"`
	Disabled  int64 `json:"disabledDeviceCount"`
	Connected int64 `json:"connectedDeviceCount"`
}

// Statistics returns the counts of the hub.
func (c *Client) Statistics(ctx context.Context) (*Statistics, error) {
	s := &Statistics{}
	for _, what := range []string{"devices", "service"} {
		if _, err := c.do(ctx, request{op: "get statistics", subject: c.host, method: http.MethodGet, path: path("statistics", what)}, s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Policy is a shared access policy. Permissions are RegistryRead,
// RegistryWrite, ServiceConnect, DeviceConnect, SecurityRead, SecurityWrite.
type Policy struct {
	Name        string   `json:"name"`
	Permissions []string `json:"permissions"`
	Primary     string   `json:"primaryKey,omitempty"`
	Secondary   string   `json:"secondaryKey,omitempty"`
}

// ConnectionString returns what a client needs to use the policy.
func (p *Policy) ConnectionString(host string) string {
	return "HostName=" + host + ";SharedAccessKeyName=" + p.Name + ";SharedAccessKey=" + p.Primary
}

// Policies returns the shared access policies of the hub.
func (c *Client) Policies(ctx context.Context) ([]*Policy, error) {
	var list []*Policy
	_, err := c.do(ctx, request{op: "list policies", subject: c.host, method: http.MethodGet, path: "/tvilling/policies"}, &list)
	return list, err
}

// Policy returns one policy.
func (c *Client) Policy(ctx context.Context, name string) (*Policy, error) {
	p := &Policy{}
	_, err := c.do(ctx, request{op: "get policy", subject: name, method: http.MethodGet, path: path("tvilling", "policies", name)}, p)
	return some(p, err)
}

// PutPolicy creates or changes a policy. Without keys the hub makes them, or
// keeps those there are.
func (c *Client) PutPolicy(ctx context.Context, p Policy) (*Policy, error) {
	got := &Policy{}
	_, err := c.do(ctx, request{op: "put policy", subject: p.Name, method: http.MethodPut, path: path("tvilling", "policies", p.Name), body: p}, got)
	return some(got, err)
}

// DeletePolicy removes a policy.
func (c *Client) DeletePolicy(ctx context.Context, name string) error {
	_, err := c.do(ctx, request{op: "delete policy", subject: name, method: http.MethodDelete, path: path("tvilling", "policies", name)}, nil)
	return err
}

// RegeneratePolicyKey gives a policy a new "primary" or "secondary" key, or
// swaps the two ("swap").
func (c *Client) RegeneratePolicyKey(ctx context.Context, name, which string) (*Policy, error) {
	p := &Policy{}
	_, err := c.do(ctx, request{
		op: "regenerate key", subject: name, method: http.MethodPost,
		path: path("tvilling", "policies", name, "regenerate"), query: url.Values{"key": {which}},
	}, p)
	return some(p, err)
}

// Settings are what can be switched about a running hub.
type Settings struct {
	GuardSecurityTwin bool           `json:"guardSecurityTwin"`
	HideModuleKeys    bool           `json:"hideModuleKeys"`
	SecurityModule    SecurityModule `json:"securityModule"`
}

// SecurityModule is the rule for the module beside every device.
type SecurityModule struct {
	Enabled bool            `json:"enabled"`
	Desired json.RawMessage `json:"desired"`
	Tags    json.RawMessage `json:"tags"`
}

// Settings returns the settings in force.
func (c *Client) Settings(ctx context.Context) (*Settings, error) {
	s := &Settings{}
	_, err := c.do(ctx, request{op: "get settings", subject: c.host, method: http.MethodGet, path: "/tvilling/settings"}, s)
	return some(s, err)
}

// PutSettings puts settings in force and returns them.
func (c *Client) PutSettings(ctx context.Context, s Settings) (*Settings, error) {
	got := &Settings{}
	_, err := c.do(ctx, request{op: "put settings", subject: c.host, method: http.MethodPut, path: "/tvilling/settings", body: s}, got)
	return some(got, err)
}

// Fault is something that is wrong with a hub.
type Fault struct {
	Gravity string `json:"gravity"`
	Short   string `json:"short"`
	What    string `json:"what"`
	Do      string `json:"do"`
	About   string `json:"about"`
}

// Health is what is wrong with a hub, with all of the answer.
type Health struct {
	Faults []Fault
	Raw    json.RawMessage
}

// Health returns what is wrong with the hub, the worst first.
func (c *Client) Health(ctx context.Context) (*Health, error) {
	h := &Health{}
	if _, err := c.do(ctx, request{op: "get health", subject: c.host, method: http.MethodGet, path: "/tvilling/health"}, &h.Raw); err != nil {
		return nil, err
	}
	var in struct {
		Faults []Fault `json:"faults"`
	}
	if err := json.Unmarshal(h.Raw, &in); err != nil {
		return nil, err
	}
	h.Faults = in.Faults
	return h, nil
}

// Adoption tells how far the hub is with giving its existing devices their
// security module.
type Adoption struct {
	Enabled   bool  `json:"enabled"`
	Running   bool  `json:"running"`
	Seen      int64 `json:"seen"`
	Adopted   int64 `json:"adopted"`
	Failed    int64 `json:"failed"`
	Remaining int64 `json:"remaining"`
}

// Adoption returns the progress of the adoption of existing devices.
func (c *Client) Adoption(ctx context.Context) (*Adoption, error) {
	a := &Adoption{}
	_, err := c.do(ctx, request{op: "get adoption", subject: c.host, method: http.MethodGet, path: "/tvilling/securitymodule"}, a)
	return some(a, err)
}
