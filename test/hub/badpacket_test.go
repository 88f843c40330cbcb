package hub_test

import (
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

// str is a length-prefixed field.
func str(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

// raw puts a fixed header before a body of less than 16 KiB.
func raw(first byte, body ...[]byte) []byte {
	var b []byte
	for _, part := range body {
		b = append(b, part...)
	}
	if len(b) < 128 {
		return append([]byte{first, byte(len(b))}, b...)
	}
	return append([]byte{first, byte(len(b)) | 0x80, byte(len(b) >> 7)}, b...)
}

// connectBody is the start of a CONNECT with certain flags.
func connectBody(name string, level, flags byte) []byte {
	return append(str(name), level, flags, 0, 60)
}

func TestFirstPacketsThatAreRefused(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	w := watch(t, c, connect(t, h, securityOf("d"), keyOf(t, c, securityOf("d"))))
	user := hostName + "/d/?api-version=2021-04-12"
	good := token(t, resourceOf(device("d")), key, "", time.Now().Add(time.Hour))
	tests := []struct {
		name string
		send []byte
		want []byte // all that the hub answers before it closes
	}{
		{"nothing an MQTT client says", []byte("GET / HTTP/1.1\r\nHost: hub\r\n\r\n"), nil},
		{"reserved type 0", []byte{0, 0}, nil},
		{"reserved type 15", []byte{0xf0, 0}, nil},
		{"PINGREQ", []byte{0xc0, 0}, nil},
		{"PUBLISH", raw(0x30, str("devices/d/messages/events/"), []byte("x")), nil},
		{"CONNACK", []byte{0x20, 2, 0, 0}, nil},
		{"length of five bytes", []byte{0x10, 0xff, 0xff, 0xff, 0xff, 0x01}, nil},
		{"length beyond what a CONNECT needs", []byte{0x10, 0xff, 0xff, 0xff, 0x7f}, nil},
		{"flags on CONNECT", raw(0x11, connectBody("MQTT", 4, 0xc2), str("d"), str(user), str(good)), nil},
		{"empty CONNECT", raw(0x10), nil},
		{"protocol name MQIsdp", raw(0x10, connectBody("MQIsdp", 3, 0xc2), str("d"), str(user), str(good)), nil},
		{"protocol level 3", raw(0x10, connectBody("MQTT", 3, 0xc2), str("d"), str(user), str(good)), []byte{0x20, 2, 0, 1}},
		{"protocol level 5", raw(0x10, connectBody("MQTT", 5, 0xc2), []byte{0}, str("d"), str(user), str(good)), []byte{0x20, 3, 0, 0x84, 0}},
		{"reserved connect flag", raw(0x10, connectBody("MQTT", 4, 0xc3), str("d"), str(user), str(good)), nil},
		{"password without user name", raw(0x10, connectBody("MQTT", 4, 0x42), str("d"), str(good)), nil},
		{"will QoS 3", raw(0x10, connectBody("MQTT", 4, 0xde), str("d"), str("devices/d/messages/events/"), str("x"), str(user), str(good)), nil},
		{"will QoS without a will", raw(0x10, connectBody("MQTT", 4, 0xca), str("d"), str(user), str(good)), nil},
		{"bytes after the end", raw(0x10, connectBody("MQTT", 4, 0xc2), str("d"), str(user), str(good), []byte{0}), nil},
		{"password missing", raw(0x10, connectBody("MQTT", 4, 0xc2), str("d"), str(user)), nil},
		{"client id not UTF-8", raw(0x10, connectBody("MQTT", 4, 0xc2), str("d\xff"), str(user), str(good)), nil},
		{"client id with NUL", raw(0x10, connectBody("MQTT", 4, 0xc2), str("d\x00"), str(user), str(good)), nil},
		{"user name of a surrogate", raw(0x10, connectBody("MQTT", 4, 0xc2), str("d"), str("\xed\xa0\x80"), str(good)), nil},
		{"empty client id", raw(0x10, connectBody("MQTT", 4, 0xc2), str(""), str(user), str(good)), []byte{0x20, 2, 0, 2}},
		{"client id of 129 characters", raw(0x10, connectBody("MQTT", 4, 0xc2), str(strings.Repeat("d", 129)), str(user), str(good)), []byte{0x20, 2, 0, 2}},
		{"client id with a blank", raw(0x10, connectBody("MQTT", 4, 0xc2), str("d d"), str(user), str(good)), []byte{0x20, 2, 0, 2}},
		{"no user name", raw(0x10, connectBody("MQTT", 4, 0x02), str("d")), []byte{0x20, 2, 0, 5}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := exchange(t, open(t, h, nil), test.send)
			if string(got) != string(test.want) {
				t.Errorf("answered % x, want % x", got, test.want)
			}
		})
	}
	t.Run("no TLS", func(t *testing.T) {
		nc, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", h.MQTT())
		if err != nil {
			t.Fatal(err)
		}
		// What TLS says of it is TLS's affair; there is no CONNACK.
		got := exchange(t, &wire{t: t, nc: nc}, raw(0x10, connectBody("MQTT", 4, 0xc2), str("d"), str(user), str(good)))
		if len(got) > 0 && got[0] != 0x15 {
			t.Errorf("answered % x", got)
		}
	})
	w.check(t)
}

// exchange sends bytes and returns all that the hub answers until it closes.
func exchange(t testing.TB, w *wire, send []byte) []byte {
	t.Helper()
	w.send(send)
	var got []byte
	chunk := make([]byte, 4096)
	for {
		if err := w.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return got
		}
		n, err := w.nc.Read(chunk)
		got = append(got, chunk[:n]...)
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
			t.Fatalf("the hub did not close the connection; it answered % x", got)
		}
		if err != nil {
			return got
		}
	}
}

func TestCredentialsThatAreRefused(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	otherKey := h.Register(c, "other")
	h.Register(c, "off")
	if _, err := c.UpdateDevice(t.Context(), client.Device{DeviceID: "off", Status: "disabled"}, client.Any()); err != nil {
		t.Fatal(err)
	}
	service, err := c.Policy(t.Context(), "service")
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, c, connect(t, h, device("other"), otherKey))
	later := time.Now().Add(time.Hour)
	own := resourceOf(device("d"))
	good := token(t, own, key, "", later)
	sub := func(old, next string) string {
		s := strings.Replace(good, old, next, 1)
		if s == good {
			t.Fatalf("the token has no %q", old)
		}
		return s
	}
	fields := strings.SplitN(strings.TrimPrefix(good, auth.Scheme+" "), "&", 3)
	tests := []struct {
		name string
		connecting
	}{
		{"no password", connecting{password: ""}},
		{"not a token", connecting{password: "secret"}},
		{"the key itself", connecting{password: key}},
		{"scheme alone", connecting{password: auth.Scheme}},
		{"no signature", connecting{password: auth.Scheme + " " + fields[0] + "&" + fields[2]}},
		{"no expiry", connecting{password: auth.Scheme + " " + fields[0] + "&" + fields[1]}},
		{"no resource", connecting{password: auth.Scheme + " " + fields[1] + "&" + fields[2]}},
		{"resource twice", connecting{password: good + "&" + fields[0]}},
		{"resource replaced after signing", connecting{password: sub("%2Fd&", "%2Fd2&")}},
		{"expiry replaced after signing", connecting{password: sub("se=", "se=9")}},
		{"expiry not a number", connecting{password: sub("se=", "se=x")}},
		{"signature not base64", connecting{password: sub("sig=", "sig=*")}},
		{"signature cut", connecting{password: sub("sig=", "sig=AAAA&x=")}},
		{"broken percent escape", connecting{password: sub("sig=", "sig=%zz")}},
		{"another device's key", connecting{password: token(t, own, otherKey, "", later)}},
		{"another device's resource", connecting{password: token(t, resourceOf(device("other")), key, "", later)}},
		{"a resource that only begins alike", connecting{password: token(t, hostName+"/devices/dd", key, "", later)}},
		{"a module's resource", connecting{password: token(t, resourceOf(securityOf("d")), key, "", later)}},
		{"expired", connecting{password: token(t, own, key, "", time.Now().Add(-time.Hour))}},
		{"a policy without DeviceConnect", connecting{password: token(t, hostName, service.Primary, "service", later)}},
		{"a policy that is not there", connecting{password: token(t, hostName, service.Primary, "nobody", later)}},
		{"a policy with a device's key", connecting{password: token(t, hostName, key, "iothubowner", later)}},
		{"a token of 5000 bytes", connecting{password: good + "&x=" + strings.Repeat("x", 5000)}},
		{"a device that is not there", connecting{id: device("nobody"), password: good}},
		{"a device in other letters", connecting{id: device("D"), key: key}},
		{"a module that is not there", connecting{id: module("d", "nobody"), key: key}},
		{"a disabled device", connecting{id: device("off"), key: keyOf(t, c, device("off"))}},
		{"a module of a disabled device", connecting{id: securityOf("off"), key: keyOf(t, c, securityOf("off"))}},
		{"client id of another", connecting{clientID: "other", password: good}},
		{"client id of a module", connecting{clientID: "d/azureiotsecurity", password: good}},
		{"user name without a device", connecting{username: hostName, password: good}},
		{"user name without a host", connecting{username: "/d/?api-version=2021-04-12", password: good}},
		{"user name with too many ids", connecting{username: hostName + "/d/m/x/?api-version=2021-04-12", password: good}},
		{"user name of another", connecting{username: hostName + "/other/?api-version=2021-04-12", password: good}},
		{"will at QoS 2", connecting{password: good, will: &packet.Will{Topic: []byte("devices/d/messages/events/"), QoS: 2}}},
		{"will to another device", connecting{password: good, will: &packet.Will{Topic: []byte("devices/other/messages/events/")}}},
		{"will to a twin", connecting{password: good, will: &packet.Will{Topic: []byte("$iothub/twin/PATCH/properties/reported/?$rid=1"), Payload: []byte(`{"a":1}`)}}},
		{"will with a malformed bag", connecting{password: good, will: &packet.Will{Topic: []byte("devices/d/messages/events/a=%zz")}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.id == (tvilling.Identity{}) {
				test.id = device("d")
			}
			conn, ack, ok := try(t, h, test.connecting)
			if !ok || ack.Code != packet.NotAuthorized || ack.SessionPresent {
				t.Errorf("answered %t, %+v; want code 5", ok, ack)
			}
			if more := conn.closed(); len(more) > 0 {
				t.Errorf("and then %d packets", len(more))
			}
		})
	}
	w.check(t)
	connect(t, h, device("d"), key).alive()
}

// Packets that end the connection, each sent by a client that is connected.
func TestPacketsThatEndTheConnection(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	other := h.Register(c, "other")
	w := watch(t, c, connect(t, h, device("other"), other))
	const events = "devices/d/messages/events/"
	id := []byte{0, 7}
	publish := func(topic string) []byte { return raw(0x32, str(topic), id, []byte("x")) }
	subscribe := func(filters ...string) []byte {
		body := [][]byte{id}
		for _, f := range filters {
			body = append(body, str(f), []byte{1})
		}
		return raw(0x82, body...)
	}
	tests := map[string][]byte{
		"reserved type 0":               {0, 0},
		"reserved type 15":              {0xf0, 0},
		"length of five bytes":          {0x30, 0xff, 0xff, 0xff, 0xff, 0x01},
		"a second CONNECT":              raw(0x10, connectBody("MQTT", 4, 0x02), str("d")),
		"CONNACK from a client":         {0x20, 2, 0, 0},
		"PINGREQ with a body":           {0xc0, 1, 0},
		"PINGREQ with flags":            {0xc1, 0},
		"DISCONNECT with flags":         {0xe1, 0},
		"PUBLISH at QoS 2":              raw(0x34, str(events), id, []byte("x")),
		"PUBLISH at QoS 3":              raw(0x36, str(events), id, []byte("x")),
		"PUBLISH with DUP at QoS 0":     raw(0x38, str(events), []byte("x")),
		"PUBLISH with packet id 0":      raw(0x32, str(events), []byte{0, 0}, []byte("x")),
		"PUBLISH without a packet id":   raw(0x32, str(events)),
		"PUBLISH with a cut topic":      {0x30, 4, 0, 200, 'd', 'e'},
		"topic empty":                   raw(0x32, str(""), id),
		"topic not UTF-8":               raw(0x32, str("devices/d/messages/events/\xff"), id),
		"topic with NUL":                raw(0x32, str("devices/d/messages/events/\x00"), id),
		"topic with #":                  publish("devices/d/messages/events/#"),
		"topic with +":                  publish("devices/+/messages/events/"),
		"topic of another device":       publish("devices/other/messages/events/"),
		"topic of its own module":       publish("devices/d/modules/azureiotsecurity/messages/events/"),
		"topic for other direction":     publish("devices/d/messages/devicebound/"),
		"topic in other letters":        publish("Devices/d/messages/events/"),
		"topic that nobody serves":      publish("hello"),
		"topic below $SYS":              publish("$SYS/broker"),
		"GET without $rid":              publish("$iothub/twin/GET/?"),
		"GET without a query":           publish("$iothub/twin/GET/"),
		"GET with an empty $rid":        publish("$iothub/twin/GET/?$rid="),
		"GET with a $rid of 1025 bytes": publish("$iothub/twin/GET/?$rid=" + strings.Repeat("r", 1025)),
		"patch of desired properties":   publish("$iothub/twin/PATCH/properties/desired/?$rid=1"),
		"patch of tags":                 publish("$iothub/twin/PATCH/tags/?$rid=1"),
		"answer to a twin request":      publish("$iothub/twin/res/200/?$rid=1"),
		"call of a method":              publish("$iothub/methods/POST/reboot/?$rid=1"),
		"method result without number":  publish("$iothub/methods/res/ok/?$rid=1"),
		"bag with a bad escape":         publish(events + "a=%zz"),
		"bag with a cut escape":         publish(events + "a=%2"),
		"bag with a value alone":        publish(events + "=v"),
		"bag with a slash in a name":    publish(events + "a/b=1"),
		"SUBSCRIBE with flags 0":        raw(0x80, id, str(twinResponses), []byte{0}),
		"SUBSCRIBE without a filter":    raw(0x82, id),
		"SUBSCRIBE with packet id 0":    raw(0x82, []byte{0, 0}, str(twinResponses), []byte{0}),
		"SUBSCRIBE at QoS 3":            raw(0x82, id, str(twinResponses), []byte{3}),
		"SUBSCRIBE without a QoS":       raw(0x82, id, str(twinResponses)),
		"filter empty":                  subscribe(""),
		"filter #":                      subscribe("#"),
		"filter $iothub/#":              subscribe("$iothub/#"),
		"filter $SYS/#":                 subscribe("$SYS/#"),
		"filter of another device":      subscribe("devices/other/messages/devicebound/#"),
		"filter of all devices":         subscribe("devices/+/messages/devicebound/#"),
		"filter of its own module":      subscribe("devices/d/modules/azureiotsecurity/#"),
		"filter of telemetry":           subscribe("devices/d/messages/events/#"),
		"good filters and a bad one":    subscribe(twinResponses, twinDesired, "#"),
		"UNSUBSCRIBE without a filter":  raw(0xa2, id),
		"UNSUBSCRIBE with flags 0":      raw(0xa0, id, str(twinResponses)),
		"UNSUBSCRIBE of a bad filter":   raw(0xa2, id, str("#")),
		"PUBREC":                        {0x50, 2, 0, 1},
		"PUBREL":                        {0x62, 2, 0, 1},
		"PUBCOMP":                       {0x70, 2, 0, 1},
		"PUBACK cut":                    {0x40, 1, 0},
		"SUBACK from a client":          {0x90, 3, 0, 1, 0},
	}
	for name, send := range tests {
		t.Run(name, func(t *testing.T) {
			conn, _ := dial(t, h, connecting{id: device("d"), key: key, keep: true})
			conn.send(send)
			if got := conn.closed(); len(got) > 0 {
				t.Errorf("answered %v before it closed", got[0].Type)
			}
		})
	}
	w.check(t)
	// Not one of the filters was kept for the session, the good ones neither.
	conn, _ := dial(t, h, connecting{id: device("d"), key: key, keep: true})
	patchDesired(t, c, device("d"), `{"a":1}`)
	conn.alive()
	if len(conn.waiting) > 0 {
		t.Errorf("a refused SUBSCRIBE left a subscription")
	}
}
