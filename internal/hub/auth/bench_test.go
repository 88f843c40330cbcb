package auth_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/hub/auth"
)

func BenchmarkConnect(b *testing.B) {
	h := newHub(b)
	own := h.sign("hub.example/devices/d/modules/m", h.add("d/m").Primary, "")
	h.add("d")
	byPolicy := h.sign("hub.example", h.policyKeys("device").Primary, "device")
	ghost := h.sign("hub.example", auth.NewKey(), "")
	cert := newCertificate(b, "c")
	h.addCertificates("c", sha256Of(cert), "")
	for _, bench := range []struct {
		name, id string
		c        auth.Credentials
		ok       bool
	}{
		{"own", "d/m", own, true},
		{"policy", "d/m", byPolicy, true},
		{"certificate", "c", shown(cert), true},
		{"wrong", "d/m", ghost, false},
		{"unknown", "d/ghost", ghost, false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.Connect(b.Context(), identity(bench.id), bench.c); (err == nil) != bench.ok {
					b.Fatal(err)
				}
			}
		})
	}
}
