package investigate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// Row is one item of a payload as the table SecurityIoTRawEvent of the
// original has it (asc §10). The columns of billing are left out: nothing is
// billed here.
type Row struct {
	TimeGenerated        time.Time `json:"TimeGenerated"`
	TimeStamp            time.Time `json:"TimeStamp"`
	DeviceID             string    `json:"DeviceId"`
	AssociatedResourceID string    `json:"AssociatedResourceId"`
	SubscriptionID       string    `json:"AzureSubscriptionId"`
	RawEventID           string    `json:"IoTRawEventId"`
	RawEventName         string    `json:"RawEventName"`
	RawEventType         string    `json:"RawEventType"`
	RawEventCategory     string    `json:"RawEventCategory"`
	IsEmpty              bool      `json:"IsEmpty"`
	AgentVersion         string    `json:"AgentVersion"`
	// EventDetails is a JSON object as text: the members of the item, and
	// TimestampLocal and EventId of the event.
	EventDetails string `json:"EventDetails"`
	Type         string `json:"Type"`
}

// Columns returns the names of the columns, in their order.
func Columns() []string {
	return []string{
		"TimeGenerated", "TimeStamp", "DeviceId", "AssociatedResourceId", "AzureSubscriptionId", "IoTRawEventId", "RawEventName",
		"RawEventType", "RawEventCategory", "IsEmpty", "AgentVersion", "EventDetails", "Type",
	}
}

// Cells returns the values of the row in the order of [Columns].
func (r *Row) Cells() []string {
	return []string{
		timeText(r.TimeGenerated), timeText(r.TimeStamp), r.DeviceID, r.AssociatedResourceID, r.SubscriptionID, r.RawEventID, r.RawEventName,
		r.RawEventType, r.RawEventCategory, strconv.FormatBool(r.IsEmpty), r.AgentVersion, r.EventDetails, r.Type,
	}
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Rows returns the rows of an event: one for each item that was asked for, and
// one with no item of its own for an event without any. hub names the hub.
func Rows(f *Found, hub string) ([]Row, error) {
	e := &f.Event
	var raw []json.RawMessage
	if len(e.Payload) > 0 {
		if err := json.Unmarshal(e.Payload, &raw); err != nil {
			return nil, &tvilling.Error{Code: tvilling.Corrupt, Op: "read stored event", Subject: e.ID, Message: "The payload of a stored event cannot be read.", Err: err}
		}
	}
	row := Row{
		TimeGenerated: f.Received.UTC(), TimeStamp: e.Time.UTC(), DeviceID: string(f.From.Device), AssociatedResourceID: hub,
		RawEventName: e.Name, RawEventType: string(e.Type), RawEventCategory: string(e.Category), IsEmpty: e.Empty,
		AgentVersion: f.AgentVersion, Type: "SecurityIoTRawEvent",
	}
	if len(raw) == 0 {
		raw = []json.RawMessage{json.RawMessage("{}")}
	}
	rows := make([]Row, 0, len(raw))
	for i, item := range raw {
		if f.Hit != nil && !slices.Contains(f.Hit, i) {
			continue
		}
		details, err := details(item, e)
		if err != nil {
			return nil, err
		}
		row.RawEventID = fmt.Sprintf("%d-%d-%d", f.Position.Sequence, f.Position.Index, i)
		row.EventDetails = details
		rows = append(rows, row)
	}
	return rows, nil
}

// details adds what belongs to the event to the members of an item.
func details(item json.RawMessage, e *event.Event) (string, error) {
	var members map[string]json.RawMessage
	item = bytes.TrimSpace(item)
	if len(item) == 0 || item[0] != '{' {
		// An event that this version does not know may hold anything.
		members = map[string]json.RawMessage{"Value": item}
	} else if bytes.Contains(item, []byte(`"TimestampLocal"`)) || bytes.Contains(item, []byte(`"EventId"`)) {
		if err := json.Unmarshal(item, &members); err != nil {
			return "", fmt.Errorf("read item: %w", err)
		}
	}
	if members != nil {
		delete(members, "TimestampLocal")
		delete(members, "EventId")
		var err error
		if item, err = json.Marshal(members); err != nil {
			return "", fmt.Errorf("encode item: %w", err)
		}
	}
	tail, err := json.Marshal(struct {
		TimestampLocal string
		EventID        string `json:"EventId"`
	}{TimestampLocal: e.Local, EventID: e.ID})
	if err != nil {
		return "", fmt.Errorf("encode event: %w", err)
	}
	body := bytes.TrimRight(item[:len(item)-1], " \t\r\n")
	if len(body) > 1 { // more than '{'
		body = append(slices.Clip(body), ',')
	}
	return string(append(slices.Clip(body), tail[1:]...)), nil
}
