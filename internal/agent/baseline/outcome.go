package baseline

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// verdict is what a test gives.
type verdict uint8

const (
	// leftOut: the test makes no sense here.
	leftOut verdict = iota
	passed
	failed
	// unknown: the agent has no way to know.
	unknown
	// broken: what had to be read could not be.
	broken
)

// outcome is a verdict with what was found; a test that passed says that, too,
// since its negation may need it.
type outcome struct {
	verdict verdict
	found   string
}

func pass(format string, args ...any) outcome { return outcome{passed, fmt.Sprintf(format, args...)} }

func fail(format string, args ...any) outcome { return outcome{failed, fmt.Sprintf(format, args...)} }

// when is pass if it holds, else fail.
func when(holds bool, format string, args ...any) outcome {
	if holds {
		return pass(format, args...)
	}
	return fail(format, args...)
}

// unreadable is the outcome of an error of reading.
func unreadable(err error) outcome { return outcome{broken, err.Error()} }

// missing is the outcome of what is not there; m is the test's word on it, or else.
func (m Missing) outcome(or Missing, format string, args ...any) outcome {
	if m == "" {
		m = or
	}
	switch m {
	case MissingPass:
		return pass(format, args...)
	case MissingSkip:
		return outcome{leftOut, fmt.Sprintf(format, args...)}
	default:
		return fail(format, args...)
	}
}

// gone says that an error means: it is not there.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ESRCH)
}

// eval makes the test of t.
func (t *Test) eval(r *run) outcome {
	if o := t.Applies.eval(r); o.verdict != passed {
		return o
	}
	_, k, _ := t.kind()
	switch {
	case k != nil:
		return k.eval(r)
	case t.Not != nil:
		o := t.Not.eval(r)
		switch o.verdict {
		case passed:
			o.verdict = failed
		case failed:
			o.verdict = passed
		default:
		}
		return o
	case t.All != nil:
		return combine(r, t.All, [...]verdict{failed, broken, unknown, passed})
	default:
		return combine(r, t.Any, [...]verdict{passed, broken, unknown, failed})
	}
}

// combine gives the verdict that comes first in rank, of tests that are not
// left out, with what those found that have it.
func combine(r *run, tests []Test, rank [4]verdict) outcome {
	var found [broken + 1][]string
	for i := range tests {
		o := tests[i].eval(r)
		found[o.verdict] = append(found[o.verdict], o.found)
		if o.verdict == rank[0] {
			break
		}
	}
	for _, v := range rank {
		if found[v] != nil {
			return outcome{v, strings.Join(found[v], "; ")}
		}
	}
	return outcome{leftOut, strings.Join(found[leftOut], "; ")}
}

// maxFound bounds what a result says was found, in bytes.
const maxFound = 400

// clean makes text fit to be sent: printable, valid UTF-8, and not long.
func clean(text string, most int) string {
	text = strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, text)
	if len(text) <= most {
		return text
	}
	cut := most - len("…")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// maxSome is how many names are listed of many.
const maxSome = 5

// some lists a few of many.
func some(names []string) string {
	return someOf(names[:min(len(names), maxSome)], len(names))
}

// someOf lists the first of n.
func someOf(first []string, n int) string {
	s := strings.Join(first, ", ")
	if n > len(first) {
		s += fmt.Sprintf(" and %d more", n-len(first))
	}
	return s
}
