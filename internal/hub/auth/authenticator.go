package auth

import (
	"context"
	"crypto/x509"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Credentials is what a caller shows: a token, or the certificates of its TLS
// connection, leaf first, for which TLS has proved that it holds the key. A
// token, if there is one, counts alone.
type Credentials struct {
	Token        string
	Certificates []*x509.Certificate
	// Remote is where the caller comes from, as "address:port", and Protocol
	// what it speaks: "mqtt", "https". They prove nothing; a refusal tells them.
	Remote, Protocol string
}

// Directory finds the record of an identity: nil, without an error, when there
// is none.
type Directory interface {
	Identity(ctx context.Context, id tvilling.Identity) (*state.Identity, error)
}

// Options are what an [Authenticator] needs. Directory, Sealer and Policies
// are required.
type Options struct {
	Directory Directory
	Sealer    *Sealer
	Policies  *Policies
	// Refused, if set, is told of each refused caller who claimed to be a
	// registered device or module with a credential of his own, or a policy's
	// for a connection. It runs before the caller is answered and must not block.
	Refused func(Refused)
}

// Authenticator turns credentials into principals. It is safe for concurrent use.
type Authenticator struct {
	directory Directory
	sealer    *Sealer
	policies  atomic.Pointer[Policies] // replaced whole, by SetPolicies
	decoy     *state.Identity
	refused   func(Refused) // nil if nobody wants to know
}

// New returns an authenticator. It fails when a key of the policies does not
// open: the hub key is then not the one that the data was written with.
func New(o Options) (*Authenticator, error) {
	if o.Directory == nil || o.Sealer == nil || o.Policies == nil {
		return nil, errors.New("auth: directory, sealer and policies are required")
	}
	if err := o.Policies.Check(o.Sealer); err != nil {
		return nil, err
	}
	a := &Authenticator{directory: o.Directory, sealer: o.Sealer, decoy: newDecoy(o.Sealer), refused: o.Refused}
	a.policies.Store(o.Policies)
	return a, nil
}

// newDecoy returns the record that stands in for an unknown identity, so that
// refusing one takes the same work as refusing a wrong key.
func newDecoy(s *Sealer) *state.Identity {
	d := &state.Identity{Auth: state.Authentication{Type: state.SAS}}
	d.Auth.SealedPrimary, d.Auth.SealedSecondary = s.SealPair(IdentityOwner(d.ID), NewPair())
	return d
}

// Policies returns the policies in force.
func (a *Authenticator) Policies() *Policies { return a.policies.Load() }

// SetPolicies puts other policies in force. They must be durable already. Calls
// come from one goroutine. Sessions opened with a key that is gone stay open
// until their owner asks StillValid.
func (a *Authenticator) SetPolicies(ps *Policies) { a.policies.Store(ps) }

// Connect proves that a caller may be the identity id: over MQTT, AMQP or the
// device half of REST. What it takes: a token made with one of the identity's
// own keys, or with a key of a policy that has DeviceConnect and a scope that
// covers the identity; or, for an identity registered with thumbprints, the
// certificate of one. A device's key does not open its modules, nor a module's
// its device (wire §3.2). A disabled device closes its modules, too.
//
// A refusal has code Unauthorized and a [Refusal] inside; another code means
// that the records could not be read.
func (a *Authenticator) Connect(ctx context.Context, id tvilling.Identity, c Credentials) (Principal, error) {
	p, err := a.connect(ctx, id, c)
	if err != nil && a.refused != nil {
		a.tell(ctx, id, c, err)
	}
	return p, err
}

func (a *Authenticator) connect(ctx context.Context, id tvilling.Identity, c Credentials) (Principal, error) {
	subject := id.String()
	now := time.Now()
	if err := id.Check(); err != nil {
		return Principal{}, refuse(subject, UnknownIdentity, "the id is malformed: %s", tvilling.MessageOf(err))
	}
	if c.Token == "" {
		return a.certified(ctx, subject, []tvilling.Identity{id}, c.Certificates, now)
	}
	t, err := readToken(subject, c.Token, now)
	if err != nil {
		return Principal{}, err
	}
	if t.Policy == "" {
		return a.own(ctx, subject, resourceOf(id), []tvilling.Identity{id}, t, now)
	}
	p, err := a.byPolicy(ctx, subject, resourceOf(id), t, now)
	if err != nil {
		return Principal{}, err
	}
	if !p.May(DeviceConnect) {
		return Principal{}, refuse(subject, MissingPermission, "the policy %s has no DeviceConnect", p.Policy)
	}
	r, err := a.records(ctx, id)
	if err != nil {
		return Principal{}, err
	}
	if err := r.checkOpen(subject); err != nil {
		return Principal{}, err
	}
	if r.own.Auth.Type == state.None {
		return Principal{}, refuse(subject, WrongMethod, "the identity is registered to have no way to connect (type none)")
	}
	p.ID, p.Permissions = id, DeviceConnect
	return p, nil
}

// Request proves who sends a REST request for a resource, a percent-decoded
// path such as "/devices/d/modules/m". With a policy's token, whose scope must
// cover the resource, the principal has the policy's permissions and no
// identity.
//
// Below /devices/d also the credentials of the device itself, and below
// /devices/d/modules/m those of the module, are taken, by token (whose scope
// may be as wide as the bare host: both security agents send that) or by
// certificate. The principal then is the identity whose credential it is, with
// DeviceConnect. It is for the caller to decide what a device may do with the
// resource of its module, and to call Connect instead where the request acts
// as an identity.
func (a *Authenticator) Request(ctx context.Context, resource string, c Credentials) (Principal, error) {
	segments := splitResource(resource)
	candidates := credentialOwners(segments)
	p, err := a.request(ctx, resource, segments, candidates, c)
	if err != nil && a.refused != nil {
		if id, ok := claimed(candidates, c); ok {
			a.tell(ctx, id, c, err)
		}
	}
	return p, err
}

func (a *Authenticator) request(ctx context.Context, resource string, segments []string, candidates []tvilling.Identity, c Credentials) (Principal, error) {
	now := time.Now()
	if c.Token == "" {
		return a.certified(ctx, resource, candidates, c.Certificates, now)
	}
	t, err := readToken(resource, c.Token, now)
	if err != nil {
		return Principal{}, err
	}
	if t.Policy != "" {
		return a.byPolicy(ctx, resource, segments, t, now)
	}
	return a.own(ctx, resource, segments, candidates, t, now)
}

// credentialOwners lists the identities whose own credentials count for a
// resource: the device and, if it is below one, the module.
func credentialOwners(resource []string) []tvilling.Identity {
	id, ok := identityIn(resource)
	switch {
	case !ok:
		return nil
	case id.IsModule():
		return []tvilling.Identity{tvilling.Device(id.Device), id}
	default:
		return []tvilling.Identity{id}
	}
}

func readToken(subject, text string, now time.Time) (*Token, error) {
	t, err := ParseToken(text)
	if err != nil {
		return nil, refuse(subject, MalformedToken, "%s", err)
	}
	if t.Expired(now) {
		return nil, refuse(subject, ExpiredToken, "the token expired at %s", t.Expires.Format(time.RFC3339))
	}
	return t, nil
}

// own proves that t was signed with a key of one of the candidates.
func (a *Authenticator) own(ctx context.Context, subject string, resource []string, candidates []tvilling.Identity, t *Token, now time.Time) (Principal, error) {
	if len(candidates) == 0 {
		return Principal{}, refuse(subject, ForeignScope, "only a policy's token (skn) opens this; the key of a device or module opens paths below /devices/{id}")
	}
	// With the identity's own key the scope can only narrow, so an id that was
	// encoded twice is taken as it is.
	if t.scope.covers(resource) == outside {
		return Principal{}, refuse(subject, ForeignScope, "the scope of the token, %q, does not cover this", clip(t.rawScope))
	}
	var found *records
	var used string
	unknown, other := true, state.AuthType("")
	for _, id := range candidates {
		r, err := a.records(ctx, id)
		if err != nil {
			return Principal{}, err
		}
		key, err := a.signingKey(r, t)
		if err != nil {
			return Principal{}, err
		}
		switch {
		case r.own == nil:
		case r.own.Auth.Type != state.SAS:
			unknown, other = false, r.own.Auth.Type
		case key == "":
			unknown = false
		default:
			unknown = false
			found, used = &r, key
		}
	}
	switch {
	case found != nil:
	case unknown:
		return Principal{}, refuse(subject, UnknownIdentity, "no such identity is registered")
	case other != "":
		return Principal{}, refuse(subject, WrongMethod, "no key fits; the identity is registered to authenticate by %s, not by a key", other)
	default:
		return Principal{}, refuse(subject, WrongKey, "neither the primary nor the secondary key has signed this token")
	}
	if err := found.checkOpen(subject); err != nil {
		return Principal{}, err
	}
	return Principal{
		ID:          found.own.ID,
		Permissions: DeviceConnect,
		Expires:     t.end(now),
		Credential:  a.sealer.Fingerprint(kindKey, []byte(used)),
	}, nil
}

// signingKey returns the key of r that signed t, "" when none has. For an
// unknown identity, or one without keys, it does the work with a decoy.
func (a *Authenticator) signingKey(r records, t *Token) (string, error) {
	rec := r.own
	keyed := rec != nil && rec.Auth.Type == state.SAS
	if !keyed {
		rec = a.decoy
	}
	keys, err := a.sealer.OpenPair(IdentityOwner(rec.ID), rec.Auth.SealedPrimary, rec.Auth.SealedSecondary)
	if err != nil {
		return "", err
	}
	key := signedBy(t, keys)
	if !keyed {
		return "", nil
	}
	return key, nil
}

// signedBy returns the key of the pair that signed t, or "". It always tries both.
func signedBy(t *Token, keys Pair) string {
	primary, secondary := t.SignedBy(keys.Primary), t.SignedBy(keys.Secondary)
	switch {
	case primary:
		return keys.Primary
	case secondary:
		return keys.Secondary
	default:
		return ""
	}
}

// byPolicy proves that t was signed with a key of the policy that it names and
// that its scope covers the resource.
func (a *Authenticator) byPolicy(ctx context.Context, subject string, resource []string, t *Token, now time.Time) (Principal, error) {
	policy, known := a.Policies().Get(t.Policy)
	keys, err := policy.Keys(a.sealer)
	if err != nil {
		return Principal{}, err
	}
	key := signedBy(t, keys)
	if !known {
		return Principal{}, refuse(subject, UnknownPolicy, "there is no shared access policy %q", clip(t.Policy))
	}
	if key == "" {
		return Principal{}, refuse(subject, WrongKey, "neither the primary nor the secondary key of the policy %s has signed this token", policy.Name)
	}
	covered, err := a.policyCovers(ctx, t.scope, resource)
	if err != nil {
		return Principal{}, err
	}
	if !covered {
		return Principal{}, refuse(subject, ForeignScope, "the scope of the token, %q, does not cover this", clip(t.rawScope))
	}
	return Principal{
		Policy:      policy.Name,
		Permissions: policy.Permissions,
		Expires:     t.end(now),
		Credential:  a.sealer.Fingerprint(kindPolicy, []byte(key)),
	}, nil
}

// policyCovers is scope.covers for a policy's token. Such a token is often made
// for a device by somebody else, who narrowed it to one id. Where the ids of
// the scope match only when they are decoded once more, and an identity exists
// whose id is spelt as the scope has it, the token is that identity's.
func (a *Authenticator) policyCovers(ctx context.Context, s scope, resource []string) (bool, error) {
	switch s.covers(resource) {
	case inside:
		return true, nil
	case outside:
		return false, nil
	case insideDecoded:
	}
	if !isIdentityRoot(s.path[0]) {
		return false, nil
	}
	literal := tvilling.Device(tvilling.DeviceID(s.path[1]))
	if s.path[1] != resource[1] {
		rec, err := a.directory.Identity(ctx, literal)
		if rec != nil || err != nil {
			return false, err
		}
	}
	if len(s.path) > 3 && s.path[3] != resource[3] {
		literal.Module = tvilling.ModuleID(s.path[3])
		rec, err := a.directory.Identity(ctx, literal)
		return rec == nil, err
	}
	return true, nil
}
