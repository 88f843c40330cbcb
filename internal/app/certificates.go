package app

import (
	"crypto/x509"
	"encoding/pem"

	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/gateway/tlsconf"
)

// certificates says what the server certificate is and what signs it.
func (a *App) certificates() hubapi.Certificates {
	server := a.tls.Info()
	out := hubapi.Certificates{Server: told(server), Own: server.Own}
	if i := a.authorityInfo(); i != nil {
		authority := told(*i)
		out.Authority, out.PEM = &authority, string(a.authority())
	}
	return out
}

func told(i tlsconf.Info) hubapi.Certificate {
	names := i.Names
	if names == nil {
		names = []string{}
	}
	return hubapi.Certificate{
		Names: names, Subject: i.Subject, Issuer: i.Issuer, NotBefore: i.From, NotAfter: i.Until, Serial: i.Serial, SHA256: i.SHA256, Key: i.Key,
	}
}

// authorityInfo says what devices are to trust; nil if they need not be told.
func (a *App) authorityInfo() *tlsconf.Info {
	block, _ := pem.Decode(a.authority())
	if block == nil {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		a.log.Warn("the authority's certificate cannot be shown", "error", err)
		return nil
	}
	i := tlsconf.Describe(c)
	return &i
}
