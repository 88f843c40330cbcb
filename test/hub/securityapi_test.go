package hub_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	mqttdevice "github.com/tvilling/tvilling/internal/device"
)

// sendSecurity sends events as the security module of a device, and returns
// once the hub has them durable.
func sendSecurity(t testing.TB, h *apptest.Hub, c *client.Client, id tvilling.DeviceID, events ...string) {
	t.Helper()
	from := tvilling.Identity{Device: id, Module: tvilling.SecurityModule}
	d, err := mqttdevice.Dial(t.Context(), mqttdevice.Options{Addr: h.MQTT(), TLS: h.TLS(), HostName: "localhost", ID: from, Key: keyOf(t, c, from), Clean: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }() // the message has been taken
	m := &tvilling.Message{Body: []byte(`{"AgentVersion":"1.0.0","AgentId":"5a4b8c1e-7d2f-4c3a-9b6e-0f1d2c3b4a59","MessageSchemaVersion":"1.0","Events":[` + strings.Join(events, ",") + `]}`)}
	mqttdevice.MarkSecurity(m)
	if err := d.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// securityEvent is an event of now.
func securityEvent(n int, name, payload string) string {
	now := time.Now().UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"Id":"00000000-0000-4000-8000-%012d","TimestampLocal":%q,"TimestampUTC":%q,"Category":"Triggered","Name":%q,"EventType":"Security","IsEmpty":false,"PayloadSchemaVersion":"1.0","Payload":%s}`, n, now, now, name, payload)
}

// TestSecurityInterface sends what a device sends and asks for all that the
// security interface makes of it, through the typed client.
func TestSecurityInterface(t *testing.T) {
	h := apptest.Start(t, nil)
	c := h.Client()
	h.Register(c, "d1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	sendSecurity(t, h, c, "d1",
		securityEvent(1, "ProcessCreate", `[{"Executable":"/bin/sh","ProcessId":7,"ParentProcessId":1,"UserId":"0","UserName":"<b>","CommandLine":"sh -c \"echo cpuminer-multi\""}]`),
		securityEvent(2, "ListeningPorts", `[{"Protocol":"tcp","LocalAddress":"0.0.0.0","LocalPort":"23","RemoteAddress":"0.0.0.0","RemotePort":"*"}]`),
		securityEvent(3, "LocalUsers", `[{"UserId":"0","UserName":"root","GroupIds":"0","GroupNames":"root"}]`),
		securityEvent(4, "Login", `[{"ProcessId":1,"UserName":"root","Operation":"PAM","Executable":"/usr/sbin/sshd","RemoteAddress":"198.51.100.4","Result":"Success"}]`),
		`{"Id":"x"}`,
	)

	// The feed tells of the alert; the test waits for nothing else.
	var raised *client.FeedEntry
	for e, err := range c.Feed(ctx, client.StreamOptions{Follow: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Subject == "alert" && strings.Contains(string(e.Body), "IoT_CryptoMiner") {
			raised = e
			break
		}
	}
	if raised == nil {
		t.Fatal("the feed ended without the alert")
	}
	overview, err := c.SecurityOverview(ctx)
	if err != nil || len(overview.TopTypes) == 0 || overview.Alerts["high"]+overview.Alerts["medium"]+overview.Alerts["low"] == 0 {
		t.Errorf("overview: %+v, %v", overview, err)
	}
	checkAlert(ctx, t, c, raised.ID)
	checkEvents(ctx, t, c)
	checkDetections(ctx, t, c)

	got, err := c.DeviceSecurity(ctx, "d1")
	if err != nil || got.State == "healthy" || got.Agent.Version != "1.0.0" || got.Configuration.Differences == nil {
		t.Errorf("device: %+v, %v", got, err)
	}
	if _, err := c.DeviceSecurity(ctx, "none"); tvilling.CodeOf(err) != tvilling.DeviceNotFound {
		t.Errorf("no such device: %v", err)
	}
	if list, err := c.Sinks(ctx); err != nil || len(list) != 0 {
		t.Errorf("sinks: %+v, %v", list, err)
	}
	types, err := c.RecommendationTypes(ctx)
	if err != nil || len(types) == 0 {
		t.Errorf("types: %d, %v", len(types), err)
	}
	for _, err := range c.Recommendations(ctx, client.RecommendationFilter{}, client.Paging{PageSize: 1}) {
		if err != nil {
			t.Error(err)
		}
	}
}

func checkAlert(ctx context.Context, t *testing.T, c *client.Client, id string) {
	t.Helper()
	a, err := c.Alert(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if a.Device != "d1" || a.Status != "new" || len(a.Evidence) == 0 || bytes.ContainsAny(a.Raw, "<>") {
		t.Errorf("alert: %s", a.Raw)
	}
	next, err := c.UpdateAlert(ctx, id, client.AlertChange{Status: new("dismissed"), Reason: new("benign"), Note: new("a test")}, client.IfTag(a.ETag))
	if err != nil || next.Status != "dismissed" || next.ETag == a.ETag {
		t.Errorf("update: %+v, %v", next, err)
	}
	if _, err := c.UpdateAlert(ctx, id, client.AlertChange{Owner: new("ann")}, client.IfTag(a.ETag)); tvilling.CodeOf(err) != tvilling.PreconditionFailed {
		t.Errorf("update with an old etag: %v", err)
	}
	why, err := c.ExplainAlert(ctx, id)
	if err != nil || why.Rule == nil || why.Rule.ID != "crypto-miner" || len(why.Sentences) == 0 || len(why.Observations) == 0 {
		t.Errorf("explain: %+v, %v", why, err)
	}
	steps, err := c.AlertHistory(ctx, id)
	if err != nil || len(steps) != 2 || steps[1].Actor != "policy:iothubowner" {
		t.Errorf("history: %+v, %v", steps, err)
	}
	sum, err := c.AlertSummary(ctx, client.AlertFilter{Status: []string{"dismissed"}}, "type", "severity")
	if err != nil || len(sum.Groups) != 1 || sum.Groups[0].Values[0] != "IoT_CryptoMiner" {
		t.Errorf("summary: %+v, %v", sum, err)
	}
	n := 0
	for _, err := range c.Alerts(ctx, client.AlertFilter{Device: "d1"}, client.Paging{PageSize: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n == 0 {
		t.Error("the list has no alerts")
	}
}

func checkEvents(ctx context.Context, t *testing.T, c *client.Client) {
	t.Helper()
	var names []string
	for e, err := range c.Events(ctx, client.EventFilter{Device: "d1"}, client.Paging{PageSize: 2}, true) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Name)
	}
	if got := strings.Join(names, " "); got != "Login LocalUsers ListeningPorts ProcessCreate" {
		t.Errorf("events, the newest first: %s", got)
	}
	for e, err := range c.FollowEvents(ctx, client.EventFilter{Where: []string{"LocalPort < 100"}}, "") {
		if err != nil || e.Name != "ListeningPorts" {
			t.Errorf("follow: %+v, %v", e, err)
		}
		break
	}
	for question, want := range map[string]string{client.Users: "root", client.Logins: "root", client.Processes: "/bin/sh", client.Ports: "23"} {
		s, err := c.EventSummary(ctx, question, client.EventScope{Device: "d1"})
		if err != nil || len(s.Groups) != 1 || !s.Complete {
			t.Errorf("%s: %+v, %v", question, s, err)
			continue
		}
		g := s.Groups[0]
		if got := g.UserName + g.Executable + g.LocalPort; !strings.Contains(got, want) {
			t.Errorf("%s: %+v", question, g)
		}
		if question == client.Processes && (len(g.Users.Values) != 1 || g.Users.Values[0] != "root") {
			t.Errorf("the user id has no name: %+v", g.Users)
		}
	}
	var table, lines bytes.Buffer
	if _, err := c.ExportEvents(ctx, client.EventFilter{}, client.CSV, &table); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&table).ReadAll()
	if err != nil || len(rows) != 5 {
		t.Errorf("csv: %d rows, %v", len(rows), err)
	}
	if _, err := c.ExportEvents(ctx, client.EventFilter{Names: []string{"Login"}}, client.JSONLines, &lines); err != nil {
		t.Fatal(err)
	}
	var row struct{ DeviceID, EventDetails string } // names match in any case
	if err := json.Unmarshal(lines.Bytes(), &row); err != nil || row.DeviceID != "d1" || !json.Valid([]byte(row.EventDetails)) {
		t.Errorf("jsonl: %s, %v", &lines, err)
	}
	var letters []string
	for l, err := range c.DeadLetters(ctx, "d1", client.Paging{}) {
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, fmt.Sprint(l.Index, l.Text))
	}
	if len(letters) != 1 || letters[0] != `4{"Id":"x"}` {
		t.Errorf("dead letters: %q", letters)
	}
}

func checkDetections(ctx context.Context, t *testing.T, c *client.Client) {
	t.Helper()
	list, err := c.Detections(ctx)
	if err != nil || len(list) < 10 {
		t.Fatalf("%d detections, %v", len(list), err)
	}
	for _, d := range list {
		if d.Error != "" || !d.Enabled {
			t.Errorf("%s is not in force: %s", d.ID, d.Error)
		}
	}
	one, err := c.Detection(ctx, "crypto-miner")
	if err != nil || one.Text == "" || one.Findings < 1 {
		t.Errorf("crypto-miner: %+v, %v", one, err)
	}
	if check, err := c.CheckRule(ctx, one.Text); err != nil || !check.OK {
		t.Errorf("the hub's own rule does not pass: %+v, %v", check, err)
	}
	check, err := c.CheckRule(ctx, "title: x\nlogsource:\n  product: linux\n  category: process_creation\ndetection:\n  a:\n    Image|nonsense: x\n  condition: b\n")
	if err != nil || check.OK || len(check.Errors) == 0 || check.Errors[0].Line == 0 {
		t.Errorf("a wrong rule: %+v, %v", check, err)
	}
	check, err = c.CheckRule(ctx, "a: [1\nb")
	if err != nil || check.OK || len(check.Errors) != 1 || check.Errors[0].Line == 0 {
		t.Errorf("no YAML: %+v, %v", check, err)
	}
	if tried, err := c.TryRule(ctx, one.Text, "", time.Time{}, time.Time{}); err != nil || tried.Found < 1 || len(tried.Matches) < 1 || tried.Matches[0].Device == "" || tried.Cut != "" {
		t.Errorf("what raised an alert is not found in a trial: %+v, %v", tried, err)
	}
	if _, err := c.PutRule(ctx, "mine", one.Text); err != nil {
		t.Errorf("put: %v", err)
	}
	if text, err := c.Rule(ctx, "mine"); err != nil || text != one.Text {
		t.Errorf("rule: %q, %v", text, err)
	}
	if d, err := c.ConfigureDetection(ctx, "mine", client.DetectionChange{Enabled: new(false)}); err != nil || d.Enabled || d.Source != "operator" {
		t.Errorf("configure: %+v, %v", d, err)
	}
	if err := c.DeleteRule(ctx, "mine"); err != nil {
		t.Errorf("delete: %v", err)
	}
}
