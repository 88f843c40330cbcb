package device_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/device"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

func TestKeepAliveCountsWhatIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t)
		began := time.Now()
		// What comes from the hub does not tell it that the client is there.
		<-time.After(50 * time.Second)
		h.deliver("$iothub/twin/PATCH/properties/desired/?$version=2", "{}", 0)
		h.next(packet.PINGREQ)
		h.send(packet.AppendPingresp(nil))
		if got := time.Since(began); got != time.Minute {
			t.Errorf("the first ping is after %v, want a minute", got)
		}
		// What the client says does.
		<-time.After(50 * time.Second)
		if err := c.SendAsync(t.Context(), &tvilling.Message{}, func(error) {}); err != nil {
			t.Fatal(err)
		}
		h.next(packet.PUBLISH)
		h.next(packet.PINGREQ)
		h.send(packet.AppendPingresp(nil))
		if got := time.Since(began); got != 170*time.Second {
			t.Errorf("the second ping is after %v, want 2m50s", got)
		}
	})
}

func TestPatience(t *testing.T) {
	patient := func(o *device.Options) { o.Patience = 10 * time.Second }
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t, patient)
		began := time.Now()
		h.next(packet.PINGREQ) // and no answer
		<-c.Done()
		if got := time.Since(began); got != 70*time.Second {
			t.Errorf("gave up after %v, want 1m10s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe() // whose other end takes nothing after CONNECT
		defer b.Close()
		go func() {
			buf := make([]byte, 1024)
			_, _ = b.Read(buf)
			_, _ = b.Write(packet.Connack{}.Append(nil))
		}()
		c, err := device.Dial(t.Context(), device.Options{
			HostName: "hub.test", ID: module, Key: key, Patience: 10 * time.Second,
			Dial: func(context.Context, string, string) (net.Conn, error) { return a, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := c.Send(t.Context(), &tvilling.Message{}); err == nil || time.Since(began) != 10*time.Second {
			t.Errorf("Send = %v after %v, want an error after 10s", err, time.Since(began))
		}
	})
}

func TestMaxPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t, func(o *device.Options) { o.MaxPacket = 100 })
		p := packet.Publish{Topic: []byte("t"), Payload: make([]byte, 100)}
		_, _ = h.nc.Write(p.Append(nil)) // the client does not take all of it
		<-c.Done()
		if err := c.Err(); !errors.Is(err, packet.ErrTooLarge) {
			t.Errorf("Err = %v, want ErrTooLarge", err)
		}
	})
}

func TestSubscribeTwin(t *testing.T) {
	for name, tt := range map[string]struct {
		present, subscribed bool
		want                int
	}{
		"a new session":             {false, true, 2},
		"a session":                 {true, false, 2},
		"a session with everything": {true, true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			c, h, _, err := dial(t, packet.Connack{SessionPresent: tt.present}, func(o *device.Options) { o.Subscribed = tt.subscribed })
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- c.SubscribeTwin(t.Context()) }()
			if tt.want > 0 {
				s, err := packet.DecodeSubscribe(h.next(packet.SUBSCRIBE))
				if err != nil || len(s.Filters) != tt.want {
					t.Errorf("%s: SUBSCRIBE %+v (%v), want %d filters", name, s, err, tt.want)
				}
				ack := packet.Suback{ID: s.ID, Codes: make([]byte, len(s.Filters))}
				h.send(ack.Append(nil))
			}
			if err := <-done; err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := c.SubscribeTwin(t.Context()); err != nil {
				t.Errorf("%s, again: %v", name, err)
			}
		})
	}
}

func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, h := online(t)
		why := errors.New("why")
		c.Abort(why)
		if f, ok := <-h.frames; ok {
			t.Errorf("the hub gets %v, want no goodbye", f.Type)
		}
		if err := c.Close(); !errors.Is(err, why) {
			t.Errorf("Close = %v, want why", err)
		}
	})
}
