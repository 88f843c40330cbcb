package hubapi

import (
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/policy"
)

// policyBody is what a client sends of a shared access policy. Both keys are
// given or neither: the hub then makes them, or keeps those the policy has.
type policyBody struct {
	Name         *string  `json:"name"`
	Permissions  []string `json:"permissions"`
	PrimaryKey   *string  `json:"primaryKey"`
	SecondaryKey *string  `json:"secondaryKey"`
}

// listPolicies is GET /tvilling/policies: an array of policies
//
//	{"name":"service","permissions":["ServiceConnect"],"primaryKey":"…","secondaryKey":"…"}
func (h *Handler) listPolicies(c *rest.Call) error {
	list, err := h.Policies.List(c.Context())
	if err != nil {
		return err
	}
	b := []byte{'['}
	for i, p := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendPolicy(b, p)
	}
	return c.JSON(append(b, ']'), "")
}

// getPolicy is GET /tvilling/policies/{name}.
func (h *Handler) getPolicy(c *rest.Call) error {
	p, err := h.Policies.Get(c.Context(), c.Params["name"])
	if err != nil {
		return err
	}
	return c.JSON(appendPolicy(nil, p), "")
}

// putPolicy is PUT /tvilling/policies/{name}: creates a policy or changes it.
func (h *Handler) putPolicy(c *rest.Call) error {
	b, err := c.Object()
	if err != nil {
		return err
	}
	p, err := parsePolicy(b, c.Params["name"])
	if err != nil {
		return err
	}
	if strings.EqualFold(p.Name, c.Who.Policy) && !p.Permissions.Has(ownerPermissions) {
		return rest.BadMember("permissions", "A policy cannot take from itself what it needs to change policies: "+ownerPermissions.String()+".")
	}
	if p, err = h.Policies.Put(c.Context(), p, c.Who.Actor()); err != nil {
		return err
	}
	return c.JSON(appendPolicy(nil, p), "")
}

// deletePolicy is DELETE /tvilling/policies/{name}.
func (h *Handler) deletePolicy(c *rest.Call) error {
	name := c.Params["name"]
	if strings.EqualFold(name, c.Who.Policy) {
		// Otherwise an owner could lock everybody out by a slip.
		return tvilling.Errorf(tvilling.InvalidArgument, "The policy %s cannot delete itself; use another policy with the same permissions.", name)
	}
	if err := h.Policies.Delete(c.Context(), name, c.Who.Actor()); err != nil {
		return err
	}
	return c.Nothing()
}

// regeneratePolicy is POST /tvilling/policies/{name}/regenerate?key=….
func (h *Handler) regeneratePolicy(c *rest.Call) error {
	which, err := key(c)
	if err != nil {
		return err
	}
	p, err := h.Policies.Regenerate(c.Context(), c.Params["name"], which, c.Who.Actor())
	if err != nil {
		return err
	}
	return c.JSON(appendPolicy(nil, p), "")
}

func parsePolicy(b []byte, name string) (policy.Policy, error) {
	var in policyBody
	if err := rest.DecodeStrict(b, &in); err != nil {
		return policy.Policy{}, err
	}
	if in.Name != nil && *in.Name != name {
		return policy.Policy{}, rest.BadMember("name", "The name in the body is not the one in the path.")
	}
	if len(in.Permissions) == 0 {
		return policy.Policy{}, rest.BadMember("permissions", "A policy needs at least one permission.")
	}
	permissions, err := auth.ParsePermission(strings.Join(in.Permissions, ","))
	if err != nil {
		return policy.Policy{}, rest.BadMember("permissions", tvilling.MessageOf(err))
	}
	p := policy.Policy{Name: name, Permissions: permissions, Keys: auth.Pair{Primary: text(in.PrimaryKey), Secondary: text(in.SecondaryKey)}}
	if (p.Keys.Primary == "") != (p.Keys.Secondary == "") {
		return policy.Policy{}, rest.BadMember("primaryKey", "Give both keys, or neither to have the hub make them.")
	}
	if p.Keys.Primary == "" {
		return p, nil
	}
	if err := p.Keys.Check(); err != nil {
		return policy.Policy{}, rest.BadMember("primaryKey", tvilling.MessageOf(err))
	}
	return p, nil
}

func appendPolicy(dst []byte, p policy.Policy) []byte {
	dst = append(dst, `{"name":`...)
	dst = rest.AppendString(dst, p.Name)
	dst = append(dst, `,"permissions":`...)
	dst = rest.AppendStrings(dst, strings.Split(p.Permissions.String(), ", "))
	dst = append(dst, `,"primaryKey":`...)
	dst = rest.AppendNullable(dst, p.Keys.Primary)
	dst = append(dst, `,"secondaryKey":`...)
	dst = rest.AppendNullable(dst, p.Keys.Secondary)
	return append(dst, '}')
}
