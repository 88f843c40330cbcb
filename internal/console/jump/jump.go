// Package jump leads from what somebody types at the head of a page to the page
// that is meant: an id of a device or an alert, the beginning of one, the name
// of a page, or a condition of the query language.
package jump

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// Options are what jumps are looked up in.
type Options struct {
	// Devices returns the first devices, ascending, whose ids begin with a text.
	Devices func(ctx context.Context, prefix string, most int) ([]tvilling.DeviceID, error)
	// Alert reports whether an alert has an id.
	Alert func(ctx context.Context, id string) (bool, error)
}

// most is how many devices are offered.
const most = 8

type jump struct{ opt Options }

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	j := &jump{opt: o}
	return []web.Route{
		{Method: http.MethodGet, Path: "/go", Role: account.Viewer, Do: j.to},
		{Method: http.MethodGet, Path: "/go/suggest", Role: account.Viewer, Do: j.suggest},
	}
}

func (j *jump) to(c *web.Call) error {
	to, err := j.find(c.Context(), strings.TrimSpace(c.Query("q")))
	if err != nil {
		return err
	}
	return c.Redirect(to, "")
}

// find returns the page that a text means. A list says what it does not find.
func (j *jump) find(ctx context.Context, text string) (string, error) {
	if text == "" {
		return ui.URL("overview"), nil
	}
	found, err := j.opt.Devices(ctx, text, 2)
	if err != nil {
		return "", err
	}
	if len(found) > 0 && string(found[0]) == text {
		return ui.URL("devices", tvilling.DeviceID(text)), nil
	}
	if ok, err := j.opt.Alert(ctx, text); err != nil {
		return "", err
	} else if ok {
		return ui.URL("alerts", text), nil
	}
	if path, ok := pages()[strings.ToLower(text)]; ok {
		return ui.Root + path, nil
	}
	if len(found) == 1 {
		return ui.URL("devices", found[0]), nil
	}
	return ui.URL("devices", url.Values{"q": {condition(text)}}), nil
}

// condition is a text as the list of devices is asked for it: as it stands if
// it reads like a condition, else as the beginning of an id.
func condition(text string) string {
	if strings.ContainsAny(text, "=<>(") {
		return text
	}
	return "STARTSWITH(deviceId, '" + strings.ReplaceAll(text, "'", "''") + "')"
}

// pages are the pages that can be named.
func pages() map[string]string {
	return map[string]string{
		"overview": "/overview", "getting started": "/start", "start": "/start",
		"devices": "/devices", "register device": "/devices/new",
		"alerts": "/alerts", "recommendations": "/recommendations",
		"investigate": "/investigate", "events": "/investigate", "processes": "/investigate/processes",
		"connections": "/investigate/connections", "logins": "/investigate/logins", "query": "/query",
		"configurations": "/configurations", "settings": "/settings", "storage": "/settings/storage",
		"certificates": "/settings/certificates", "detections": "/settings/detections", "rules": "/settings/detections",
		"sinks": "/settings/sinks", "dead letters": "/settings/deadletters", "users": "/settings/users",
		"policies": "/settings/policies", "access policies": "/settings/policies", "audit": "/settings/audit",
		"audit log": "/settings/audit", "account": "/account", "keys": "/keys", "theme": "/keys",
	}
}

// suggest answers with the ids of devices that begin with a text, as options.
func (j *jump) suggest(c *web.Call) error {
	var found []tvilling.DeviceID
	if text := strings.TrimSpace(c.Query("q")); text != "" {
		list, err := j.opt.Devices(c.Context(), text, most)
		if err != nil {
			return err
		}
		found = list
	}
	out, err := web.Render(options, "options", found)
	if err != nil {
		return err
	}
	return c.HTML(http.StatusOK, []byte(out))
}

var options = template.Must(template.New("options").Parse(`{{range .}}<option value="{{.}}"></option>{{end}}`))
