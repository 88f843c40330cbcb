package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/client"
)

// point is a flag's value: a moment in the history of a twin.
type point struct {
	client.TwinPoint
	now bool
}

const pointHelp = "a point is a version of the twin (7), a time (2026-01-31, \"2026-01-31 14:30\" local, 2026-01-31T14:30:00Z), a place in the journal (sequence:99), or now"

// Set reads a point.
func (p *point) Set(s string) error {
	*p = point{}
	if s == "now" {
		p.now = true
		return nil
	}
	var err error
	if place, ok := strings.CutPrefix(s, "sequence:"); ok {
		p.Sequence, err = strconv.ParseUint(place, 10, 64)
		if err == nil && p.Sequence > 0 {
			return nil
		}
	} else if p.Version, err = strconv.ParseInt(s, 10, 64); err == nil && p.Version > 0 {
		return nil
	} else {
		p.Version = 0
		var m moment
		if err = m.Set(s); err == nil {
			p.Time = m.Time
			return nil
		}
	}
	return errors.New(pointHelp)
}

// String is the point as the hub reads it.
func (p *point) String() string {
	switch {
	case p.now:
		return "now"
	case p.Version > 0:
		return strconv.FormatInt(p.Version, 10)
	case p.Sequence > 0:
		return "sequence:" + strconv.FormatUint(p.Sequence, 10)
	case !p.Time.IsZero():
		return p.Time.UTC().Format(time.RFC3339Nano)
	}
	return ""
}

// Type is for the help.
func (*point) Type() string { return "point" }
