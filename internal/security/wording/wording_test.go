package wording_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/wording"
)

func TestItem(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		item event.Item
		want string
	}{
		{&event.ProcessCreate{Executable: "/bin/sh", CommandLine: "sh -i", UserName: "root", ProcessID: 7}, "Started sh -i as root, process 7"},
		{&event.ProcessCreate{Executable: "/bin/sh", UserID: "0", Extra: event.Details{{Name: event.HitCount, Value: "12"}}}, "Started /bin/sh as user 0, 12 times"},
		{&event.ProcessCreate{}, "Started an unknown program"},
		{&event.ProcessTerminate{Executable: "/bin/sh", ProcessID: 7, ExitStatus: 1}, "Process /bin/sh ended, status 1, process 7"},
		{&event.ConnectionCreate{Direction: "Out", RemoteAddress: "203.0.113.77", RemotePort: "4444", Protocol: "tcp", Executable: "/bin/sh"}, "Connection to 203.0.113.77:4444 by /bin/sh, tcp"},
		{&event.ConnectionCreate{Direction: "In", RemoteAddress: "203.0.113.77", RemotePort: "50000", LocalPort: "22", CommandLine: "sshd -D"}, "Connection from 203.0.113.77:50000 to port 22 by sshd -D"},
		{&event.Login{Result: "Fail", UserName: "root", RemoteAddress: "203.0.113.77", Executable: "sshd"}, "Failed login of root from 203.0.113.77 by sshd"},
		{&event.Login{Result: "Success", UserID: "0"}, "Login of 0 at the device"},
		{&event.ListeningPorts{Protocol: "tcp", LocalAddress: "0.0.0.0", LocalPort: "23"}, "Listens on 0.0.0.0:23, tcp"},
		{&event.FirewallConfiguration{Action: "Allow", Direction: "In", Protocol: "tcp", SourceAddress: "any", DestinationPort: "22", ChainName: "INPUT", Enabled: true}, "Firewall rule: Allow In tcp from any to any address:22, chain INPUT"},
		{&event.LocalUsers{UserName: "eve", UserID: "1001", GroupNames: "sudo"}, "Account eve, in sudo, user id 1001"},
		{&event.ConnectedHardware{HardwareName: "USB disk", HardwareCategory: "storage"}, "Hardware: USB disk, storage"},
		{&event.OSBaseline{Result: "Fail", Description: "SSH root login", Severity: "Critical", CceID: "CCE-1"}, "Check failed: SSH root login, Critical, CCE-1"},
		{&event.SystemInformation{OSName: "Linux", OSVersion: "6.1", OSArchitecture: "arm64", HostName: "pump"}, "Runs Linux 6.1 on arm64, host pump"},
		{&event.ConfigurationError{ConfigurationName: "eventPriority", ErrorType: "TypeMismatch", Message: "no number"}, "Agent configuration: eventPriority TypeMismatch, no number"},
		{&event.DroppedEventsStatistics{Queue: "high", CollectedEvents: 9, DroppedEvents: 2}, "Of 9 collected events the agent dropped 2 in queue high"},
		{&event.MessageStatistics{MessagesSent: 1, TotalFailed: 0}, "The agent sent 1 message, 0 failed"},
		{&event.Diagnostic{Message: "cannot read", Severity: "Error"}, "Agent log: cannot read, Error"},
		{&event.HubAuthentication{Reason: "wrong_key", RemoteAddress: "203.0.113.77:1", Extra: event.Details{{Name: event.HitCount, Value: "3"}}}, "The hub refused a token of a wrong key from 203.0.113.77:1, 3 times"},
	} {
		if got := wording.Item(tt.item).String(); got != tt.want {
			t.Errorf("%T:\ngot  %s\nwant %s", tt.item, got, tt.want)
		}
	}
}

// zeros are items with nothing in them, one of each kind that has items.
func zeros() map[event.Kind]event.Item {
	m := make(map[event.Kind]event.Item)
	for _, it := range []event.Item{
		&event.ProcessCreate{}, &event.ProcessTerminate{}, &event.ConnectionCreate{}, &event.Login{}, &event.ListeningPorts{}, &event.FirewallConfiguration{},
		&event.LocalUsers{}, &event.ConnectedHardware{}, &event.OSBaseline{}, &event.SystemInformation{}, &event.ConfigurationError{},
		&event.DroppedEventsStatistics{}, &event.MessageStatistics{}, &event.Diagnostic{}, &event.HubAuthentication{},
	} {
		m[it.Kind()] = it
	}
	return m
}

// TestEveryKind: a kind of event that nobody has written a sentence for fails.
func TestEveryKind(t *testing.T) {
	t.Parallel()
	all := zeros()
	for k := event.Unknown + 1; k < event.Kinds; k++ {
		it := all[k]
		switch {
		case it == nil && k != event.HeartbeatKind:
			t.Errorf("%s is not in the list of this test", k)
		case it != nil && wording.Item(it).String() == "":
			t.Errorf("%s has no sentence", k)
		}
		e := &event.Event{Kind: k, Name: k.String(), Empty: true}
		if s := wording.Event(e, nil).String(); s == "" || k.Snapshot() && s == "Nothing happened" {
			t.Errorf("%s without items has no sentence: %q", k, s)
		}
	}
}

// TestValuesApart: what a device sent is never among the words.
func TestValuesApart(t *testing.T) {
	t.Parallel()
	const evil = "<script>\u202e"
	for k, it := range zeros() {
		v := reflect.ValueOf(it).Elem()
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.String && v.Type().Field(i).Name != "Reason" { // the hub's own word
				f.SetString(evil)
			}
		}
		values := 0
		for _, p := range wording.Item(it) {
			if p.Text == evil && p.Value {
				values++
			} else if strings.Contains(p.Text, "<") {
				t.Errorf("%s: a value is among the words: %q", k, p.Text)
			}
		}
		if values == 0 && k != event.MessageStatisticsKind {
			t.Errorf("%s: its sentence has no value", k)
		}
	}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	ports := []event.Item{&event.ListeningPorts{LocalPort: "23"}, &event.ListeningPorts{LocalPort: "80"}, &event.ListeningPorts{LocalPort: "81"}}
	for _, tt := range []struct {
		event event.Event
		items []event.Item
		want  string
	}{
		{event.Event{Kind: event.ListeningPortsKind}, ports, "Listens on any address:23, and 2 more items"},
		{event.Event{Kind: event.ListeningPortsKind, Empty: true}, nil, "Nothing listens on any port"},
		{event.Event{Kind: event.HeartbeatKind}, nil, "The agent is there"},
		{event.Event{Kind: event.ProcessCreateKind, Empty: true}, nil, "Nothing happened"},
		{event.Event{Kind: event.ProcessCreateKind}, nil, "Nothing was told"},
		{event.Event{Name: "New"}, nil, "An event of a kind that this hub does not know: New"},
	} {
		if got := wording.Event(&tt.event, tt.items).String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
