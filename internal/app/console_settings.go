package app

import (
	"net/url"

	"github.com/tvilling/tvilling/internal/console/settings"
	"github.com/tvilling/tvilling/internal/gateway/tlsconf"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

// settingsPages are what the pages of the hub itself work with.
func (a *App) settingsPages() settings.Options {
	o := settings.Options{
		Health: a.Health, Certificate: func() settings.Certificate { return certificate(a.tls.Info()) },
		Authority: a.shownAuthority, AuthorityPEM: a.authority, Reload: a.Reload,
		Detections: a.plane.engine, Alerts: a.plane.store, Events: a.plane.events.Events, Items: investigate.Items, Letters: a.plane.events.DeadLetters,
		Reached: make(map[string]string), Hub: a.onboard,
	}
	for _, r := range a.plane.sinks {
		o.Sinks = append(o.Sinks, r)
	}
	for _, s := range a.opt.Sinks {
		o.Reached[s.Name] = s.Target
		if u, err := url.Parse(s.Target); s.Kind == Webhook && err == nil {
			o.Reached[s.Name] = u.Host // the rest of a webhook's URL may be a token
		}
	}
	return o
}

func certificate(i tlsconf.Info) settings.Certificate {
	return settings.Certificate{
		Names: i.Names, Subject: i.Subject, Issuer: i.Issuer, Serial: i.Serial, SHA256: i.SHA256, Key: i.Key, From: i.From, Until: i.Until, Own: i.Own, File: i.File,
	}
}

func (a *App) shownAuthority() *settings.Certificate {
	i := a.authorityInfo()
	if i == nil {
		return nil
	}
	c := certificate(*i)
	return &c
}
