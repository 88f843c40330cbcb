package device_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/device"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// hub is the other end of a client: a script of what it receives and sends.
type hub struct {
	t      *testing.T
	nc     net.Conn
	frames chan packet.Frame
}

var module = tvilling.Identity{Device: "dev1", Module: "mod1"}

const key = "c2VjcmV0IGtleQ=="

// dial connects a client to a scripted hub that answers CONNECT with ack.
func dial(t *testing.T, ack packet.Connack, change ...func(*device.Options)) (*device.Client, *hub, packet.Connect, error) {
	t.Helper()
	a, b := net.Pipe()
	h := &hub{t: t, nc: b, frames: make(chan packet.Frame, 4096)}
	go h.read()
	t.Cleanup(func() { _ = b.Close() })
	o := device.Options{
		Addr: "hub.test:8883", HostName: "hub.test", ID: module, Key: key, ClientType: "a b/1", KeepAlive: time.Minute,
		Dial: func(context.Context, string, string) (net.Conn, error) { return a, nil },
	}
	for _, f := range change {
		f(&o)
	}
	hello := make(chan packet.Connect, 1)
	go func() {
		c, _, err := packet.DecodeConnect(h.next(packet.CONNECT))
		if err != nil {
			t.Errorf("CONNECT: %v", err)
		}
		hello <- c
		h.send(ack.Append(nil))
	}()
	c, err := device.Dial(t.Context(), o)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, h, <-hello, err
}

// online is dial that must succeed.
func online(t *testing.T, change ...func(*device.Options)) (*device.Client, *hub) {
	t.Helper()
	c, h, _, err := dial(t, packet.Connack{}, change...)
	if err != nil {
		t.Fatal(err)
	}
	return c, h
}

func (h *hub) read() {
	defer close(h.frames)
	var data []byte
	buf := make([]byte, 1024)
	for {
		n, err := h.nc.Read(buf)
		data = append(data, buf[:n]...)
		for {
			f, n, err := packet.Next(data, packet.MaxLength)
			if err != nil || n == 0 {
				break
			}
			f.Body = append([]byte(nil), f.Body...)
			h.frames <- f
			data = data[n:]
		}
		if err != nil {
			return
		}
	}
}

func (h *hub) next(want packet.Type) packet.Frame {
	f, ok := <-h.frames
	if !ok || f.Type != want {
		h.t.Errorf("the hub got %v (open: %t), want %v", f.Type, ok, want)
	}
	return f
}

func (h *hub) publish() packet.Publish {
	p, err := packet.DecodePublish(h.next(packet.PUBLISH))
	if err != nil {
		h.t.Errorf("PUBLISH: %v", err)
	}
	return p
}

// granted answers the next SUBSCRIBE and returns its filter.
func (h *hub) granted(code byte) string {
	s, err := packet.DecodeSubscribe(h.next(packet.SUBSCRIBE))
	if err != nil || len(s.Filters) != 1 {
		h.t.Errorf("SUBSCRIBE: %v, %v", s, err)
		return ""
	}
	ack := packet.Suback{ID: s.ID, Codes: []byte{code}}
	h.send(ack.Append(nil))
	return string(s.Filters[0].Topic)
}

func (h *hub) send(b []byte) {
	if _, err := h.nc.Write(b); err != nil {
		h.t.Errorf("the hub sends: %v", err)
	}
}

func (h *hub) deliver(topic, payload string, qos byte) {
	p := packet.Publish{Topic: []byte(topic), Payload: []byte(payload), QoS: qos, ID: uint16(qos) * 7}
	h.send(p.Append(nil))
}

func rid(topic string) string {
	_, r, _ := strings.Cut(topic, "$rid=")
	r, _, _ = strings.Cut(r, "&")
	return r
}

func TestConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h, hello, err := dial(t, packet.Connack{SessionPresent: true}, func(o *device.Options) {
			o.Will = &tvilling.Message{Body: []byte("gone"), Properties: []tvilling.Property{{Name: "a b", Value: "c+d"}}}
		})
		if err != nil {
			t.Fatal(err)
		}
		if !c.SessionPresent() {
			t.Error("no session present")
		}
		token, err := device.SASToken("hub.test/devices/dev1/modules/mod1", key, time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		want := packet.Connect{
			KeepAlive: 60, ClientID: []byte("dev1/mod1"),
			Username: []byte("hub.test/dev1/mod1/?api-version=2021-04-12&DeviceClientType=a%20b%2F1"), Password: []byte(token),
			Will: &packet.Will{Topic: []byte("devices/dev1/modules/mod1/messages/events/a%20b=c%2Bd"), Payload: []byte("gone"), QoS: 1},
		}
		if diff := cmp.Diff(want, hello); diff != "" {
			t.Errorf("CONNECT (-want +got):\n%s", diff)
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		h.next(packet.DISCONNECT)
		if err := c.Err(); !errors.Is(err, device.ErrClosed) {
			t.Errorf("Err = %v, want %v", err, device.ErrClosed)
		}
		if _, err := c.Twin(t.Context()); !errors.Is(err, device.ErrClosed) {
			t.Errorf("Twin after Close: %v, want %v", err, device.ErrClosed)
		}
	})
}

func TestConnectRefused(t *testing.T) {
	for code, want := range map[packet.ReturnCode]tvilling.Code{
		packet.NotAuthorized:      tvilling.Unauthorized,
		packet.IdentifierRejected: tvilling.InvalidArgument,
		packet.ServerUnavailable:  tvilling.Unavailable,
	} {
		synctest.Test(t, func(t *testing.T) {
			_, _, _, err := dial(t, packet.Connack{Code: code})
			if got := tvilling.CodeOf(err); got != want {
				t.Errorf("%v: %v, want %v", code, err, want)
			}
			if err != nil && strings.Contains(err.Error(), key) {
				t.Errorf("the error tells the key: %v", err)
			}
		})
	}
}

func TestDialGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := device.Dial(ctx, device.Options{
			HostName: "h", ID: module, Key: key,
			Dial: func(context.Context, string, string) (net.Conn, error) { return a, nil },
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Dial = %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestTwin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t)
		go func() {
			if got, want := h.granted(0), "$iothub/twin/res/#"; got != want {
				t.Errorf("subscribed to %s, want %s", got, want)
			}
			for _, body := range []string{"first", "second"} {
				p := h.publish()
				if !strings.HasPrefix(string(p.Topic), "$iothub/twin/GET/?$rid=") {
					t.Errorf("published to %s", p.Topic)
				}
				h.deliver("$iothub/twin/res/200/?$rid=ffff", "nobody's", 0)
				h.deliver("$iothub/twin/res/200/?$rid="+rid(string(p.Topic)), body, 0)
			}
		}()
		for _, want := range []string{"first", "second"} {
			got, err := c.Twin(t.Context())
			if err != nil || string(got) != want {
				t.Errorf("Twin = %q, %v; want %q", got, err, want)
			}
		}
	})
}

func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t)
		go func() {
			h.granted(0)
			for _, a := range []struct{ want, status, more, body string }{
				{"", "204", "&$version=7", ""},
				{"&$version=3", "412", "", `{"errorCode":412001,"trackingId":"x","message":"Other version."}`},
				{"", "404", "", `{"errorCode":404010,"message":"No module."}`},
				{"", "429", "", "not JSON"},
			} {
				p := h.publish()
				if want := "$iothub/twin/PATCH/properties/reported/?$rid=" + rid(string(p.Topic)) + a.want; string(p.Topic) != want {
					t.Errorf("published to %s, want %s", p.Topic, want)
				}
				h.deliver("$iothub/twin/res/"+a.status+"/?$rid="+rid(string(p.Topic))+a.more, a.body, 0)
			}
		}()
		if v, err := c.Report(t.Context(), []byte("{}")); v != 7 || err != nil {
			t.Errorf("Report = %d, %v; want 7", v, err)
		}
		_, err := c.ReportIf(t.Context(), []byte("{}"), 3)
		if tvilling.CodeOf(err) != tvilling.PreconditionFailed || tvilling.MessageOf(err) != "Other version." {
			t.Errorf("ReportIf: %v, want PreconditionFailed", err)
		}
		for _, want := range []tvilling.Code{tvilling.ModuleNotFound, tvilling.Throttled} {
			if _, err := c.Report(t.Context(), nil); tvilling.CodeOf(err) != want {
				t.Errorf("Report: %v, want %v", err, want)
			}
		}
	})
}

func TestSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t)
		m := &tvilling.Message{
			Body:       []byte("{}"),
			System:     []tvilling.Property{{Name: "content-type", Value: "application/json"}},
			Properties: []tvilling.Property{{Name: "a&b", Value: "ö "}, {Name: "n", Null: true}, {Name: "e"}},
		}
		device.MarkSecurity(m)
		if !m.Security() {
			t.Error("the mark makes no security message")
		}
		done := make(chan error, 1)
		go func() { done <- c.Send(t.Context(), m) }()
		p := h.publish()
		const want = "devices/dev1/modules/mod1/messages/events/" +
			"%24.ct=application%2Fjson&%24.ifid=urn%3Aazureiot%3ASecurity%3ASecurityAgent%3A1&a%26b=%C3%B6%20&n&e="
		if string(p.Topic) != want || p.QoS != 1 || string(p.Payload) != "{}" {
			t.Errorf("published %q to %s with QoS %d, want %s", p.Payload, p.Topic, p.QoS, want)
		}
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("Send = %v before the hub acknowledged", err)
		default:
		}
		h.send(packet.AppendPuback(nil, p.ID))
		if err := <-done; err != nil {
			t.Errorf("Send: %v", err)
		}
		for _, bad := range []*tvilling.Message{
			{System: []tvilling.Property{{Name: "iothub-connection-device-id", Value: "x"}}},
			{Properties: []tvilling.Property{{Value: "x"}}},
		} {
			if err := c.Send(t.Context(), bad); tvilling.CodeOf(err) != tvilling.InvalidArgument {
				t.Errorf("Send(%+v) = %v, want InvalidArgument", bad, err)
			}
		}
		long := &tvilling.Message{Properties: []tvilling.Property{{Name: "a", Value: strings.Repeat("x", 65_535)}}}
		if err := c.Send(t.Context(), long); tvilling.CodeOf(err) != tvilling.TooLarge {
			t.Errorf("Send of long properties = %v, want TooLarge", err)
		}
	})
}

func TestPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t, func(o *device.Options) { o.InFlight = 20 })
		const n = 70_000 // packet identifiers wrap around
		finished := make(chan error, n)
		go func() {
			for range n {
				h.send(packet.AppendPuback(nil, h.publish().ID))
			}
		}()
		for i := range n {
			m := &tvilling.Message{Body: []byte(strconv.Itoa(i))}
			if err := c.SendAsync(t.Context(), m, func(err error) { finished <- err }); err != nil {
				t.Fatal(err)
			}
		}
		for range n {
			if err := <-finished; err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestInFlightIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t, func(o *device.Options) { o.InFlight = 2 })
		for range 2 {
			if err := c.SendAsync(t.Context(), &tvilling.Message{}, func(error) {}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.SendAsync(ctx, &tvilling.Message{}, func(error) {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the third of two: %v, want %v", err, context.DeadlineExceeded)
		}
		h.send(packet.AppendPuback(nil, h.publish().ID))
		if err := c.SendAsync(t.Context(), &tvilling.Message{}, func(error) {}); err != nil {
			t.Errorf("after one was acknowledged: %v", err)
		}
	})
}

func TestDesired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type change struct {
			Version int64
			Patch   string
		}
		got := make(chan change, 10)
		c, h := online(t, func(o *device.Options) {
			o.OnDesired = func(version int64, patch []byte) { got <- change{version, string(patch)} }
		})
		go h.granted(0)
		if err := c.SubscribeDesired(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.deliver("devices/dev1/modules/mod1/inputs/x/", "not a patch", 1)
		if id, err := packet.DecodeID(h.next(packet.PUBACK)); id != 7 || err != nil {
			t.Errorf("PUBACK %d, %v; want 7", id, err)
		}
		h.deliver("$iothub/twin/PATCH/properties/desired/?$version=2", `{"a":1,"$version":2}`, 0)
		if diff := cmp.Diff(change{2, `{"a":1,"$version":2}`}, <-got); diff != "" {
			t.Errorf("change (-want +got):\n%s", diff)
		}
	})
}

func TestSubscriptionRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t)
		go h.granted(packet.SubackFailure)
		if err := c.SubscribeDesired(t.Context()); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("SubscribeDesired = %v, want InvalidArgument", err)
		}
	})
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t)
		began := time.Now()
		for range 3 {
			h.next(packet.PINGREQ)
			h.send(packet.AppendPingresp(nil))
		}
		if got, want := time.Since(began), 3*time.Minute; got != want {
			t.Errorf("three pings took %v, want %v", got, want)
		}
		h.next(packet.PINGREQ) // and no answer
		<-c.Done()
		if got, want := time.Since(began), 5*time.Minute; got != want {
			t.Errorf("gave up after %v, want %v", got, want)
		}
		if got := tvilling.CodeOf(c.Err()); got != tvilling.Unavailable {
			t.Errorf("Err = %v, want Unavailable", c.Err())
		}
		if err := c.Close(); tvilling.CodeOf(err) != tvilling.Unavailable {
			t.Errorf("Close = %v, want why the connection had ended", err)
		}
	})
}

func TestHubCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t)
		acked := make(chan error, 1)
		if err := c.SendAsync(t.Context(), &tvilling.Message{}, func(err error) { acked <- err }); err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		if err := c.TwinAsync(t.Context(), func(_ []byte, err error) { answered <- err }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_ = h.nc.Close()
		for name, ch := range map[string]chan error{"Send": acked, "Twin": answered} {
			if err := <-ch; tvilling.CodeOf(err) != tvilling.Unavailable {
				t.Errorf("%s: %v, want Unavailable", name, err)
			}
		}
		if err := c.SendAsync(t.Context(), &tvilling.Message{}, func(error) { t.Error("called") }); tvilling.CodeOf(err) != tvilling.Unavailable {
			t.Errorf("SendAsync afterwards = %v, want Unavailable", err)
		}
	})
}

func TestSASToken(t *testing.T) {
	// Recomputed with OpenSSL: printf 'h%%2Fdevices%%2Fd\n1700000000' | openssl dgst -sha256 -hmac 'secret key' -binary | base64
	got, err := device.SASToken("h/devices/d", key, time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if want := "SharedAccessSignature sr=h%2Fdevices%2Fd&sig=Dchd8qT%2FaTIEuD9IBn4xvPvLes46hX1nVPSbZg5HpWo%3D&se=1700000000"; got != want {
		t.Errorf("SASToken = %s, want %s", got, want)
	}
	for _, bad := range []string{"", "not base64!"} {
		if _, err := device.SASToken("h", bad, time.Now()); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("SASToken with key %q = %v, want InvalidArgument", bad, err)
		}
	}
}

func TestTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pub, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), DNSNames: []string{"hub.test"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, pub, key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AddCert(leaf)
		for host, want := range map[string]bool{"hub.test": true, "hub.test:8883": true, "other.test": false} {
			a, b := net.Pipe()
			served := make(chan struct{})
			go func() {
				defer close(served)
				s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12})
				defer s.Close()
				if _, err := s.Read(make([]byte, 1024)); err != nil {
					return
				}
				_, _ = s.Write(packet.Connack{}.Append(nil))
				_, _ = s.Read(make([]byte, 1024))
			}()
			c, err := device.Dial(t.Context(), device.Options{
				HostName: host, ID: module, Token: "t", TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
				Dial: func(context.Context, string, string) (net.Conn, error) { return a, nil },
			})
			if (err == nil) != want {
				t.Errorf("Dial to %s = %v, want success %t", host, err, want)
			}
			if err == nil {
				_ = c.Close()
			}
			<-served
		}
	})
}
