package app

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/tvilling/tvilling/internal/gateway/tlsconf"
)

// authority returns the certificate that devices have to trust, nothing if the
// server certificate is the operator's own.
func (a *App) authority() []byte {
	if a.opt.CertificateFile != "" {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(a.opt.Data, tlsconf.CAFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("the authority's certificate cannot be given to devices", "error", err)
	}
	return b
}

// mqttPort is the port that devices connect to.
func (a *App) mqttPort() int {
	if address, ok := a.mqtt.Addr().(*net.TCPAddr); ok {
		return address.Port
	}
	return 8883
}
