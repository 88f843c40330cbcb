package packet_test

import (
	"bytes"
	"testing"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// FuzzDecode feeds bytes to the codec. Nothing may panic; whatever decodes
// must encode to a packet that decodes to the same encoding again.
func FuzzDecode(f *testing.F) {
	c := packet.Connect{
		KeepAlive: 60, ClientID: []byte("d/m"), Username: []byte("h/d/m/?api-version=2021-04-12"), Password: []byte("p"),
		Will: &packet.Will{Topic: []byte("devices/d/messages/events/"), Payload: []byte("w"), QoS: 1},
	}
	p := packet.Publish{Topic: []byte("$iothub/twin/GET/?$rid=1"), QoS: 1, ID: 9, Payload: []byte(" ")}
	s := packet.Subscribe{ID: 1, Filters: []packet.Filter{{Topic: []byte("$iothub/twin/res/#")}, {Topic: []byte("x"), QoS: 2}}}
	u := packet.Unsubscribe{ID: 1, Filters: [][]byte{[]byte("$iothub/twin/res/#")}}
	a := packet.Suback{ID: 1, Codes: []byte{0, 1}}
	for _, b := range [][]byte{
		c.Append(nil), p.Append(nil), s.Append(nil), u.Append(nil), a.Append(nil),
		packet.Connack{SessionPresent: true}.Append(nil), packet.AppendPuback(nil, 1), packet.AppendUnsuback(nil, 1),
		packet.AppendPingreq(nil), packet.AppendPingresp(nil), packet.AppendDisconnect(nil),
		[]byte("\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01d"), []byte("\x62\x02\x00\x01"), []byte("\x30\xff\xff\xff\x7f"),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			f, n, err := packet.Next(b, 1<<20)
			if err != nil || n == 0 {
				return
			}
			once, ok := recode(f)
			if ok {
				g, m, err := packet.Next(once, packet.MaxLength)
				if err != nil || m != len(once) {
					t.Fatalf("%v: encoded %q, Next = %d, %v", f.Type, once, m, err)
				}
				twice, ok := recode(g)
				if !ok || !bytes.Equal(once, twice) {
					t.Fatalf("%v: encoded %q, then %q (decoded: %t)", f.Type, once, twice, ok)
				}
			}
			b = b[n:]
		}
	})
}

// recode decodes a frame and encodes it again; ok is false if it does not decode.
func recode(f packet.Frame) (b []byte, ok bool) {
	var err error
	switch f.Type {
	case packet.CONNECT:
		var c packet.Connect
		if c, _, err = packet.DecodeConnect(f); err == nil {
			b = c.Append(nil)
		}
	case packet.CONNACK:
		var c packet.Connack
		if c, err = packet.DecodeConnack(f); err == nil {
			b = c.Append(nil)
		}
	case packet.PUBLISH:
		var p packet.Publish
		if p, err = packet.DecodePublish(f); err == nil {
			b = p.Append(nil)
		}
	case packet.SUBSCRIBE:
		var s packet.Subscribe
		if s, err = packet.DecodeSubscribe(f); err == nil {
			b = s.Append(nil)
		}
	case packet.SUBACK:
		var s packet.Suback
		if s, err = packet.DecodeSuback(f); err == nil {
			b = s.Append(nil)
		}
	case packet.UNSUBSCRIBE:
		var u packet.Unsubscribe
		if u, err = packet.DecodeUnsubscribe(f); err == nil {
			b = u.Append(nil)
		}
	case packet.PUBACK, packet.UNSUBACK:
		var id uint16
		if id, err = packet.DecodeID(f); err == nil {
			b = packet.AppendPuback(nil, id)
			if f.Type == packet.UNSUBACK {
				b = packet.AppendUnsuback(nil, id)
			}
		}
	case packet.PUBREC, packet.PUBREL, packet.PUBCOMP:
		_, _ = packet.DecodeID(f) // recognised, never sent
		return nil, false
	case packet.PINGREQ, packet.PINGRESP, packet.DISCONNECT:
		if err = packet.DecodeEmpty(f); err == nil {
			b = []byte{byte(f.Type) << 4, 0}
		}
	}
	return b, err == nil
}

func BenchmarkDecodePublish(b *testing.B) {
	p := packet.Publish{Topic: []byte("devices/dev1/messages/events/%24.ct=application%2Fjson"), QoS: 1, ID: 9, Payload: make([]byte, 200)}
	wire := p.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		f, _, err := packet.Next(wire, 1<<18)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := packet.DecodePublish(f); err != nil {
			b.Fatal(err)
		}
	}
}
