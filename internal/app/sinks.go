package app

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/tvilling/tvilling/internal/notify/syslog"
	"github.com/tvilling/tvilling/internal/notify/webhook"
	"github.com/tvilling/tvilling/internal/security/deliver"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// openSinks makes those who are told of alerts and recommendations.
func (a *App) openSinks(ctx context.Context) error {
	for _, s := range a.opt.Sinks {
		sink, err := a.openSink(s)
		if err != nil {
			return fmt.Errorf("%s %q: %w", s.Kind, s.Name, err)
		}
		severity := ledger.Informational
		if s.Severity != "" {
			severity, _ = ledger.ParseSeverity(s.Severity) // the options were checked
		}
		r, err := deliver.New(ctx, a.plane.ledger, deliver.Options{
			Name: s.Name, Kind: string(s.Kind), Sink: sink, Severity: severity, Logger: a.log.With("component", "deliver"),
		})
		if err != nil {
			return fmt.Errorf("%s %q: %w", s.Kind, s.Name, err)
		}
		a.plane.sinks = append(a.plane.sinks, r)
	}
	return nil
}

func (a *App) openSink(s Sink) (deliver.Sink, error) {
	roots, err := loadRoots(s.CAFile)
	if err != nil {
		return nil, err
	}
	if s.Kind == Syslog {
		return syslog.New(syslog.Options{Address: s.Target, Roots: roots, Host: a.hostName(), Version: a.opt.Version})
	}
	secret, err := webhook.ReadSecret(s.SecretFile)
	if err != nil {
		return nil, err
	}
	return webhook.New(webhook.Options{URL: s.Target, Secret: secret, Roots: roots, Version: a.opt.Version})
}

// loadRoots reads the certificates of a file; nil, the system's, for none.
func loadRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // nil stands for the system's
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read trusted certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return pool, nil
}
