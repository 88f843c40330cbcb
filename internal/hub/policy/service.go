// Package policy keeps the shared access policies of a hub: named permissions
// that two keys give. It makes changes durable before they are in force, and
// closes the connections of whoever came with a key that is gone. What a
// policy is, and whether a token proves one, is package auth's.
package policy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Sessions closes connections whose credential is gone; a session.Manager is one.
type Sessions interface {
	// RecheckPolicies looks at every connection that a policy's key opened.
	RecheckPolicies()
}

// Policy is a shared access policy with its keys in the clear.
type Policy struct {
	Name        string
	Permissions auth.Permission
	Keys        auth.Pair
}

// Service keeps the policies of a hub.
type Service struct {
	commit   *commit.Committer
	auth     *auth.Authenticator
	sealer   *auth.Sealer
	sessions Sessions
}

// New returns a service over the policies that a is set to.
func New(c *commit.Committer, a *auth.Authenticator, sealer *auth.Sealer, sessions Sessions) *Service {
	return &Service{commit: c, auth: a, sealer: sealer, sessions: sessions}
}

// List returns all policies by name.
func (s *Service) List(context.Context) ([]Policy, error) {
	var list []Policy
	for _, p := range s.auth.Policies().All() {
		open, err := s.open(p)
		if err != nil {
			return nil, err
		}
		list = append(list, open)
	}
	return list, nil
}

// Get returns a policy; NotFound if there is none of that name.
func (s *Service) Get(_ context.Context, name string) (Policy, error) {
	p, ok := s.auth.Policies().Get(name)
	if !ok {
		return Policy{}, unknown(name)
	}
	return s.open(p)
}

func unknown(name string) error {
	return tvilling.Errorf(tvilling.NotFound, "There is no shared access policy %q.", name)
}

func (s *Service) open(p auth.Policy) (Policy, error) {
	keys, err := p.Keys(s.sealer)
	return Policy{Name: p.Name, Permissions: p.Permissions, Keys: keys}, err
}

// Put creates or changes the policy p.Name. Without keys a new policy gets
// fresh ones and an existing one keeps its own.
func (s *Service) Put(ctx context.Context, p Policy, actor string) (Policy, error) {
	if (p.Keys.Primary == "") != (p.Keys.Secondary == "") {
		return Policy{}, tvilling.Errorf(tvilling.InvalidArgument, "Give both keys of the policy, or neither.")
	}
	return s.change(ctx, p.Name, "put", actor, func(set *auth.Policies) (*auth.Policies, error) {
		keys := p.Keys
		if old, ok := set.Get(p.Name); ok && keys.Primary == "" {
			var err error
			if keys, err = old.Keys(s.sealer); err != nil {
				return nil, err
			}
		}
		next, err := auth.NewPolicy(s.sealer, p.Name, p.Permissions, keys)
		if err != nil {
			return nil, err
		}
		return set.With(next)
	})
}

// Regenerate replaces a policy's "primary" or "secondary" key, or swaps the two.
func (s *Service) Regenerate(ctx context.Context, name, which, actor string) (Policy, error) {
	return s.change(ctx, name, "regenerate "+which, actor, func(set *auth.Policies) (*auth.Policies, error) {
		old, ok := set.Get(name)
		if !ok {
			return nil, unknown(name)
		}
		next, err := old.Regenerate(s.sealer, which)
		if err != nil {
			return nil, err
		}
		return set.With(next)
	})
}

// Delete removes a policy.
func (s *Service) Delete(ctx context.Context, name, actor string) error {
	return s.store(ctx, name, "delete", actor, func(set *auth.Policies) (*auth.Policies, error) {
		return set.Without(name)
	})
}

// change stores a changed set and returns the policy as it is in it.
func (s *Service) change(ctx context.Context, name, what, actor string, f func(*auth.Policies) (*auth.Policies, error)) (Policy, error) {
	if err := s.store(ctx, name, what, actor, f); err != nil {
		return Policy{}, err
	}
	return s.Get(ctx, name)
}

// store makes a changed set durable, then puts it in force.
func (s *Service) store(ctx context.Context, name, what, actor string, f func(*auth.Policies) (*auth.Policies, error)) error {
	return s.commit.Do(ctx, func(tx *commit.Tx) error {
		value, err := tx.Setting(auth.PoliciesSetting)
		if err != nil {
			return err
		}
		set, err := auth.ParsePolicies(value)
		if err != nil {
			return err
		}
		if set, err = f(set); err != nil {
			return err
		}
		if value, err = json.Marshal(set); err != nil {
			return fmt.Errorf("encode policies: %w", err)
		}
		tx.PutSetting(auth.PoliciesSetting, value)
		body, err := json.Marshal(map[string]string{"policy": name, "change": what})
		if err != nil {
			return fmt.Errorf("encode change of policy %s: %w", name, err)
		}
		tx.Record(state.Change{Op: state.ChangePolicy, Actor: actor, Body: body})
		tx.Effect(func() {
			s.auth.SetPolicies(set)
			s.sessions.RecheckPolicies()
		})
		return nil
	})
}
