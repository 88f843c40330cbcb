package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
	"github.com/tvilling/tvilling/internal/security/attack"
)

// The devices that rehearsals come from when none is named.
const (
	rehearsalDevice      = "rehearsal"
	rehearsalCertificate = "rehearsal-certificate"
)

// rehearsal rehearses attacks against a hub.
type rehearsal struct {
	hub  *client.Client
	addr string
	tls  *tls.Config
	// device is whom they come from; "" for the ones made for it.
	device tvilling.DeviceID
}

// target is the device that an attack is to come from, with what it needs.
type target struct {
	enlisted
	// made says that the device was not there before, connected that the one
	// who sends is connected elsewhere.
	made, connected bool
	// cert is what the attacker shows, for attacks with certificates.
	cert *tls.Certificate
}

// sender is who sends the messages: the security module, or the device where
// it has none.
func (t *target) sender() tvilling.Identity {
	if t.module != "" {
		return tvilling.Identity{Device: t.id, Module: tvilling.SecurityModule}
	}
	return tvilling.Device(t.id)
}

var errNeedsCertificate = errors.New("it needs a device that logs in with a certificate; leave out --device, and one is made for it")

// prepare finds or makes the device that an attack is to come from.
func (r *rehearsal) prepare(ctx context.Context, a attack.Attack) (*target, error) {
	for _, s := range a.Steps {
		if s.Kind.NeedsCertificate() {
			return r.prepareCertificate(ctx, s.Kind)
		}
	}
	t := &target{enlisted: enlisted{id: r.device}}
	if t.id == "" {
		t.id = rehearsalDevice
	}
	_, err := r.hub.Device(ctx, t.id)
	t.made = tvilling.CodeOf(err) == tvilling.DeviceNotFound
	if err != nil && !t.made {
		return nil, err
	}
	f := &fleet{hub: r.hub, security: true}
	if t.enlisted, err = f.enlistOne(ctx, t.id); err != nil {
		return nil, err
	}
	if t.module != "" {
		m, err := r.hub.Module(ctx, t.sender())
		if err != nil {
			return nil, err
		}
		t.connected = m.ConnectionState == "Connected"
		return t, nil
	}
	d, err := r.hub.Device(ctx, t.id)
	if err != nil {
		return nil, err
	}
	t.connected = d.ConnectionState == "Connected"
	return t, nil
}

// prepareCertificate finds or makes a device that logs in with a certificate,
// and makes the one that is shown. The key of a device's own certificate is
// the device's alone: an expired one is shown for a device made for it.
func (r *rehearsal) prepareCertificate(ctx context.Context, how attack.Kind) (*target, error) {
	t := &target{enlisted: enlisted{id: r.device}}
	if t.id == "" {
		t.id = rehearsalCertificate
	}
	until := time.Now().Add(time.Hour)
	if how == attack.ExpiredCertificate {
		until = time.Now().Add(-time.Hour)
	}
	var err error
	if t.cert, err = selfSigned(string(t.id), until); err != nil {
		return nil, err
	}
	own := t.cert
	if how == attack.WrongCertificate {
		if own, err = selfSigned(string(t.id), until); err != nil {
			return nil, err
		}
	}
	as := &client.Authentication{Type: "selfSigned"}
	as.X509Thumbprint.Primary = thumbprint(own)
	d, err := r.hub.Device(ctx, t.id)
	switch {
	case tvilling.CodeOf(err) == tvilling.DeviceNotFound:
		t.made = true
		_, err = r.hub.CreateDevice(ctx, client.Device{DeviceID: t.id, Authentication: as})
	case err != nil:
	case d.Authentication.Type != "selfSigned", how == attack.ExpiredCertificate && t.id != rehearsalCertificate:
		err = errNeedsCertificate
	case how == attack.ExpiredCertificate:
		d.Authentication = as
		_, err = r.hub.UpdateDevice(ctx, *d, client.IfTag(d.ETag))
	}
	return t, err
}

// selfSigned makes a certificate that is good until a time.
func selfSigned(name string, until time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func thumbprint(c *tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return hex.EncodeToString(sum[:])
}

// play does the steps of an attack one after the other, and tells each.
func (r *rehearsal) play(ctx context.Context, t *target, a attack.Attack, done func(attack.Step)) error {
	bodies := a.Messages(time.Now(), random())
	for _, s := range a.Steps {
		var err error
		if s.Kind == attack.Send {
			err = r.send(ctx, t, bodies[0])
			bodies = bodies[1:]
		} else {
			err = r.knock(ctx, t, s.Kind)
		}
		if err != nil {
			return err
		}
		done(s)
	}
	return nil
}

// random is what messages are made different by.
func random() *mathrand.Rand {
	return mathrand.New(mathrand.NewPCG(mathrand.Uint64(), mathrand.Uint64())) //nolint:gosec // it makes ids of events, and guards nothing
}

// send sends a security message as the target.
func (r *rehearsal) send(ctx context.Context, t *target, body []byte) error {
	id, key := t.sender(), t.key
	if id.IsModule() {
		key = t.module
	}
	c, err := device.Dial(ctx, device.Options{
		Addr: r.addr, TLS: r.tls, HostName: r.hub.HostName(), ID: id, Key: key, ClientType: "tvilling-simulate",
	})
	if err != nil {
		return err
	}
	return errors.Join(c.Send(ctx, securityEnvelope(body)), c.Close())
}

// knock shows the hub a credential that it has to refuse.
func (r *rehearsal) knock(ctx context.Context, t *target, how attack.Kind) error {
	o := device.Options{
		Addr: r.addr, TLS: r.tls, HostName: r.hub.HostName(), ID: t.sender(), ClientType: "tvilling-simulate",
	}
	switch how {
	case attack.ExpiredToken:
		if o.Key = t.key; o.ID.IsModule() {
			o.Key = t.module
		}
		o.TokenLife = -time.Hour
	case attack.WrongKey:
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		o.Key = base64.StdEncoding.EncodeToString(key)
	case attack.WrongCertificate, attack.ExpiredCertificate:
		o.TLS = r.tls.Clone()
		o.TLS.Certificates = []tls.Certificate{*t.cert}
	default:
		return fmt.Errorf("this version knows no step of kind %d", how)
	}
	c, err := device.Dial(ctx, o)
	if err == nil {
		return errors.Join(errors.New("the hub took a credential that it should have refused"), c.Close())
	}
	if tvilling.CodeOf(err) != tvilling.Unauthorized {
		return err
	}
	return nil
}

// alertsOf returns the versions of the alerts of an attack's type that a device
// has, by their ids: what is new or has another version later was observed since.
func alertsOf(ctx context.Context, c *client.Client, d tvilling.DeviceID, at attack.Attack) (map[string]uint64, error) {
	known := make(map[string]uint64)
	for a, err := range c.Alerts(ctx, client.AlertFilter{Device: d, Type: at.Type}, client.Paging{}) {
		if err != nil {
			return nil, err
		}
		known[a.ID] = a.Version
	}
	return known, nil
}

// awaitAlert waits for an alert of an attack that is new, or was observed again.
func awaitAlert(ctx context.Context, c *client.Client, d tvilling.DeviceID, at attack.Attack, before map[string]uint64, most time.Duration) (*client.Alert, error) {
	started := time.Now()
	for {
		for a, err := range c.Alerts(ctx, client.AlertFilter{Device: d, Type: at.Type}, client.Paging{}) {
			if err != nil {
				return nil, err
			}
			if version, known := before[a.ID]; a.Rule == at.Detection && (!known || version != a.Version) {
				return a, nil
			}
		}
		waited := time.Since(started)
		if waited > most {
			return nil, &tvilling.Error{
				Code: tvilling.NotFound, Op: "wait for an alert", Subject: at.Type + " on " + string(d),
				Message: fmt.Sprintf("None came within %s. See by \"tvilling detect show %s\" whether the detection is on; some tell of the same thing only once in a while.", most, at.Detection),
			}
		}
		if !wait(ctx, pauseAfter(waited)) {
			return nil, ctx.Err()
		}
	}
}

// pauseAfter is how long to wait before asking again: the shorter, the sooner
// an answer is likely.
func pauseAfter(waited time.Duration) time.Duration {
	return min(max(waited/10, 5*time.Millisecond), 250*time.Millisecond)
}
