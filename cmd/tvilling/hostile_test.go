package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
)

// nasty is a text by which a device would like to steer the operator's
// terminal, or to begin a line of its own there.
const nasty = "\x1b]0;owned\a\x1b[2J\u009b31m\u202e\r\nFORGED line\tcell\u2028<b>%s\x00\x7f"

const nastyRule = `title: A nasty rule
id: 5c0b7ab0-1c1f-4b2c-8f06-1f0a6f7d6a11
level: medium
logsource:
  product: linux
  category: process_creation
detection:
  selection:
    Executable|startswith: /nasty
  condition: selection
tvilling:
  type: IoT_Nasty
  fold: [CommandLine, User]
`

// sendNasty registers a device that sends what it should not, and waits until
// the hub has drawn its conclusions.
func sendNasty(t *testing.T, hub *apptest.Hub) {
	t.Helper()
	ctx, c := t.Context(), hub.Client()
	if _, err := c.PutRule(ctx, "nasty", nastyRule); err != nil {
		t.Fatal(err)
	}
	event := func(name string, payload map[string]any) map[string]any {
		return map[string]any{
			"Id": newGUID(), "Name": name, "Category": "Triggered", "EventType": "Security", "IsEmpty": false,
			"TimestampLocal": nasty, "TimestampUTC": time.Now().UTC().Format(time.RFC3339), "PayloadSchemaVersion": "1.0", "Payload": []any{payload},
		}
	}
	body, err := json.Marshal(map[string]any{
		"AgentVersion": "1" + nasty, "AgentId": nasty, "MessageSchemaVersion": "1.0",
		"Events": []any{
			event("ProcessCreate", map[string]any{
				"Executable": "/nasty" + nasty, "ProcessId": 1, "ParentProcessId": 1, "UserId": nasty, "UserName": nasty, "CommandLine": nasty,
				"ExtraDetails": map[string]any{nasty: nasty},
			}),
			event("Login", map[string]any{"ProcessId": 1, "UserName": nasty, "Executable": nasty, "RemoteAddress": "203.0.113.9" + nasty, "Operation": nasty, "Result": "Fail"}),
			event("LocalUsers", map[string]any{"UserId": nasty, "UserName": nasty, "GroupIds": nasty, "GroupNames": nasty}),
			event("ListeningPorts", map[string]any{"Protocol": nasty, "LocalAddress": nasty, "LocalPort": "1", "RemoteAddress": nasty, "RemotePort": nasty}),
			event("ListeningPorts", map[string]any{"Protocol": "tcp", "LocalAddress": "0.0.0.0", "LocalPort": "23", "RemoteAddress": "*", "RemotePort": "*"}),
			event("OSBaseline", map[string]any{"CceId": nasty, "Description": nasty, "Result": "FAIL", "Severity": nasty}),
			event("Nasty"+nasty, map[string]any{nasty: nasty}),
			nasty,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	key := hub.Register(c, "d")
	d, err := device.Dial(ctx, device.Options{Addr: hub.MQTT(), TLS: hub.TLS(), HostName: "localhost", ID: tvilling.Device("d"), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{body, []byte(nasty), []byte("\x1b[31m\xff\xfe")} {
		if err := d.Send(ctx, securityEnvelope(b)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Send(ctx, envelope([]byte(nasty))); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	// The last security message is a dead letter, made when all before it is done.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for dead := 0; dead < 3; {
		dead = 0
		for _, err := range c.DeadLetters(ctx, "d", client.Paging{}) {
			if err != nil {
				t.Fatal(err)
			}
			dead++
		}
	}
}

// TestDevicesDoNotSteerTerminals: whatever a device sends, no command writes
// anything that a terminal obeys, nor a line that the device has made.
func TestDevicesDoNotSteerTerminals(t *testing.T) {
	hub := apptest.Start(t, nil)
	sendNasty(t, hub)
	list, _, err := hub.Client().AlertPage(t.Context(), client.AlertFilter{Type: "IoT_Nasty"}, client.Paging{})
	if err != nil || len(list) != 1 {
		t.Fatalf("got %d alerts, %v; want one of the nasty process", len(list), err)
	}
	id := list[0].ID
	seen := 0
	for _, line := range []string{
		"alert list", "alert show " + id, "alert explain " + id, "alert ack " + id, "alert history " + id, "alert summary --by type,device", "alert watch --after 0 --once --recommendations",
		"recommendation list", "recommendation show IoT_OpenPorts d", "recommendation summary", "security", "security d", "twin show d/azureiotsecurity", "detect show nasty",
		"twin history d/azureiotsecurity", "twin diff d/azureiotsecurity --from 2", "twin configure d",
		"events --security --top 0", "events --security", "events --security --dead-letters", "events --security --raw --once", "events --once",
		"events --security --summary users", "events --security --summary ports", "events --security --summary logins", "events --security --summary processes", "events --security --summary baseline",
	} {
		for _, form := range []string{"", " --json"} {
			var stdout, stderr bytes.Buffer
			status := run(t.Context(), strings.Fields(line+form+" --data "+hub.Data), strings.NewReader(""), &stdout, &stderr)
			if status != exitOK {
				t.Errorf("%s%s: exit status %d\n%s", line, form, status, stderr.String())
			}
			for _, text := range []string{stdout.String(), stderr.String()} {
				if bad := harmless(text); bad != "" {
					t.Errorf("%s%s: wrote %q", line, form, bad)
				}
				if strings.Contains(text, "\nFORGED") || strings.HasPrefix(text, "FORGED") {
					t.Errorf("%s%s: a device has made a line of its own:\n%s", line, form, text)
				}
			}
			if strings.Contains(stdout.String(), "FORGED") {
				seen++
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d outputs had what the device sent: this test looks at nothing", seen)
	}
}
