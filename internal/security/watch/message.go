package watch

import (
	"crypto/rand"
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

const (
	// AgentID and AgentVersion stand in messages that the hub makes where those
	// of an agent would.
	AgentID = "7c0f0c0d-76a1-4f0e-9b0b-746877726874"
	// AgentVersion is the version of the hub as an agent.
	AgentVersion = "hub"

	// startTime and endTime are the members of ExtraDetails that say when the
	// first and the newest of several attempts were, as in what agents
	// aggregate (asc §3.7).
	startTime = "StartTimeUtc"
	endTime   = "EndTimeUtc"
)

// report is what one message says: attempts as one identity, refused for one
// reason.
type report struct {
	key    key
	hits   int64
	first  time.Time
	newest auth.Refused
}

// message makes the security message of a report. It comes from the device,
// whose events it is about, and bears the mark that only the hub can give.
func (r *report) message() *tvilling.Message {
	item := &event.HubAuthentication{
		Reason: string(r.key.reason), Module: string(r.key.id.Module),
		RemoteAddress: address(r.newest.Remote), Protocol: r.newest.Protocol,
		Extra: event.Details{{Name: event.HitCount, Value: strconv.FormatInt(r.hits, 10)}},
	}
	category := event.Triggered
	if r.hits > 1 {
		category = event.Aggregated
		item.Extra = append(item.Extra,
			event.Detail{Name: startTime, Value: r.first.UTC().Format(time.RFC3339Nano)},
			event.Detail{Name: endTime, Value: r.newest.Time.UTC().Format(time.RFC3339Nano)})
	}
	body := schema.Append(nil, &event.Message{
		AgentID: AgentID, AgentVersion: AgentVersion,
		Events: []event.Event{{
			ID: newID(), Kind: event.HubAuthenticationKind, Category: category, Type: event.Security,
			Stated: r.newest.Time, Items: []event.Item{item},
		}},
	})
	return &tvilling.Message{
		From: tvilling.Device(r.key.id.Device),
		System: []tvilling.Property{
			{Name: "iothub-interface-id", Value: tvilling.SecurityInterface},
			{Name: schema.Source, Value: schema.SourceHub},
			{Name: "content-type", Value: "application/json"},
			{Name: "content-encoding", Value: "utf-8"},
		},
		Body: body,
	}
}

// address returns the address of "address:port": the port is the client's,
// which differs each time.
func address(remote string) string {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote // a pipe, or whatever the gateway knows
	}
	return a.Addr().Unmap().WithZone("").String()
}

// newID returns a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails; the process ends if there is no randomness
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
