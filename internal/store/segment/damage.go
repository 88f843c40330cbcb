package segment

import (
	"fmt"
	"path/filepath"

	"github.com/tvilling/tvilling"
)

// Damage is a place in a log whose bytes do not match their checksum. It is
// the cause of the errors of code Corrupt that a log returns.
type Damage struct {
	// File is the path of the segment file, Offset the place in it.
	File   string
	Offset int64
	// First and Last are the sequences of the records that are lost there.
	// First is greater than Last when no record is.
	First, Last uint64
	// Reason is short, lower case: "payload does not match its checksum".
	Reason string
	// Err is the error of the file system, if there was one.
	Err error
}

const (
	reasonPayload = "payload does not match its checksum"
	reasonGap     = "no record where one must be"
	reasonEnd     = "the file ends before its last record"
	reasonFile    = "the file cannot be opened"
)

// Error describes the damage in one line.
func (d *Damage) Error() string {
	s := fmt.Sprintf("%s: offset %d: %s", d.File, d.Offset, d.Reason)
	if d.Err != nil {
		s += ": " + d.Err.Error()
	}
	return s
}

// Unwrap returns the error of the file system, if there was one.
func (d *Damage) Unwrap() error { return d.Err }

// corrupt returns the error that tells a reader of d.
func corrupt(d *Damage) *tvilling.Error {
	text := fmt.Sprintf("Record %d cannot be read; the records before and after it are not affected.", d.First)
	if d.Last > d.First {
		text = fmt.Sprintf("The records %d to %d cannot be read; the ones before and after them are not affected.", d.First, d.Last)
	}
	return &tvilling.Error{
		Code:    tvilling.Corrupt,
		Op:      "read log",
		Subject: filepath.Base(d.File),
		Message: text,
		Err:     d,
	}
}
