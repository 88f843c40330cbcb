// Package mend writes the ready patches of recommendations into twins, and
// tells beforehand what that changes. Whether it helped, the next evidence of
// the device tells.
package mend

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Ledger reads recommendations; a [ledger.Store] does.
type Ledger interface {
	Recommendation(ctx context.Context, d tvilling.DeviceID, typ string) (*ledger.Recommendation, error)
}

// Twins reads and patches twins; a [twin.Service] does.
type Twins interface {
	Get(ctx context.Context, id tvilling.Identity) (twin.View, error)
	Patch(ctx context.Context, id tvilling.Identity, u twin.Update, match tvilling.Match, actor string) (twin.View, error)
}

// Service previews and applies ready patches.
type Service struct {
	ledger Ledger
	twins  Twins
}

// New returns a service.
func New(l Ledger, t Twins) *Service { return &Service{ledger: l, twins: t} }

// Change is one member of the desired properties that a patch changes.
type Change struct {
	Path []string
	// Before and After are its values as JSON; "" if there is none.
	Before, After string
}

// Preview is what the ready patch of a recommendation would do now.
type Preview struct {
	Recommendation *ledger.Recommendation
	// Target has the twin that is patched, ETag is its state.
	Target tvilling.Identity
	ETag   tvilling.ETag
	// Changes is none if the twin is as the patch would have it.
	Changes []Change
}

// Preview tells what the ready patch would change. The codes are those of
// [Service.Ready].
func (s *Service) Preview(ctx context.Context, d tvilling.DeviceID, typ string) (*Preview, error) {
	ready, err := s.Ready(ctx, d, typ)
	if err != nil {
		return nil, err
	}
	p := &Preview{Recommendation: ready.Recommendation, Target: ready.Target}
	v, err := s.twins.Get(ctx, p.Target)
	if err != nil {
		return nil, err
	}
	p.ETag = v.ETag()
	after, err := v.Desired.Merge(ready.update.Desired, doc.Desired, doc.Stamp{})
	if err != nil {
		return nil, err
	}
	doc.Differences(v.Desired, after, func(path [][]byte, old, now doc.Value) {
		c := Change{Before: text(old), After: text(now)}
		for _, key := range path {
			c.Path = append(c.Path, string(key))
		}
		// Objects are told of by their members.
		if now.Kind() != doc.Object && old.Kind() != doc.Object {
			p.Changes = append(p.Changes, c)
		}
	})
	return p, nil
}

func text(v doc.Value) string {
	if v.Kind() == 0 {
		return ""
	}
	return string(v.AppendJSON(nil))
}

// Patch is the ready patch of a recommendation that is active, as read.
type Patch struct {
	Recommendation *ledger.Recommendation
	// Target has the twin that it is for.
	Target tvilling.Identity

	update twin.Update
}

// Ready reads the ready patch of a recommendation. The codes are NotFound for a
// recommendation that there is not, PreconditionFailed for one that is resolved,
// and Unsupported for one without a patch.
func (s *Service) Ready(ctx context.Context, d tvilling.DeviceID, typ string) (*Patch, error) {
	subject := typ + " of " + string(d)
	r, err := s.ledger.Recommendation(ctx, d, typ)
	switch {
	case err != nil:
	case r == nil:
		err = &tvilling.Error{Code: tvilling.NotFound, Op: "apply recommendation", Subject: subject, Message: "There is no such recommendation for this device."}
	case r.State != ledger.Active:
		err = &tvilling.Error{Code: tvilling.PreconditionFailed, Op: "apply recommendation", Subject: subject, Message: "The recommendation is resolved; there is nothing to apply."}
	case len(r.Patch) == 0:
		err = &tvilling.Error{
			Code: tvilling.Unsupported, Op: "apply recommendation", Subject: subject,
			Message: fmt.Sprintf("The recommendation %s has no ready patch; its type tells how to mend it by hand.", typ),
		}
	}
	if err != nil {
		return nil, err
	}
	var body struct {
		Properties struct {
			Desired json.RawMessage `json:"desired"`
		} `json:"properties"`
	}
	if err = json.Unmarshal(r.Patch, &body); err == nil {
		var p *doc.Patch
		if p, err = doc.Parse(body.Properties.Desired, doc.Desired); err == nil {
			return &Patch{Recommendation: r, Target: tvilling.Identity{Device: d, Module: r.Module}, update: twin.Update{Desired: p}}, nil
		}
	}
	return nil, &tvilling.Error{Code: tvilling.Internal, Op: "apply recommendation", Subject: subject, Message: "The ready patch is not one.", Err: err}
}

// Write writes a ready patch into its twin, if match allows it, as actor. The
// codes are those of patching twins: PreconditionFailed for a twin that is
// another one by now.
func (s *Service) Write(ctx context.Context, p *Patch, match tvilling.Match, actor string) (twin.View, error) {
	return s.twins.Patch(ctx, p.Target, p.update, match, actor)
}

// Apply is [Service.Ready] and [Service.Write] in one.
func (s *Service) Apply(ctx context.Context, d tvilling.DeviceID, typ string, match tvilling.Match, actor string) (twin.View, error) {
	p, err := s.Ready(ctx, d, typ)
	if err != nil {
		return twin.View{}, err
	}
	return s.Write(ctx, p, match, actor)
}
