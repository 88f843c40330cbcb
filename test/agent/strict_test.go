//go:build linux

package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// strict holds all that agents have sent in a test against the published schema
// (asc §3.2–3.5), which asks for more than the hub does, and the hub's dead
// letters.
func (w *world) strict() {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.Context()), patience)
	defer cancel()
	n := 0
	for m, err := range w.owner.Messages(ctx, client.Security, client.StreamOptions{Device: deviceID}) {
		if err != nil {
			w.Errorf("read the messages: %v", err)
			return
		}
		if m.ModuleID != w.module.Module || bytes.Contains(m.Body, []byte(`"AgentVersion":"hub"`)) {
			continue // the hub's own
		}
		n++
		for _, p := range breaches(m.Body) {
			w.Errorf("a message breaks the schema: %s\n%.3000s", p, m.Body)
		}
		if len(m.System) > 0 && m.System["iothub-interface-id"] == nil && !bytes.Contains(m.Raw, []byte("SecurityAgent")) {
			w.Errorf("a message is not marked: %.300s", m.Raw)
		}
		if w.Failed() {
			return
		}
	}
	for l, err := range w.owner.DeadLetters(ctx, deviceID, client.Paging{}) {
		if err != nil {
			w.Error(err)
			return
		}
		w.Errorf("the hub does not take %s: %s\n%.2000s", l.Path, l.Reason, l.Text)
	}
	w.Logf("%d messages are held against the schema", n)
}

var (
	guid     = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	portText = regexp.MustCompile(`^(\*|\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*)$`)
)

// Kinds of values in the schema, and whether they are required (in capitals).
const (
	textV = "text"
	intV  = "integer"
	boolV = "boolean"
	ipV   = "ip"
	portV = "port"
	guidV = "guid"
)

type rule struct {
	kind     string
	required bool
	oneOf    []string
}

func need(kind string, oneOf ...string) rule { return rule{kind, true, oneOf} }
func may(kind string, oneOf ...string) rule  { return rule{kind, false, oneOf} }

// eventRule is what the schema says of an event.
type eventRule struct {
	typ, category string
	items         map[string]rule
}

var catalogue = map[string]eventRule{
	"ProcessCreate": {"Security", "Triggered", map[string]rule{
		"Executable": need(textV), "ProcessId": need(intV), "ParentProcessId": need(intV), "UserId": need(textV), "UserName": may(textV), "CommandLine": need(textV),
	}},
	"ProcessTerminate": {"Security", "Triggered", map[string]rule{"Executable": need(textV), "ProcessId": need(intV), "ExitStatus": need(intV)}},
	"ConnectionCreate": {"Security", "Triggered", map[string]rule{
		"RemoteAddress": need(ipV), "RemotePort": need(portV), "LocalAddress": may(ipV), "LocalPort": may(portV), "Direction": need(textV, "In", "Out"),
		"Protocol": need(textV), "ProcessId": need(intV), "UserId": may(textV), "Executable": need(textV), "CommandLine": may(textV),
	}},
	"Login": {"Security", "Triggered", map[string]rule{
		"ProcessId": need(intV), "UserId": may(textV), "UserName": may(textV), "Operation": need(textV), "Executable": need(textV),
		"RemoteAddress": may(ipV), "RemotePort": may(portV), "LocalPort": may(portV), "Result": need(textV, "Fail", "Success"),
	}},
	"ListeningPorts": {"Security", "Periodic", map[string]rule{
		"Protocol": need(textV), "LocalPort": need(portV), "LocalAddress": may(ipV), "RemoteAddress": may(ipV), "RemotePort": may(portV),
	}},
	"FirewallConfiguration": {"Security", "Periodic", map[string]rule{
		"Priority": may(intV), "Direction": may(textV, "In", "Out"), "ChainName": may(textV), "Application": may(textV), "Enabled": need(boolV),
		"Action": need(textV, "Allow", "Deny", "Other"), "SourceAddress": may(textV), "SourcePort": may(portV), "DestinationAddress": may(textV),
		"DestinationPort": may(portV), "Protocol": may(textV),
	}},
	"LocalUsers": {"Security", "Periodic", map[string]rule{
		"UserId": need(textV), "UserName": need(textV), "GroupIds": need(textV), "GroupNames": need(textV),
	}},
	"ConnectedHardware": {"Security", "Periodic", map[string]rule{
		"HardwareCategory": need(textV), "HardwareSubCategory": need(textV), "HardwareName": need(textV),
	}},
	"OSBaseline": {"Security", "Periodic", map[string]rule{
		"Description": need(textV), "CceId": need(textV), "Result": need(textV, "Pass", "Fail", "Err"), "Error": need(textV),
		"Severity": need(textV, "Critical", "Important", "Warning", "Informational"),
	}},
	"SystemInformation": {"Security", "Periodic", map[string]rule{
		"OSName": may(textV), "OSVersion": may(textV), "OSVendor": may(textV), "OsArchitecture": may(textV), "HostName": may(textV), "BIOSVersion": may(textV), "BootDevice": may(textV),
		"TotalPhysicalMemoryInKB": may(intV), "FreePhysicalMemoryInKB": may(intV), "TotalVirtualMemoryInKB": may(intV), "FreeVirtualMemoryInKB": may(intV),
	}},
	"ConfigurationError": {"Operational", "Triggered", map[string]rule{
		"ConfigurationName": need(textV), "ErrorType": need(textV, "TypeMismatch", "NotOptimal", "Conflict"), "UsedConfiguration": need(textV), "Message": need(textV),
	}},
	"DroppedEventsStatistics": {"Operational", "Periodic", map[string]rule{
		"Queue": need(textV, "High", "Low"), "CollectedEvents": need(intV), "DroppedEvents": need(intV),
	}},
	"MessageStatistics": {"Operational", "Periodic", map[string]rule{
		"MessagesSent": need(intV), "MessagesUnder4KB": need(intV), "TotalFailed": need(intV),
	}},
	"Diagnostic": {"Diagnostic", "Triggered", map[string]rule{
		"CorrelationId": may(guidV), "Severity": need(textV, "Fatal", "Error", "Warning", "Information", "Debug"), "Message": need(textV), "ProcessId": need(intV), "ThreadId": need(intV),
	}},
	"Heartbeat": {"Security", "Periodic", nil},
}

// breaches returns what in a message breaks the schema.
func breaches(body []byte) (all []string) {
	bad := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	var m struct {
		AgentVersion, AgentID, MessageSchemaVersion *string
		Events                                      []map[string]json.RawMessage
	}
	var names map[string]json.RawMessage
	if err := json.Unmarshal(body, &names); err != nil {
		return []string{err.Error()}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return []string{err.Error()}
	}
	for name := range names {
		if !slices.Contains([]string{"AgentVersion", "AgentId", "MessageSchemaVersion", "Events"}, name) {
			bad("member %s", name)
		}
	}
	if id := string(names["AgentId"]); !guid.MatchString(strings.Trim(id, `"`)) {
		bad("AgentId %s", id)
	}
	if m.AgentVersion == nil || m.MessageSchemaVersion == nil || *m.MessageSchemaVersion != "1.0" || len(m.Events) == 0 {
		bad("the envelope")
	}
	if len(body) > 262144 {
		bad("%d bytes", len(body))
	}
	for i, e := range m.Events {
		for _, p := range eventBreaches(e) {
			bad("Events[%d].%s", i, p)
		}
	}
	return all
}

// eventBreaches returns what in an event breaks the schema.
func eventBreaches(e map[string]json.RawMessage) (all []string) {
	bad := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	members := []string{"Id", "TimestampLocal", "TimestampUTC", "Category", "Name", "EventType", "IsEmpty", "PayloadSchemaVersion", "Payload"}
	for _, name := range members {
		if e[name] == nil {
			bad("%s is missing", name)
		}
	}
	if len(e) > len(members) {
		bad("%d members", len(e))
	}
	text := func(name string) string {
		var s string
		if json.Unmarshal(e[name], &s) != nil {
			bad("%s is %s", name, e[name])
		}
		return s
	}
	r, known := catalogue[text("Name")]
	if !known {
		bad("Name %s", e["Name"])
	}
	if !guid.MatchString(text("Id")) {
		bad("Id %s", e["Id"])
	}
	for _, name := range []string{"TimestampLocal", "TimestampUTC"} {
		if _, err := time.Parse(time.RFC3339, text(name)); err != nil {
			bad("%s: %v", name, err)
		}
	}
	if !strings.HasSuffix(text("TimestampUTC"), "Z") {
		bad("TimestampUTC %s is not in UTC", e["TimestampUTC"])
	}
	category := text("Category")
	if aggregated := category == "Aggregated" && slices.Contains([]string{"ProcessCreate", "ProcessTerminate", "ConnectionCreate"}, text("Name")); category != r.category && !aggregated {
		bad("Category %s", category)
	}
	if typ := text("EventType"); typ != r.typ {
		bad("EventType %s", typ)
	}
	if v := text("PayloadSchemaVersion"); v != "1.0" {
		bad("PayloadSchemaVersion %s", v)
	}
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(e["Payload"], &items); err != nil {
		bad("Payload: %v", err)
	}
	var empty bool
	if json.Unmarshal(e["IsEmpty"], &empty) != nil || empty != (len(items) == 0) || empty && category != "Periodic" {
		bad("IsEmpty %s of %d items, %s", e["IsEmpty"], len(items), category)
	}
	for i, item := range items {
		for _, p := range itemBreaches(item, r.items) {
			bad("Payload[%d].%s", i, p)
		}
		if category == "Aggregated" && !bytes.Contains(item["ExtraDetails"], []byte(`"HitCount"`)) {
			bad("Payload[%d] has no HitCount", i)
		}
	}
	return all
}

// itemBreaches returns what in an item breaks the schema.
func itemBreaches(item map[string]json.RawMessage, rules map[string]rule) (all []string) {
	for name, r := range rules {
		if r.required && item[name] == nil {
			all = append(all, name+" is missing")
		}
	}
	for name, raw := range item {
		if name == "ExtraDetails" {
			var details map[string]string
			if err := json.Unmarshal(raw, &details); err != nil {
				all = append(all, "ExtraDetails: "+err.Error())
			}
			continue
		}
		if r, ok := rules[name]; !ok {
			all = append(all, "there is no member "+name)
		} else if !fits(raw, r) {
			all = append(all, fmt.Sprintf("%s, %s %v, is %s", name, r.kind, r.oneOf, raw))
		}
	}
	return all
}

func fits(raw json.RawMessage, r rule) bool {
	switch r.kind {
	case intV:
		var n int64
		return json.Unmarshal(raw, &n) == nil
	case boolV:
		return string(raw) == "true" || string(raw) == "false"
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return false
	}
	switch r.kind {
	case ipV:
		a, err := netip.ParseAddr(s)
		return err == nil && a.Zone() == ""
	case portV:
		return portText.MatchString(s)
	case guidV:
		return guid.MatchString(s)
	}
	return len(r.oneOf) == 0 || slices.Contains(r.oneOf, s)
}

// TestBreaches: the check itself finds what breaks the schema.
func TestBreaches(t *testing.T) {
	t.Parallel()
	good := `{"AgentVersion":"1","AgentId":"5a4b8c1e-7d2f-4c3a-9b6e-0f1d2c3b4a59","MessageSchemaVersion":"1.0","Events":[{"Id":"c0a8a1f2-3b4c-4d5e-8f60-718293a4b5c6",
		"TimestampLocal":"2020-03-01T12:00:05+02:00","TimestampUTC":"2020-03-01T10:00:05Z","Category":"Triggered","Name":"Login","EventType":"Security","IsEmpty":false,"PayloadSchemaVersion":"1.0",
		"Payload":[{"ProcessId":912,"UserName":"root","Operation":"PAM","Executable":"/usr/sbin/sshd","RemoteAddress":"198.51.100.4","RemotePort":"40022","Result":"Fail","ExtraDetails":{"a":"b"}}]}]}`
	if got := breaches([]byte(good)); got != nil {
		t.Fatalf("of a good message: %v", got)
	}
	if m, err := schema.Decode(&tvilling.Message{Body: []byte(good)}, time.Now()); err != nil || len(m.Rejects) > 0 {
		t.Fatalf("the hub refuses it: %v", err)
	}
	for _, change := range [][2]string{
		{`"AgentVersion":"1",`, ``},
		{`5a4b8c1e-`, ``},
		{`"AgentId"`, `"X":1,"AgentId"`},
		{`c0a8`, `C0A8`},
		{`"2020-03-01T10:00:05Z"`, `"2020-03-01T10:00:05+00:00"`},
		{`"Triggered"`, `"Periodic"`},
		{`"Triggered"`, `"Aggregated"`},
		{`"Security"`, `"Operational"`},
		{`"IsEmpty":false`, `"IsEmpty":true`},
		{`"ProcessId":912`, `"ProcessId":"912"`},
		{`"ProcessId":912,`, ``},
		{`198.51.100.4`, `host`},
		{`"40022"`, `40022`},
		{`"40022"`, `"x"`},
		{`"Fail"`, `"Failed"`},
		{`{"a":"b"}`, `{"a":1}`},
		{`"Operation"`, `"Made":1,"Operation"`},
		{`"Name":"Login"`, `"Name":"Logins"`},
		{`"IsEmpty"`, `"More":1,"IsEmpty"`},
	} {
		if got := breaches([]byte(strings.Replace(good, change[0], change[1], 1))); got == nil {
			t.Errorf("%s for %s is not found", change[1], change[0])
		}
	}
}
