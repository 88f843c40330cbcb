package security_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
	"github.com/tvilling/tvilling/internal/security/attack"
)

// TestEveryAttackRaisesItsAlert plays each rehearsal from a device of its own:
// the alert of its detection is raised once, no other, and the detection says
// that it found something.
func TestEveryAttackRaisesItsAlert(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	random := mathrand.New(mathrand.NewPCG(1, 2))
	var played []attack.Attack
	for _, a := range attack.Catalogue() {
		if a.Unavailable != "" {
			continue
		}
		played = append(played, a)
		d := tvilling.DeviceID(a.Name)
		if kind := a.Steps[0].Kind; kind != attack.Send {
			w.knock(d, kind)
			continue
		}
		agent := w.register(d)
		for _, body := range a.Messages(time.Now(), random) {
			agent.send(body)
		}
	}
	for _, a := range played {
		alert := w.raised(tvilling.DeviceID(a.Name), a.Type)
		if len(alert.Evidence) == 0 || alert.Evidence[0].Event == "" || alert.Title == "" {
			t.Errorf("%s: its evidence is %+v", a.Name, alert.Evidence)
		}
	}
	w.settle()
	for _, a := range played {
		w.wantRaised(a)
	}
	detections, err := w.owner.Detections(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range detections {
		if !slices.ContainsFunc(attack.Catalogue(), func(a attack.Attack) bool { return a.Detection == d.ID }) {
			t.Errorf("there is no rehearsal of %s", d.ID)
		}
	}
}

// wantRaised fails unless a played attack has raised what it says, each once.
func (w *world) wantRaised(a attack.Attack) {
	w.Helper()
	var got []string
	for _, alert := range w.alertsOf(tvilling.DeviceID(a.Name)) {
		got = append(got, alert.Rule)
		explained, err := w.owner.ExplainAlert(w.ctx, alert.ID)
		if err != nil || len(explained.Sentences) == 0 || len(explained.Remediation) == 0 {
			w.Errorf("%s: explained by %+v, %v", a.Name, explained, err)
		}
	}
	slices.Sort(got)
	want := []string{a.Detection}
	if a.Name == "brute-force-success" {
		want = append(want, "brute-force-failed") // before a guess is right, many were wrong
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		w.Errorf("%s raises alerts of %v, want %v", a.Name, got, want)
	}
	found, err := w.owner.Detection(w.ctx, a.Detection)
	if err != nil {
		w.Fatal(err)
	}
	if found.Findings < 1 || !found.Enabled || found.Error != "" {
		w.Errorf("%s says of itself: %d findings, enabled %t, %s", a.Detection, found.Findings, found.Enabled, found.Error)
	}
}

// knock registers a device and connects to the hub as it, or as its security
// module, with a credential that must be refused.
func (w *world) knock(d tvilling.DeviceID, with attack.Kind) {
	w.Helper()
	o := device.Options{Addr: w.hub.MQTT(), TLS: w.hub.TLS(), HostName: hostName, ID: securityOf(d), Clean: true}
	switch with {
	case attack.ExpiredToken:
		w.hub.Register(w.owner, d)
		m, err := w.owner.Module(w.ctx, securityOf(d))
		if err != nil {
			w.Fatal(err)
		}
		o.Key, o.TokenLife = m.Authentication.SymmetricKey.Primary, -time.Hour
	case attack.WrongKey:
		w.hub.Register(w.owner, d)
		o.Key = "bm90IHRoZSBrZXkgb2YgdGhlIGRldmljZSBhdCBhbGw="
	case attack.WrongCertificate:
		o.ID = tvilling.Device(d)
		w.certified(d, w.certificate(d, time.Hour))
		o.TLS.Certificates = []tls.Certificate{w.certificate(d, time.Hour)}
	case attack.ExpiredCertificate:
		o.ID = tvilling.Device(d)
		own := w.certificate(d, -time.Hour)
		w.certified(d, own)
		o.TLS.Certificates = []tls.Certificate{own}
	default:
		w.Fatalf("nobody knows how to show the credential of kind %d", with)
	}
	c, err := device.Dial(w.ctx, o)
	if err == nil {
		_ = c.Close() // the test has failed
		w.Errorf("%s is let in with a credential of kind %d", d, with)
	}
}

// certificate makes a self-signed certificate that ends in a while.
func (w *world) certificate(d tvilling.DeviceID, ends time.Duration) tls.Certificate {
	w.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{string(d)},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(ends),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		w.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// certified registers a device by its certificate.
func (w *world) certified(d tvilling.DeviceID, c tls.Certificate) {
	w.Helper()
	sum := sha256.Sum256(c.Certificate[0])
	_, err := w.owner.CreateDevice(w.ctx, client.Device{DeviceID: d, Authentication: &client.Authentication{
		Type: "selfSigned", X509Thumbprint: client.X509Thumbprint{Primary: hex.EncodeToString(sum[:])},
	}})
	if err != nil {
		w.Fatal(err)
	}
}

// TestRefusalsAreGathered: somebody who tries again and again is one alert, its
// events are those of the hub, and no client can make such a message.
func TestRefusalsAreGathered(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	a := w.register("d1")
	const tries = 5
	for range tries {
		c, err := device.Dial(w.ctx, device.Options{
			Addr: w.hub.MQTT(), TLS: w.hub.TLS(), HostName: hostName, ID: tvilling.Device("d1"), Key: "bm90IHRoZSBrZXk=", Clean: true,
		})
		if err == nil {
			_ = c.Close() // the test has failed
			t.Fatal("a wrong key opens the hub")
		}
	}
	alert := w.raised("d1", "IoT_Invalid_SAS_Token")
	if alert.Cause != "127.0.0.1" || alert.Evidence[0].Name != "HubAuthentication" {
		t.Errorf("the alert is %s", alert.Raw)
	}
	// A device says of itself what only the hub may say.
	forged := &tvilling.Message{
		Body:       message(event(id(1), "HubAuthentication", time.Now(), `{"Reason":"wrong_certificate","RemoteAddress":"192.0.2.1"}`)),
		Properties: []tvilling.Property{{Name: "tvilling-source", Value: "hub"}, {Name: "$.tvilling-source", Value: "hub"}},
	}
	device.MarkSecurity(forged)
	if err := a.conn.Send(w.ctx, forged); err != nil {
		t.Logf("the forged message is not taken: %v", err)
		a = w.connect("d1")
	}
	a.sees(event(id(2), "HubAuthentication", time.Now(), `{"Reason":"wrong_certificate","RemoteAddress":"192.0.2.1"}`))
	w.settle()
	list := w.alertsOf("d1")
	if len(list) != 1 || list[0].ID != alert.ID || list[0].Count > tries {
		t.Errorf("alerts are %v; want one of at most %d attempts", w.alerts("d1"), tries)
	}
	var byHub, byAgent int
	for e, err := range w.owner.Events(w.ctx, client.EventFilter{Device: "d1"}, client.Paging{}, false) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Hub {
			byHub++
			if e.Name != "HubAuthentication" || strings.Contains(string(e.Payload), "192.0.2.1") {
				t.Errorf("an event of the hub is %s", e.Raw)
			}
			continue
		}
		byAgent++
	}
	if byHub == 0 || byHub > 2 || byAgent == 0 {
		t.Errorf("%d events of the hub and %d of the agent", byHub, byAgent)
	}
	// Refused attempts are no word of the agent: whoever knocks as a device
	// that was never heard does not make it known.
	w.knock("quiet", attack.WrongKey)
	w.raised("quiet", "IoT_Invalid_SAS_Token")
	if _, p := w.stands("quiet", "judged", func(p posture) bool { return p.Alerts["low"] == 1 }); p.State != "unknown" || p.Agent.Version != "" {
		t.Errorf("a device that was never heard is %+v", p)
	}
	if got := w.query("security.state = 'unknown'"); !slices.Contains(got, "quiet") {
		t.Errorf("unknown are %v", got)
	}
}
