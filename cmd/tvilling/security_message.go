package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"
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
// login.
func securityMessage(agent string) map[string]any {
	return map[string]any{
		"AgentVersion": "0.0.5", "AgentId": agent, "MessageSchemaVersion": "1.0",
		"Events": []any{
			securityEvent("ListeningPorts", "Periodic", map[string]any{
				"Protocol": "tcp", "LocalAddress": "0.0.0.0", "LocalPort": "22", "RemoteAddress": "0.0.0.0", "RemotePort": "*",
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
