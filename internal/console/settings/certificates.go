package settings

import (
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// certificates is the page of the server certificate and its authority.
type certificates struct {
	Nav       web.SettingsNav
	Server    Certificate
	Authority *Certificate
	May       bool
	Refused   int64
}

func (a *area) certificates(c *web.Call) error {
	p := &certificates{Nav: c.SettingsNav("certificates"), Server: a.Certificate(), Authority: a.Authority(), May: c.May(account.Admin)}
	f, _ := a.Health()
	p.Refused = f.CertificateRefused
	return c.Page(view("Certificates", "certificates", p))
}

// Left is how long the certificate is still good.
func (p *certificates) Left() string {
	left := time.Until(p.Server.Until)
	if left <= 0 {
		return "it has ended"
	}
	return "ends in " + span(left)
}

// Soon reports whether that is worth a warning.
func (p *certificates) Soon() bool { return time.Until(p.Server.Until) < 14*24*time.Hour }

// authorityFile is the authority's certificate, for devices to trust.
func (a *area) authorityFile(c *web.Call) error {
	pem := a.AuthorityPEM()
	if len(pem) == 0 {
		return tvilling.Errorf(tvilling.NotFound, "Devices need no authority of this hub: its certificate is signed by one that systems know.")
	}
	return c.Download("application/x-pem-file", "tvilling-ca.pem", func(emit func([]byte) error) error { return emit(pem) })
}

// reload loads certificates, rules and indicator lists again.
func (a *area) reload(c *web.Call) error {
	if err := a.Reload(c.Context()); err != nil {
		return tvilling.Errorf(tvilling.InvalidArgument, "Not everything could be loaded again; what could not stays as it was: %s", err)
	}
	return c.Redirect(ui.URL("settings", "certificates"), "Certificates, rules and indicator lists are loaded again.")
}
