package web

import (
	"strings"

	"github.com/tvilling/tvilling"
)

// Subject says what was acted upon, for the audit log; without it that is the
// address of the act.
func (c *Call) Subject(s string) { c.subject = s }

// audit writes the act to the audit log, once, if its route asks for that.
func (c *Call) audit() error {
	if c.Route.Audit == "" || c.audited {
		return nil
	}
	subject := c.subject
	if subject == "" {
		subject = strings.TrimPrefix(c.R.URL.Path, Root)
	}
	if err := c.site.opt.Accounts.Record(c.Context(), c.Actor(), c.Route.Audit, subject); err != nil {
		return &tvilling.Error{
			Code: tvilling.CodeOf(err), Op: "audit", Subject: c.Route.Audit, Err: err,
			Message: "This was done, but the audit log could not be told. Do not repeat it before you have looked.",
		}
	}
	c.audited = true
	return nil
}
