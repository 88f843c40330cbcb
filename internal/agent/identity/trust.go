package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/tvilling/tvilling"
)

// made is before this program was: an earlier clock is wrong.
var made = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ClockHint returns what to say besides a refusal if the clock is certainly
// wrong at now, as it is on a device without a battery that has just started;
// "" if it may be right.
func ClockHint(now time.Time) string {
	if now.Before(made) {
		return " The device's clock says " + now.UTC().Format("2006-01-02") + ", which cannot be: check the clock."
	}
	return ""
}

// tlsConfig returns how to speak TLS with the hub; cert may be nil.
func (c *Config) tlsConfig(cert *tls.Certificate) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.server()}
	if cert != nil {
		t.Certificates = []tls.Certificate{*cert}
	}
	if c.CAFile == "" {
		return t, nil
	}
	b, protected, err := readFile(c.CAFile)
	if err != nil {
		return nil, unreadable("Local Configuration", c.CAFile, err)
	}
	if protected != nil && errors.Is(protected, errWritable) {
		return nil, problem(tvilling.Unauthorized, "Local Configuration", "File Permissions", c.CAFile, "Whom to trust is in the file, and "+protected.Error()+". "+remedy(c.CAFile, "644"), nil)
	}
	t.RootCAs = x509.NewCertPool()
	if c.SystemRoots {
		if t.RootCAs, err = x509.SystemCertPool(); err != nil {
			return nil, problem(tvilling.Unavailable, "Local Configuration", "Other", c.CAFile, "The system's authorities cannot be read; set system-roots = false if the file is enough.", err)
		}
	}
	if !t.RootCAs.AppendCertsFromPEM(b) {
		return nil, problem(tvilling.InvalidArgument, "Local Configuration", "File Format", c.CAFile, "The file has no certificate in PEM.", nil)
	}
	return t, nil
}

// readPair reads a certificate and its private key.
func readPair(certFile, keyFile string) (*tls.Certificate, error) {
	cert, _, err := readFile(certFile)
	if err != nil {
		return nil, unreadable("Authentication", certFile, err)
	}
	key, err := readSecret(keyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, problem(tvilling.InvalidArgument, "Authentication", "File Format", certFile, "It and "+keyFile+" are not a certificate and its private key in PEM.", err)
	}
	return &pair, nil
}

// Explain turns a failure to connect to server into an error that says what to
// do about it. Errors of this project stay as they are.
func Explain(err error, server string, now time.Time) error {
	if _, ok := errors.AsType[*tvilling.Error](err); ok || err == nil {
		return err
	}
	e := &tvilling.Error{Code: tvilling.Unavailable, Op: "connect to", Subject: server, Err: err, Message: "The hub cannot be reached. Check its name, the network and the firewall between."}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		e.Code = tvilling.Unauthorized
		e.Message = fmt.Sprintf("The hub's certificate is valid from %s to %s, and the device's clock says %s: check the clock, and the hub's certificate.",
			invalid.Cert.NotBefore.UTC().Format(time.DateTime), invalid.Cert.NotAfter.UTC().Format(time.DateTime), now.UTC().Format(time.DateTime))
	} else if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		e.Code = tvilling.Unauthorized
		e.Message = "The hub's certificate is from no authority that the agent trusts. Name the file of the hub's authority as ca-file."
	} else if _, ok := errors.AsType[x509.HostnameError](err); ok {
		e.Code = tvilling.Unauthorized
		e.Message = "The hub's certificate is for another name. Connect by a name that is in it."
	} else if _, ok := errors.AsType[x509.SystemRootsError](err); ok {
		e.Message = "The system has no authorities to trust. Install its ca-certificates, or name the file of the hub's authority as ca-file."
	}
	return e
}
