package mqtt_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

func TestTwinGet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device, responses)
		for _, tt := range []struct {
			rid, payload string
			qos          byte
		}{
			{"7526ec31-9216-442b-a940-2be912316647", " ", 0}, // Node
			{"3", "", 0},   // C
			{"a1f", "", 1}, // Go
			{"%20x/y", "{}", 1},
		} {
			c.send(publish("$iothub/twin/GET/?$rid="+tt.rid, tt.qos, uint16(tt.qos)*9, tt.payload))
			topic, body := c.message()
			if want := "$iothub/twin/res/200/?$rid=" + tt.rid; topic != want {
				t.Errorf("answer to %s, want %s", topic, want)
			}
			if body != string(g.document) {
				t.Errorf("body %s, want %s", body, g.document)
			}
			if tt.qos == 1 {
				if id := c.puback(); id != 9 {
					t.Errorf("PUBACK %d, want 9", id)
				}
			}
		}
	})
}

func TestTwinReport(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device, responses)
		for _, tt := range []struct{ query, want string }{
			{"$rid=5", "204/?$rid=5&$version=2"},
			{"$rid=6&$version=2", "204/?$rid=6&$version=3"},
			{"$version=3&$rid=abc", "204/?$rid=abc&$version=4"},
		} {
			c.send(publish("$iothub/twin/PATCH/properties/reported/?"+tt.query, 1, 3, `{"a":1}`))
			topic, body := c.message()
			if want := "$iothub/twin/res/" + tt.want; topic != want {
				t.Errorf("answer to %s, want %s", topic, want)
			}
			if body != "" { // Node takes any errorCode in a body for a failure
				t.Errorf("body %q, want none", body)
			}
			c.puback()
		}
	})
}

func TestTwinRefusals(t *testing.T) {
	const patch = "$iothub/twin/PATCH/properties/reported/?"
	tests := []struct {
		name, topic, payload string
		err                  error
		status               string
		errorCode            int
		message              string
	}{
		{"bad patch", patch + "$rid=1", "bad", nil, "400", 400004, "reported.a: It is bad."},
		{"base version is no number", patch + "$rid=1&$version=x", "{}", nil, "400", 400004, "The $version in the topic must be a whole number, 0 or more."},
		{"other base version", patch + "$rid=1&$version=7", "{}", nil, "412", 412001, "The base version is 7, the version is 1."},
		{"too large", patch + "$rid=1", "{}", tvilling.Errorf(tvilling.TooLarge, "At most 5."), "413", 413001, "At most 5."},
		{"throttled", patch + "$rid=1", "{}", tvilling.Errorf(tvilling.Throttled, "Slower."), "429", 429001, "Slower."},
		{"unavailable", patch + "$rid=1", "{}", tvilling.Errorf(tvilling.Unavailable, "Full."), "503", 503001, "Full."},
		{"unsupported", patch + "$rid=1", "{}", tvilling.Errorf(tvilling.Unsupported, "Not here."), "400", 400003, "Not here."},
		{"get: device gone", "$iothub/twin/GET/?$rid=1", "", tvilling.Errorf(tvilling.DeviceNotFound, "None."), "404", 404001, "None."},
		{"get: module gone", "$iothub/twin/GET/?$rid=1", "", tvilling.Errorf(tvilling.ModuleNotFound, "None."), "404", 404010, "None."},
		{"get: revoked", "$iothub/twin/GET/?$rid=1", "", tvilling.Errorf(tvilling.Unauthorized, "No."), "401", 401003, "No."},
		{"get: corrupt", "$iothub/twin/GET/?$rid=1", "", tvilling.Errorf(tvilling.Corrupt, "The twin of dev1 is damaged."), "500", 500001, "The twin of dev1 is damaged."},
		{"get: a fault says nothing", "$iothub/twin/GET/?$rid=1", "", errors.New("secret path"), "500", 500001, "The hub met an internal fault; its log has the details under the tracking id."},
	}
	tracking := regexp.MustCompile(`^[0-9a-f]{32}-G:\d+-TimeStamp:\d\d/\d\d/\d{4} \d\d:\d\d:\d\d$`)
	stamp := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$`)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := start(t)
				g.twinErr = tt.err
				c := g.online(t, device, responses)
				c.send(publish(tt.topic, 1, 4, tt.payload))
				topic, body := c.message()
				if want := "$iothub/twin/res/" + tt.status + "/?$rid=1"; topic != want {
					t.Errorf("answer to %s, want %s", topic, want)
				}
				var got struct {
					ErrorCode    int
					TrackingID   string
					Message      string
					TimestampUtc string
				}
				if err := json.Unmarshal([]byte(body), &got); err != nil {
					t.Fatalf("body %s: %v", body, err)
				}
				if got.ErrorCode != tt.errorCode || got.Message != tt.message {
					t.Errorf("errorCode %d, message %q; want %d, %q", got.ErrorCode, got.Message, tt.errorCode, tt.message)
				}
				if !tracking.MatchString(got.TrackingID) || !stamp.MatchString(got.TimestampUtc) {
					t.Errorf("trackingId %q, timestampUtc %q", got.TrackingID, got.TimestampUtc)
				}
				c.puback() // it was received, whatever came of it
				if n := g.srv.Stats().TwinRefused.Load(); n != 1 {
					t.Errorf("refused requests: %d, want 1", n)
				}
			})
		})
	}
}

// A client that does not subscribe to answers gets none, though its requests
// are carried out.
func TestTwinUnanswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		c.send(publish("$iothub/twin/GET/?$rid=1", 0, 0, ""))
		c.send(publish("$iothub/twin/PATCH/properties/reported/?$rid=2", 1, 8, "{}"))
		if id := c.puback(); id != 8 {
			t.Errorf("PUBACK %d, want 8", id)
		}
		c.quiet()
		if got := g.srv.Stats().Unanswered.Load(); got != 2 {
			t.Errorf("unanswered: %d, want 2", got)
		}
		if g.reported != 2 {
			t.Errorf("reported version %d, want 2", g.reported)
		}
	})
}

// A twin that is asked for after a report shows the report, even if that is
// not durable yet when the request comes.
func TestGetAfterReport(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device, responses)
		g.hold()
		c.send(append(publish("$iothub/twin/PATCH/properties/reported/?$rid=1", 0, 0, "{}"), publish("$iothub/twin/GET/?$rid=2", 0, 0, "")...))
		c.quiet()
		g.release(nil)
		if topic, _ := c.message(); topic != "$iothub/twin/res/204/?$rid=1&$version=2" {
			t.Errorf("first answer to %s", topic)
		}
		if topic, body := c.message(); topic != "$iothub/twin/res/200/?$rid=2" || body != `{"in order":2}` {
			t.Errorf("second answer %s %s", topic, body)
		}
		c.send(publish("$iothub/twin/GET/?$rid=3", 0, 0, ""))
		if _, body := c.message(); body != string(g.document) { // nothing waits any more
			t.Errorf("third answer %s", body)
		}
	})
}

func TestDesired(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device, desired)
		s := g.session(device)
		for v := range int64(50) {
			s.c.Desired(v+2, []byte(`{"x":1}`))
		}
		for v := range 50 {
			topic, body := c.message()
			if want := "$iothub/twin/PATCH/properties/desired/?$version=" + itoa(v+2); topic != want || body != `{"x":1}` {
				t.Errorf("patch %d: %s %s", v, topic, body)
			}
		}
		if got := g.srv.Stats().DesiredSent.Load(); got != 50 {
			t.Errorf("patches counted: %d, want 50", got)
		}
		c.send(packet.AppendDisconnect(nil))
		c.closed()
		synctest.Wait()
		s.c.Desired(99, []byte("{}")) // comes too late and does no harm
		if got := g.srv.Stats().DesiredSent.Load(); got != 50 {
			t.Errorf("patches counted: %d, want 50", got)
		}
	})
}

// A GET's answer and desired patches pass through one sequence point.
func TestGetWaitsForSequencePoint(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device, responses, desired)
		s := g.session(device)
		s.seq <- struct{}{}
		c.send(publish("$iothub/twin/GET/?$rid=1", 0, 0, ""))
		c.quiet()
		s.c.Desired(2, []byte(`{"$version":2}`))
		<-s.seq
		if topic, _ := c.message(); !strings.HasSuffix(topic, "$version=2") {
			t.Errorf("first came %s, want the patch", topic)
		}
		if topic, _ := c.message(); topic != "$iothub/twin/res/200/?$rid=1" {
			t.Errorf("then came %s, want the answer", topic)
		}
	})
}

func TestLostTwinConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device, responses)
		g.hold()
		c.send(publish("$iothub/twin/PATCH/properties/reported/?$rid=1", 1, 1, "{}"))
		synctest.Wait()
		_ = c.nc.Close()
		g.ended(t, mqtt.EndLost)
		g.release(nil) // completes after the end and does no harm
		if g.reported != 2 {
			t.Errorf("reported version %d, want 2", g.reported)
		}
	})
}
