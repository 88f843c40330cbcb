package packet_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

func TestNext(t *testing.T) {
	tests := []struct {
		name string
		in   string
		typ  packet.Type
		body string
		n    int
		err  error
	}{
		{name: "nothing", in: ""},
		{name: "first byte only", in: "\x30"},
		{name: "length unfinished", in: "\x30\x80\x80"},
		{name: "body unfinished", in: "\x40\x02\x00"},
		{name: "puback", in: "\x40\x02\x00\x07", typ: packet.PUBACK, body: "\x00\x07", n: 4},
		{name: "more follows", in: "\xc0\x00\xc0\x00", typ: packet.PINGREQ, n: 2},
		{name: "long form of a short length", in: "\xc0\x80\x00", typ: packet.PINGREQ, n: 3},
		{name: "two bytes of length", in: "\x30\xc8\x01" + strings.Repeat("x", 200), typ: packet.PUBLISH, body: strings.Repeat("x", 200), n: 203},
		{name: "type 0", in: "\x00", err: packet.ErrType},
		{name: "type 15", in: "\xf0\x00", err: packet.ErrType},
		{name: "five bytes of length", in: "\x30\x80\x80\x80\x80\x01", err: packet.ErrLength},
		{name: "over the limit", in: "\x30\xc9\x01", err: packet.ErrTooLarge},
		{name: "subscribe flags", in: "\x80", err: packet.ErrFlags},
		{name: "unsubscribe flags", in: "\xa0", err: packet.ErrFlags},
		{name: "pubrel flags", in: "\x60", err: packet.ErrFlags},
		{name: "connect flags", in: "\x11", err: packet.ErrFlags},
		{name: "disconnect flags", in: "\xe1", err: packet.ErrFlags},
		{name: "publish QoS 3", in: "\x36", err: packet.ErrQoS},
		{name: "publish QoS 0 with DUP", in: "\x38", err: packet.ErrDup},
		{name: "publish QoS 1 with DUP", in: "\x3a\x00", typ: packet.PUBLISH, n: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, n, err := packet.Next([]byte(tt.in), 200)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error = %v, want %v", err, tt.err)
			}
			if n != tt.n {
				t.Fatalf("n = %d, want %d", n, tt.n)
			}
			if n > 0 && (f.Type != tt.typ || string(f.Body) != tt.body) {
				t.Errorf("frame = %v %q, want %v %q", f.Type, f.Body, tt.typ, tt.body)
			}
		})
	}
}

func TestNextKeepsToItsFrame(t *testing.T) {
	buf := []byte("\x40\x02\x00\x07\xc0\x00")
	f, _, err := packet.Next(buf, 10)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(f.Body, 'x') // must not write into the frame behind
	if !bytes.Equal(buf, []byte("\x40\x02\x00\x07\xc0\x00")) {
		t.Errorf("appending to a body changed the buffer: %q", buf)
	}
}

func TestLengthForms(t *testing.T) {
	// The bounds of MQTT 3.1.1 table 2.4.
	for _, n := range []int{0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152} {
		p := packet.Publish{Topic: []byte("t"), Payload: make([]byte, max(n-3, 0))}
		b := p.Append(nil)
		f, size, err := packet.Next(b, packet.MaxLength)
		if err != nil || size != len(b) {
			t.Fatalf("length %d: Next = %d, %v; want %d", n, size, err, len(b))
		}
		if got := len(f.Body); got != max(n, 3) {
			t.Errorf("length %d: body of %d bytes", n, got)
		}
		for cut := range min(len(b), 6) {
			if _, size, err := packet.Next(b[:cut], packet.MaxLength); size != 0 || err != nil {
				t.Errorf("length %d cut to %d: Next = %d, %v; want 0, nil", n, cut, size, err)
			}
		}
	}
}

func TestTypeString(t *testing.T) {
	for typ, want := range map[packet.Type]string{
		0: "type 0", packet.CONNECT: "CONNECT", packet.DISCONNECT: "DISCONNECT", packet.PUBREC: "PUBREC", 15: "type 15",
	} {
		if got := typ.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}
