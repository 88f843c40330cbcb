package app

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/tvilling/tvilling/internal/gateway/tlsconf"
)

// authority returns the certificate (PEM) that devices have to trust, nothing if
// they know the authority of the server certificate anyhow.
func (a *App) authority() []byte {
	path, pick := filepath.Join(a.opt.Data, tlsconf.CAFile), func(b []byte) []byte { return b }
	if a.opt.CertificateFile != "" {
		path, pick = a.opt.CertificateFile, topOfPrivateChain
	}
	b, err := os.ReadFile(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			a.log.Warn("the authority's certificate cannot be given to devices", "error", err)
		}
		return nil
	}
	return pick(b)
}

// topOfPrivateChain returns the last certificate of a server's chain, which is
// that of an authority or is its own, if this system does not know who signed
// it: then devices will not either. It returns nothing for a certificate that
// comes without its authority.
func topOfPrivateChain(text []byte) []byte {
	var chain []*x509.Certificate
	others := x509.NewCertPool()
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil
		}
		if len(chain) > 0 {
			others.AddCert(c)
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Intermediates: others}); err == nil {
		return nil
	}
	top := chain[len(chain)-1]
	if !top.IsCA && top.CheckSignature(top.SignatureAlgorithm, top.RawTBSCertificate, top.Signature) != nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: top.Raw})
}

// mqttPort is the port that devices connect to.
func (a *App) mqttPort() int {
	if address, ok := a.mqtt.Addr().(*net.TCPAddr); ok {
		return address.Port
	}
	return 8883
}
