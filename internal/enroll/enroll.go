// Package enroll makes the one line that, run in a shell on a device, installs
// the security agent from a hub and connects it. It needs no hub to do so: who
// calls it knows the device's key and what the hub shows.
package enroll

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/device"
)

// Options are what the line is made of.
type Options struct {
	// Host is the name by which the device reaches the hub, Port that of HTTPS.
	Host, Port string
	// Chain are the certificates that the hub shows, its own first.
	Chain  []*x509.Certificate
	Device tvilling.DeviceID
	// Key is a symmetric key of the device; it does not become part of the line,
	// which has a token that is valid until Expires.
	Key     string
	Expires time.Time
}

// Line returns the line.
func Line(o Options) (string, error) {
	address := o.Host
	if o.Port != "443" {
		address = net.JoinHostPort(o.Host, o.Port)
	}
	token, err := device.SASToken(o.Host+"/devices/"+string(o.Device), o.Key, o.Expires)
	if err != nil {
		return "", err
	}
	connection := "HostName=" + o.Host + ";DeviceId=" + string(o.Device) + ";SharedAccessSignature=" + token
	return "curl -fsS" + trust(o.Chain) + " https://" + address + "/tvilling/agent/install | sudo sh -s -- " + Quote(connection), nil
}

// trust returns the options by which curl accepts the hub's certificate and no
// other: none if any machine accepts it, else the hash of its public key.
func trust(chain []*x509.Certificate) string {
	others := x509.NewCertPool()
	for _, c := range chain[1:] {
		others.AddCert(c)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Intermediates: others}); err == nil {
		return ""
	}
	sum := sha256.Sum256(chain[0].RawSubjectPublicKeyInfo)
	// With a pin, -k does not mean that any certificate will do.
	return " -k --pinnedpubkey 'sha256//" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// IsHost reports whether s is the name or the IPv4 address of a host, with or
// without a port: what a connection string can have as its HostName.
func IsHost(s string) bool {
	if h, p, err := net.SplitHostPort(s); err == nil {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return false
		}
		s = h
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	return s != "" && s[0] != '-' && len(s) <= 253 && strings.Trim(s, letters) == ""
}

// Word is [Quote] without quotes where they are not needed.
func Word(s string) string {
	if IsHost(strings.ReplaceAll(s, "/", "")) {
		return s
	}
	return Quote(s)
}

// Quote makes a text one word of a shell.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
