package access

import (
	"errors"
	"html/template"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
)

// problem is an error that a form shows, with the field that it is about.
type problem struct {
	At   string
	HTML template.HTML
}

func told(err error) problem {
	if err == nil {
		return problem{}
	}
	p := problem{HTML: web.Problem(err)}
	if e, ok := errors.AsType[*tvilling.Error](err); ok {
		p.At = e.Path
	}
	return p
}
