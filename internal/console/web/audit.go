package web

import (
	"strings"
)

// Subject says what was acted upon, for the audit log; without it that is the
// address of the act.
func (c *Call) Subject(s string) { c.subject = s }

// unaudited is the error of an act that was done, and is not in the audit log.
type unaudited struct {
	act string
	err error
}

func (e *unaudited) Error() string { return "audit " + e.act + ": " + e.err.Error() }

func (e *unaudited) Unwrap() error { return e.err }

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
		return &unaudited{c.Route.Audit, err}
	}
	c.audited = true
	return nil
}
