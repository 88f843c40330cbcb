package detection_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling/internal/security/event"
)

// item makes an item of Name=value words; other names are ExtraDetails.
func item(k event.Kind, words []string) (event.Item, error) {
	v := make(map[string]string)
	var order []string
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not Name=value", w)
		}
		v[name] = value
		order = append(order, name)
	}
	used := make(map[string]bool)
	get := func(name string) string { used[name] = true; return v[name] }
	num := func(name string) int64 { n, _ := strconv.ParseInt(get(name), 10, 64); return n }
	rest := func() event.Details {
		var d event.Details
		for _, name := range order {
			if !used[name] {
				d = append(d, event.Detail{Name: name, Value: v[name]})
			}
		}
		return d
	}
	switch k {
	case event.ProcessCreateKind:
		it := &event.ProcessCreate{
			Executable: get("Executable"), CommandLine: get("CommandLine"), UserID: get("UserId"), UserName: get("UserName"),
			ProcessID: num("ProcessId"), ParentProcessID: num("ParentProcessId"),
		}
		it.Extra = rest()
		return it, nil
	case event.LoginKind:
		it := &event.Login{
			UserID: get("UserId"), UserName: get("UserName"), Operation: get("Operation"), Executable: get("Executable"),
			RemoteAddress: get("RemoteAddress"), Result: get("Result"), ProcessID: num("ProcessId"),
		}
		it.Extra = rest()
		return it, nil
	case event.LocalUsersKind:
		it := &event.LocalUsers{UserID: get("UserId"), UserName: get("UserName"), GroupIDs: get("GroupIds"), GroupNames: get("GroupNames")}
		it.Extra = rest()
		return it, nil
	case event.FirewallConfigurationKind:
		it := &event.FirewallConfiguration{
			ChainName: get("ChainName"), Action: get("Action"), Direction: get("Direction"), SourceAddress: get("SourceAddress"),
			DestinationPort: get("DestinationPort"), Enabled: get("Enabled") != "false",
		}
		it.Extra = rest()
		return it, nil
	case event.ConfigurationErrorKind:
		it := &event.ConfigurationError{
			ConfigurationName: get("ConfigurationName"), ErrorType: get("ErrorType"),
			UsedConfiguration: get("UsedConfiguration"), Message: get("Message"),
		}
		it.Extra = rest()
		return it, nil
	case event.MessageStatisticsKind:
		it := &event.MessageStatistics{MessagesSent: num("MessagesSent"), MessagesUnder4KB: num("MessagesUnder4KB")}
		it.Extra = rest()
		return it, nil
	default:
		return nil, fmt.Errorf("no items of %s in tests", k)
	}
}
