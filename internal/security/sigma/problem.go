package sigma

import (
	"fmt"
	"strings"

	"github.com/tvilling/tvilling"
)

// Problem is one thing that is wrong with a rule.
type Problem struct {
	Code tvilling.Code `json:"code"`
	// Line and Column are its place in the file, counted from 1; 0 if it has none.
	Line   int `json:"line"`
	Column int `json:"column,omitempty"`
	// Path is its place in the rule: "detection.selection.CommandLine|re".
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

// Problems is all that is wrong with a rule; it is the cause of the errors of
// this package, found with [errors.AsType].
type Problems []Problem

// MaxProblems is how many problems of one rule are told.
const MaxProblems = 20

// Error joins the messages.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = fmt.Sprintf("line %d: %s: %s", one.Line, one.Path, one.Message)
		if one.Path == "" {
			lines[i] = fmt.Sprintf("line %d: %s", one.Line, one.Message)
		}
	}
	return strings.Join(lines, "\n")
}

// problems collects what is wrong while a rule is read or compiled.
type problems struct{ list Problems }

func (p *problems) add(code tvilling.Code, line, column int, path, format string, args ...any) {
	if len(p.list) < MaxProblems {
		p.list = append(p.list, Problem{Code: code, Line: line, Column: column, Path: path, Message: fmt.Sprintf(format, args...)})
	}
}

func (p *problems) at(n *Node, path, format string, args ...any) {
	p.add(tvilling.InvalidArgument, n.Line, n.Column, path, format, args...)
}

func (p *problems) unsupported(n *Node, path, format string, args ...any) {
	p.add(tvilling.Unsupported, n.Line, n.Column, path, format, args...)
}

func (p *problems) tooLarge(n *Node, path, format string, args ...any) {
	p.add(tvilling.TooLarge, n.Line, n.Column, path, format, args...)
}

// err returns the problems as the project's error, nil if there are none. The
// first one speaks for all.
func (p *problems) err(op, subject string) error {
	if len(p.list) == 0 {
		return nil
	}
	first := p.list[0]
	path := fmt.Sprintf("line %d", first.Line)
	if first.Path != "" {
		path += ", " + first.Path
	}
	message := first.Message
	if n := len(p.list) - 1; n > 0 {
		message += fmt.Sprintf(" (and %d more)", n)
	}
	return &tvilling.Error{Code: first.Code, Op: op, Subject: subject, Path: path, Message: message, Err: p.list}
}

// show returns a text of the rule as messages quote it: short, on one line.
func show(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
