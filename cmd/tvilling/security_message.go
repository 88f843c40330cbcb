package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

// newGUID returns a random GUID (RFC 9562, version 4).
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// securityMessage is a message as the original agents send them: an envelope
// with events (message schema 1.0), here a snapshot of listening ports and a
// login. One device in five has a port open that it should not have.
func securityMessage(agent string, d tvilling.DeviceID) map[string]any {
	address, port := "127.0.0.1", "631"
	if strings.HasSuffix(string(d), "5") || strings.HasSuffix(string(d), "0") {
		address, port = "0.0.0.0", "23"
	}
	return map[string]any{
		"AgentVersion": "0.0.5", "AgentId": agent, "MessageSchemaVersion": "1.0",
		"Events": []any{
			securityEvent("ListeningPorts", "Periodic", map[string]any{
				"Protocol": "tcp", "LocalAddress": address, "LocalPort": port, "RemoteAddress": "0.0.0.0", "RemotePort": "*",
			}),
			securityEvent("Login", "Triggered", map[string]any{
				"ProcessId": 2314, "UserId": "1000", "UserName": "operator", "Executable": "/usr/sbin/sshd",
				"RemoteAddress": "192.0.2.17", "Operation": "Login", "Result": "Success",
			}),
		},
	}
}

func securityEvent(name, category string, payload map[string]any) map[string]any {
	now := time.Now()
	return map[string]any{
		"Id": newGUID(), "Name": name, "Category": category, "EventType": "Security", "IsEmpty": false,
		"TimestampLocal": now.Format(time.RFC3339), "TimestampUTC": now.UTC().Format(time.RFC3339),
		"PayloadSchemaVersion": "1.0", "Payload": []any{payload},
	}
}
