package jump

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
)

func TestFind(t *testing.T) {
	ids := []tvilling.DeviceID{"alerts-7", "pump-1", "pump-10", "pump-2", "settings", "valve"}
	j := &jump{opt: Options{
		Devices: func(_ context.Context, prefix string, most int) ([]tvilling.DeviceID, error) {
			var found []tvilling.DeviceID
			for _, id := range ids {
				if strings.HasPrefix(string(id), prefix) && len(found) < most {
					found = append(found, id)
				}
			}
			return found, nil
		},
		Alert: func(_ context.Context, id string) (bool, error) { return slices.Contains([]string{"0a1b"}, id), nil },
	}}
	for text, want := range map[string]string{
		"":                   "/console/overview",
		"pump-1":             "/console/devices/pump-1", // though pump-10 begins so, too
		"val":                "/console/devices/valve",
		"settings":           "/console/devices/settings", // a device before a page
		"Audit log":          "/console/settings/audit",
		"alerts":             "/console/alerts",
		"0a1b":               "/console/alerts/0a1b",
		"pump":               "/console/devices?q=STARTSWITH%28deviceId%2C+%27pump%27%29",
		"it's":               "/console/devices?q=STARTSWITH%28deviceId%2C+%27it%27%27s%27%29",
		"tags.site = 'lund'": "/console/devices?q=tags.site+%3D+%27lund%27",
	} {
		got, err := j.find(t.Context(), text)
		if err != nil || got != want {
			t.Errorf("%q leads to %s, %v; want %s", text, got, err, want)
		}
	}
}
