package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math/rand/v2"
	"net"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/start"
	"github.com/tvilling/tvilling/internal/enroll"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/attack"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// startPages are what the page for beginners works with.
func (a *App) startPages() start.Options {
	return start.Options{
		Registry: a.registry, Record: a.plane.store.Device, AgentLine: a.agentLine, Rehearse: a.rehearse,
		Authority: a.authority, MQTTPort: a.mqttPort, Pages: &a.pages, Concluded: a.plane.ledger.Changed,
		Alert: func(ctx context.Context, d tvilling.DeviceID) (*ledger.Alert, error) {
			for alert, err := range a.plane.store.Alerts(ctx, ledger.AlertFilter{Device: d}, "") {
				return alert, err
			}
			return nil, nil //nolint:nilnil // none is not an error
		},
	}
}

// lineLife is how long the line that installs the agent is good for.
const lineLife = time.Hour

// agentLine makes the line that installs the agent on a device.
func (a *App) agentLine(ctx context.Context, host, port string, d tvilling.DeviceID) (string, time.Time, error) {
	refuse := func(format string, args ...any) (string, time.Time, error) {
		return "", time.Time{}, tvilling.Errorf(tvilling.Unsupported, format, args...)
	}
	if !enroll.IsHost(host) || !enroll.IsHost(net.JoinHostPort(host, port)) {
		return refuse("A connection string cannot name the hub %q: open this page by a name or an IPv4 address of the hub.", host)
	}
	rec, err := a.registry.Get(ctx, tvilling.Device(d))
	if err != nil {
		return "", time.Time{}, err
	}
	if rec.Auth.Type != state.SAS {
		return refuse("%s authenticates by a certificate, which stays on the device: install tvilling-agent there and name the certificate in /etc/tvilling-agent/agent.toml (device-certificate-file, device-private-key-file).", d)
	}
	_, err = a.registry.Get(ctx, tvilling.Identity{Device: d, Module: tvilling.SecurityModule})
	if tvilling.CodeOf(err) == tvilling.ModuleNotFound {
		return refuse("%s has no security module to connect the agent as; make it with: tvilling module restore %s", d, enroll.Word(string(d)))
	}
	if err != nil {
		return "", time.Time{}, err
	}
	if a.onboard.Current().HideModuleKeys {
		return refuse("The hub keeps the keys of modules from devices (hideModuleKeys), so none could fetch the agent's: install tvilling-agent on %s, and give “tvilling-agent enroll” there what this prints: tvilling module connection-string %s", d, enroll.Word(string(d)+"/"+string(tvilling.SecurityModule)))
	}
	key, _, err := a.registry.Keys(rec.Identity)
	if err != nil {
		return "", time.Time{}, err
	}
	chain, err := a.chain(host)
	if err != nil {
		return "", time.Time{}, err
	}
	until := time.Now().Add(lineLife).Truncate(time.Second)
	line, err := enroll.Line(enroll.Options{Host: host, Port: port, Chain: chain, Device: d, Key: key, Expires: until})
	return line, until, err
}

// chain are the certificates that the hub shows to who asks for a name.
func (a *App) chain(host string) (list []*x509.Certificate, err error) {
	shown, err := a.tls.Config().GetCertificate(&tls.ClientHelloInfo{ServerName: host})
	if err != nil {
		return nil, err
	}
	for _, der := range shown.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// simulatedTag marks a device that was made for simulated attacks.
const simulatedTag = `{"simulated":true}`

// rehearse has the hub take the messages of an attack as those of a device's
// security module, or of the device where it has none.
func (a *App) rehearse(ctx context.Context, d tvilling.DeviceID, name, actor string) error {
	play, ok := attack.Find(name)
	if !ok {
		return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "simulate an attack", Subject: name, Path: "attack", Message: "There is no such attack; choose one of the list."}
	}
	for _, s := range play.Steps {
		if s.Kind != attack.Send {
			return &tvilling.Error{Code: tvilling.Unsupported, Op: "simulate an attack", Subject: name, Path: "attack", Message: "This attack needs a connection of its own: run “tvilling simulate attack " + name + "”."}
		}
	}
	_, err := a.registry.Get(ctx, tvilling.Device(d))
	if tvilling.CodeOf(err) == tvilling.DeviceNotFound {
		err = a.makeSimulated(ctx, d, actor)
	}
	if err != nil {
		return err
	}
	from := tvilling.Identity{Device: d, Module: tvilling.SecurityModule}
	if _, err := a.registry.Get(ctx, from); tvilling.CodeOf(err) == tvilling.ModuleNotFound {
		from = tvilling.Device(d)
	} else if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) //nolint:gosec // it makes ids of events, and guards nothing
	var list []*tvilling.Message
	for _, body := range play.Messages(time.Now(), r) {
		list = append(list, &tvilling.Message{From: from, Body: body, System: []tvilling.Property{
			{Name: "iothub-interface-id", Value: tvilling.SecurityInterface},
			{Name: "content-type", Value: "application/json"},
			{Name: "content-encoding", Value: "utf-8"},
		}})
	}
	taken := make(chan error, 1)
	a.messages.Append(list, func(err error) { taken <- err })
	return <-taken
}

// makeSimulated makes a device for simulated attacks, with a tag that says so.
func (a *App) makeSimulated(ctx context.Context, d tvilling.DeviceID, actor string) error {
	if _, err := a.registry.Put(ctx, registry.Spec{ID: tvilling.Device(d)}, tvilling.Match{}, actor); err != nil {
		return err
	}
	tags, err := doc.Parse([]byte(simulatedTag), doc.Tags)
	if err != nil {
		return err
	}
	_, err = a.twins.Patch(ctx, tvilling.Device(d), twin.Update{Tags: tags}, tvilling.Match{}, actor)
	return err
}
