package web

import (
	"errors"
	"html/template"
	"net/http"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
)

// errorPage has the template of errors alone.
var errorPage = ui.Base()

// Trouble is an error as people are told of it.
type Trouble struct {
	Title, Message, Remedy, Code, Path, Tracking, Back string
}

// Trouble puts an error into words. What is the hub's own fault is told by its
// tracking id alone; the log has the rest.
func (c *Call) Trouble(err error) (Trouble, int) {
	t := Trouble{Code: string(tvilling.CodeOf(err)), Tracking: c.tracking, Back: Root + "/overview"}
	if from := c.R.Referer(); from != "" {
		t.Back = Local(path(from))
	}
	if e, ok := errors.AsType[*tvilling.Error](err); ok && e.Code != tvilling.Internal {
		t.Message, t.Path = e.Message, e.Path
	}
	status := http.StatusInternalServerError
	switch tvilling.CodeOf(err) {
	case tvilling.DeviceNotFound, tvilling.ModuleNotFound, tvilling.NotFound, tvilling.ConfigurationNotFound:
		t.Title, status, t.Remedy = "Not found", http.StatusNotFound, "It may have been deleted, or be written otherwise. The field at the top finds devices, alerts and pages."
	case tvilling.Unauthorized:
		t.Title, status = "Not allowed", http.StatusForbidden
	case tvilling.PreconditionFailed, tvilling.DeviceAlreadyExists, tvilling.ModuleAlreadyExists, tvilling.ConfigurationAlreadyExists:
		t.Title, status = "In conflict with what is there", http.StatusConflict
	case tvilling.Throttled:
		t.Title, status, t.Remedy = "The hub is busy", http.StatusTooManyRequests, "Nothing was changed. Try again in a few seconds."
	case tvilling.Unavailable:
		t.Title, status, t.Remedy = "The hub cannot do this now", http.StatusServiceUnavailable, "Nothing was changed. Try again; the page “Settings” says how the hub is."
	case tvilling.TooLarge:
		t.Title, status = "Too large", http.StatusRequestEntityTooLarge
	case tvilling.Internal, tvilling.Corrupt, "":
		t.Title = "The hub failed to do this"
		if t.Message == "" {
			t.Message = "The reason is in the hub's log, under the tracking id below. What you asked for was not done."
		}
	default:
		t.Title, status = "Not accepted", http.StatusBadRequest
	}
	if t.Message == "" {
		t.Message = t.Title + "."
	}
	if _, ok := errors.AsType[*unaudited](err); ok {
		t.Title, status = "Done, but not in the audit log", http.StatusInternalServerError
		t.Message, t.Remedy = "This was done, but the audit log could not be told; the hub's log has the reason, under the tracking id below.", "Do not repeat it before you have looked."
	}
	return t, status
}

// fail answers with an error, and returns it if it is worth a line in the log.
func (c *Call) fail(err error) error {
	t, status := c.Trouble(err)
	page := c.Page(View{Title: t.Title, Status: status, Bare: !c.signedIn, Template: errorPage, Name: "error", Data: t})
	if status < http.StatusInternalServerError {
		err = nil
	}
	return errors.Join(err, page)
}

// Problem is an error beside the field that it is about.
func Problem(err error) template.HTML {
	if err == nil {
		return ""
	}
	message := "The hub failed to do this; its log has the reason."
	if e, ok := errors.AsType[*tvilling.Error](err); ok && e.Message != "" {
		message = e.Message
	}
	return `<p class="err">` + ui.Icon("atrisk") + ui.Inert(message) + `</p>`
}
