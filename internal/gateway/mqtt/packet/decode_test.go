package packet_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// frame splits exactly one packet.
func frame(t *testing.T, b []byte) packet.Frame {
	t.Helper()
	f, n, err := packet.Next(b, packet.MaxLength)
	if err != nil || n != len(b) {
		t.Fatalf("Next(% x) = %d, %v; want %d, nil", b, n, err, len(b))
	}
	return f
}

func TestConnect(t *testing.T) {
	tests := []struct {
		name string
		c    packet.Connect
		wire string
	}{
		{
			"device with a token",
			packet.Connect{KeepAlive: 180, ClientID: []byte("dev1"), Username: []byte("h/dev1/"), Password: []byte("SAS")},
			"\x10\x1e\x00\x04MQTT\x04\xc0\x00\xb4\x00\x04dev1\x00\x07h/dev1/\x00\x03SAS",
		},
		{
			"certificate: no password, clean, will",
			packet.Connect{
				CleanSession: true, KeepAlive: 60, ClientID: []byte("d"), Username: []byte("h/d/"),
				Will: &packet.Will{Topic: []byte("a/b"), Payload: []byte("gone"), QoS: 1, Retain: true},
			},
			"\x10\x1e\x00\x04MQTT\x04\xae\x00\x3c\x00\x01d\x00\x03a/b\x00\x04gone\x00\x04h/d/",
		},
		{
			"nothing but an empty client id",
			packet.Connect{ClientID: []byte{}},
			"\x10\x0c\x00\x04MQTT\x04\x00\x00\x00\x00\x00",
		},
		{
			"empty user name and password are not absent",
			packet.Connect{ClientID: []byte("d"), Username: []byte{}, Password: []byte{}},
			"\x10\x11\x00\x04MQTT\x04\xc0\x00\x00\x00\x01d\x00\x00\x00\x00",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.c.Append(nil)
			if string(b) != tt.wire {
				t.Errorf("Append = %q, want %q", b, tt.wire)
			}
			got, level, err := packet.DecodeConnect(frame(t, []byte(tt.wire)))
			if err != nil || level != packet.Level {
				t.Fatalf("DecodeConnect: level %d, %v", level, err)
			}
			if diff := cmp.Diff(tt.c, got); diff != "" {
				t.Errorf("decoded packet (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConnectRefused(t *testing.T) {
	tests := []struct {
		name  string
		body  string
		level byte
		err   error
	}{
		{"empty", "", 0, packet.ErrTruncated},
		{"name of MQTT 3.1", "\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01d", 0, packet.ErrProtocolName},
		{"level 5", "\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01d", 5, packet.ErrProtocolLevel},
		{"level 3", "\x00\x04MQTT\x03\x02\x00\x3c\x00\x01d", 3, packet.ErrProtocolLevel},
		{"reserved flag", "\x00\x04MQTT\x04\x01\x00\x3c\x00\x01d", 4, packet.ErrConnectFlags},
		{"will QoS without will", "\x00\x04MQTT\x04\x08\x00\x3c\x00\x01d", 4, packet.ErrWillFlags},
		{"will retain without will", "\x00\x04MQTT\x04\x20\x00\x3c\x00\x01d", 4, packet.ErrWillFlags},
		{"will QoS 3", "\x00\x04MQTT\x04\x1c\x00\x3c\x00\x01d\x00\x01t\x00\x00", 4, packet.ErrWillQoS},
		{"password without user name", "\x00\x04MQTT\x04\x40\x00\x3c\x00\x01d\x00\x01p", 4, packet.ErrPasswordFlag},
		{"no client id", "\x00\x04MQTT\x04\x00\x00\x3c", 4, packet.ErrTruncated},
		{"client id cut", "\x00\x04MQTT\x04\x00\x00\x3c\x00\x05dev", 4, packet.ErrTruncated},
		{"client id not UTF-8", "\x00\x04MQTT\x04\x00\x00\x3c\x00\x02\xc0\x80", 4, packet.ErrUTF8},
		{"client id with a surrogate", "\x00\x04MQTT\x04\x00\x00\x3c\x00\x03\xed\xa0\x80", 4, packet.ErrUTF8},
		{"client id with U+0000", "\x00\x04MQTT\x04\x00\x00\x3c\x00\x03d\x00e", 4, packet.ErrNull},
		{"will announced, absent", "\x00\x04MQTT\x04\x04\x00\x3c\x00\x01d", 4, packet.ErrTruncated},
		{"will topic empty", "\x00\x04MQTT\x04\x04\x00\x3c\x00\x01d\x00\x00\x00\x00", 4, packet.ErrTopic},
		{"will topic with wildcard", "\x00\x04MQTT\x04\x04\x00\x3c\x00\x01d\x00\x01#\x00\x00", 4, packet.ErrWildcard},
		{"user name announced, absent", "\x00\x04MQTT\x04\x80\x00\x3c\x00\x01d", 4, packet.ErrTruncated},
		{"user name not UTF-8", "\x00\x04MQTT\x04\x80\x00\x3c\x00\x01d\x00\x01\xff", 4, packet.ErrUTF8},
		{"bytes behind", "\x00\x04MQTT\x04\x00\x00\x3c\x00\x01dx", 4, packet.ErrTrailing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, level, err := packet.DecodeConnect(packet.Frame{Type: packet.CONNECT, Body: []byte(tt.body)})
			if !errors.Is(err, tt.err) || level != tt.level {
				t.Errorf("DecodeConnect: level %d, %v; want %d, %v", level, err, tt.level, tt.err)
			}
		})
	}
}

func TestConnack(t *testing.T) {
	for wire, want := range map[string]packet.Connack{
		"\x20\x02\x00\x00": {},
		"\x20\x02\x01\x00": {SessionPresent: true},
		"\x20\x02\x00\x05": {Code: packet.NotAuthorized},
	} {
		if got := string(want.Append(nil)); got != wire {
			t.Errorf("Append(%v) = %q, want %q", want, got, wire)
		}
		got, err := packet.DecodeConnack(frame(t, []byte(wire)))
		if err != nil || got != want {
			t.Errorf("DecodeConnack(%q) = %v, %v; want %v", wire, got, err, want)
		}
	}
	for body, want := range map[string]error{
		"":           packet.ErrTruncated,
		"\x00":       packet.ErrTruncated,
		"\x02\x00":   packet.ErrConnackFlags,
		"\x01\x05":   packet.ErrConnackFlags,
		"\x00\x06":   packet.ErrReturnCode,
		"\x00\x00 x": packet.ErrTrailing,
	} {
		if _, err := packet.DecodeConnack(packet.Frame{Type: packet.CONNACK, Body: []byte(body)}); !errors.Is(err, want) {
			t.Errorf("DecodeConnack(%q) = %v, want %v", body, err, want)
		}
	}
	// [MQTT-3.2.2-4]: a refusal never says that a session is present.
	if got := string(packet.Connack{SessionPresent: true, Code: packet.ServerUnavailable}.Append(nil)); got != "\x20\x02\x00\x03" {
		t.Errorf("refusal = %q", got)
	}
}

func TestAppendUnsupported(t *testing.T) {
	if got, want := string(packet.AppendUnsupported(nil, 3)), "\x20\x02\x00\x01"; got != want {
		t.Errorf("level 3: %q, want %q", got, want)
	}
	if got, want := string(packet.AppendUnsupported(nil, 5)), "\x20\x03\x00\x84\x00"; got != want {
		t.Errorf("level 5: %q, want %q", got, want)
	}
}

func TestPublish(t *testing.T) {
	tests := []struct {
		p    packet.Publish
		wire string
	}{
		{packet.Publish{Topic: []byte("a/b"), Payload: []byte("x")}, "\x30\x06\x00\x03a/bx"},
		{packet.Publish{Topic: []byte("a"), QoS: 1, ID: 0x0102, Payload: []byte{}}, "\x32\x05\x00\x01a\x01\x02"},
		{packet.Publish{Topic: []byte("a"), QoS: 2, ID: 1, Dup: true, Retain: true, Payload: []byte("p")}, "\x3d\x06\x00\x01a\x00\x01p"},
	}
	for _, tt := range tests {
		if got := string(tt.p.Append(nil)); got != tt.wire {
			t.Errorf("Append = %q, want %q", got, tt.wire)
		}
		got, err := packet.DecodePublish(frame(t, []byte(tt.wire)))
		if err != nil {
			t.Errorf("DecodePublish(%q): %v", tt.wire, err)
		}
		if diff := cmp.Diff(tt.p, got); diff != "" {
			t.Errorf("decoded packet (-want +got):\n%s", diff)
		}
	}
}

func TestPublishRefused(t *testing.T) {
	tests := []struct {
		name  string
		flags byte
		body  string
		err   error
	}{
		{"empty", 0, "", packet.ErrTruncated},
		{"topic cut", 0, "\x00\x05ab", packet.ErrTruncated},
		{"topic empty", 0, "\x00\x00x", packet.ErrTopic},
		{"topic with #", 0, "\x00\x03a/#", packet.ErrWildcard},
		{"topic with +", 0, "\x00\x03a/+", packet.ErrWildcard},
		{"topic not UTF-8", 0, "\x00\x01\xff", packet.ErrUTF8},
		{"topic with U+0000", 0, "\x00\x01\x00", packet.ErrNull},
		{"no packet id", 2, "\x00\x01a", packet.ErrTruncated},
		{"packet id 0", 2, "\x00\x01a\x00\x00", packet.ErrPacketID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := packet.DecodePublish(packet.Frame{Type: packet.PUBLISH, Flags: tt.flags, Body: []byte(tt.body)})
			if !errors.Is(err, tt.err) {
				t.Errorf("error = %v, want %v", err, tt.err)
			}
		})
	}
}

func TestSubscribe(t *testing.T) {
	s := packet.Subscribe{ID: 10, Filters: []packet.Filter{{Topic: []byte("a/#"), QoS: 1}, {Topic: []byte("b")}}}
	const wire = "\x82\x0c\x00\x0a\x00\x03a/#\x01\x00\x01b\x00"
	if got := string(s.Append(nil)); got != wire {
		t.Errorf("Append = %q, want %q", got, wire)
	}
	got, err := packet.DecodeSubscribe(frame(t, []byte(wire)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Errorf("decoded packet (-want +got):\n%s", diff)
	}
	for body, want := range map[string]error{
		"":                         packet.ErrTruncated,
		"\x00\x00\x00\x01a\x00":    packet.ErrPacketID,
		"\x00\x01":                 packet.ErrNoFilter,
		"\x00\x01\x00\x01a":        packet.ErrTruncated,
		"\x00\x01\x00\x01a\x03":    packet.ErrFilterQoS,
		"\x00\x01\x00\x01a\x41":    packet.ErrFilterQoS,
		"\x00\x01\x00\x00\x01":     packet.ErrTopic,
		"\x00\x01\x00\x01\xff\x01": packet.ErrUTF8,
	} {
		if _, err := packet.DecodeSubscribe(packet.Frame{Type: packet.SUBSCRIBE, Body: []byte(body)}); !errors.Is(err, want) {
			t.Errorf("DecodeSubscribe(%q) = %v, want %v", body, err, want)
		}
	}
}

func TestSuback(t *testing.T) {
	s := packet.Suback{ID: 10, Codes: []byte{0, 1, packet.SubackFailure}}
	const wire = "\x90\x05\x00\x0a\x00\x01\x80"
	if got := string(s.Append(nil)); got != wire {
		t.Errorf("Append = %q, want %q", got, wire)
	}
	got, err := packet.DecodeSuback(frame(t, []byte(wire)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Errorf("decoded packet (-want +got):\n%s", diff)
	}
	if _, err := packet.DecodeSuback(packet.Frame{Body: []byte("\x00\x01\x03")}); !errors.Is(err, packet.ErrReturnCode) {
		t.Errorf("reserved code: %v, want %v", err, packet.ErrReturnCode)
	}
}

func TestUnsubscribe(t *testing.T) {
	u := packet.Unsubscribe{ID: 7, Filters: [][]byte{[]byte("a/#"), []byte("b")}}
	const wire = "\xa2\x0a\x00\x07\x00\x03a/#\x00\x01b"
	if got := string(u.Append(nil)); got != wire {
		t.Errorf("Append = %q, want %q", got, wire)
	}
	got, err := packet.DecodeUnsubscribe(frame(t, []byte(wire)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(u, got); diff != "" {
		t.Errorf("decoded packet (-want +got):\n%s", diff)
	}
	for body, want := range map[string]error{
		"\x00\x01":             packet.ErrNoFilter,
		"\x00\x01\x00\x00":     packet.ErrTopic,
		"\x00\x01\x00\x02a":    packet.ErrTruncated,
		"\x00\x01\x00\x01\x00": packet.ErrNull,
		"\x00\x00\x00\x01a":    packet.ErrPacketID,
	} {
		if _, err := packet.DecodeUnsubscribe(packet.Frame{Body: []byte(body)}); !errors.Is(err, want) {
			t.Errorf("DecodeUnsubscribe(%q) = %v, want %v", body, err, want)
		}
	}
}

func TestSmallPackets(t *testing.T) {
	for _, tt := range []struct {
		got  []byte
		wire string
	}{
		{packet.AppendPuback(nil, 0x1234), "\x40\x02\x12\x34"},
		{packet.AppendUnsuback(nil, 1), "\xb0\x02\x00\x01"},
		{packet.AppendPingreq(nil), "\xc0\x00"},
		{packet.AppendPingresp(nil), "\xd0\x00"},
		{packet.AppendDisconnect(nil), "\xe0\x00"},
	} {
		if string(tt.got) != tt.wire {
			t.Errorf("encoded %q, want %q", tt.got, tt.wire)
		}
	}
	if id, err := packet.DecodeID(frame(t, []byte("\x40\x02\x12\x34"))); id != 0x1234 || err != nil {
		t.Errorf("DecodeID = %#x, %v", id, err)
	}
	for body, want := range map[string]error{
		"\x00": packet.ErrTruncated, "\x00\x00": packet.ErrPacketID, "\x00\x01x": packet.ErrTrailing,
	} {
		if _, err := packet.DecodeID(packet.Frame{Body: []byte(body)}); !errors.Is(err, want) {
			t.Errorf("DecodeID(%q) = %v, want %v", body, err, want)
		}
	}
	if err := packet.DecodeEmpty(packet.Frame{Body: []byte("x")}); !errors.Is(err, packet.ErrTrailing) {
		t.Errorf("DecodeEmpty = %v, want %v", err, packet.ErrTrailing)
	}
}
