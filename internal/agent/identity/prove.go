package identity

import (
	"crypto/tls"
	"encoding/base64"

	"github.com/tvilling/tvilling"
)

// proof is how the agent proves who it is: one of key, token and cert, of the
// module, or of the device, with which the module's key has to be fetched.
type proof struct {
	key, token string
	cert       *tls.Certificate
	ofDevice   bool
	// kept says that the token is for one use, and the module's key is kept.
	kept bool
	// file is where the secret is, for errors.
	file string
}

// prove reads the files of the configuration's proof. Names in a connection
// string come to be in c.
func (c *Config) prove() (proof, error) {
	p, err := c.readProof()
	if err != nil {
		return proof{}, err
	}
	if c.HostName == "" || c.DeviceID == "" {
		return proof{}, problem(tvilling.InvalidArgument, "Local Configuration", "Missing Configuration", c.Path, "host-name and device-id are needed where there is no connection string.", nil)
	}
	if p.key != "" {
		if k, err := base64.StdEncoding.DecodeString(p.key); err != nil || len(k) == 0 {
			return proof{}, problem(tvilling.InvalidArgument, "Authentication", "File Format", p.file, "The key is not base64.", nil)
		}
	}
	if p.token != "" && !isToken(p.token) {
		return proof{}, problem(tvilling.InvalidArgument, "Authentication", "File Format", p.file, "It is no shared access signature: that begins with \"SharedAccessSignature sr=\".", nil)
	}
	return p, nil
}

func (c *Config) readProof() (p proof, err error) {
	switch {
	case c.ConnectionString != "":
		p.file = c.Path
		return c.proofOf(c.ConnectionString, p)
	case c.ConnectionStringFile != "":
		p.file = c.ConnectionStringFile
		s, err := readSecretText(p.file)
		if err != nil {
			return proof{}, err
		}
		return c.proofOf(s, p)
	case c.ModuleKeyFile != "":
		p.file = c.ModuleKeyFile
		p.key, err = readSecretText(p.file)
	case c.DeviceKeyFile != "":
		p.file, p.ofDevice = c.DeviceKeyFile, true
		p.key, err = readSecretText(p.file)
	case c.SASTokenFile != "":
		p.file, p.ofDevice, p.kept = c.SASTokenFile, true, true
		p.token, err = readSecretText(p.file)
	case c.ModuleCertificateFile != "":
		p.file = c.ModuleCertificateFile
		p.cert, err = readPair(c.ModuleCertificateFile, c.ModulePrivateKeyFile)
	case c.DeviceCertificateFile != "":
		p.file, p.ofDevice = c.DeviceCertificateFile, true
		p.cert, err = readPair(c.DeviceCertificateFile, c.DevicePrivateKeyFile)
	default:
		return proof{}, problem(tvilling.InvalidArgument, "Local Configuration", "Missing Configuration", c.Path,
			"Nothing says how the agent proves who it is. Enrol the device (tvilling-agent enroll), or set connection-string-file, module-key-file, device-key-file or device-certificate-file.", nil)
	}
	return p, err
}

// proofOf is the proof of a connection string.
func (c *Config) proofOf(s string, p proof) (proof, error) {
	n, err := parseConnection(s)
	if err != nil {
		return proof{}, err
	}
	c.take(n)
	p.key, p.token, p.ofDevice = n.key, n.token, n.module == ""
	if !n.x509 {
		return p, nil
	}
	certFile, keyFile, names := c.ModuleCertificateFile, c.ModulePrivateKeyFile, "module-certificate-file and module-private-key-file"
	if p.ofDevice {
		certFile, keyFile, names = c.DeviceCertificateFile, c.DevicePrivateKeyFile, "device-certificate-file and device-private-key-file"
	}
	if certFile == "" {
		return proof{}, problem(tvilling.InvalidArgument, "Local Configuration", "Missing Configuration", p.file, "The connection string has x509=true: name the certificate with "+names+".", nil)
	}
	p.cert, err = readPair(certFile, keyFile)
	return p, err
}
