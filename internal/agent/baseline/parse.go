package baseline

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"github.com/pelletier/go-toml/v2"

	"github.com/tvilling/tvilling"
)

// The limits of a file of checks.
const (
	maxFile   = 1 << 20 // bytes
	maxChecks = 2000
)

// header is the line that begins a check.
var header = regexp.MustCompile(`(?m)^[ \t]*\[\[[ \t]*check[ \t]*\]\]`)

// ParseTOML reads a file of checks; name is what errors call it. They are
// *[tvilling.Error] with the line and the reason.
func ParseTOML(name string, text []byte) ([]Check, error) {
	if len(text) > maxFile {
		return nil, refuse(name, 0, errors.New("the file is larger than 1 MiB; split it"))
	}
	var file struct {
		Check []Check `toml:"check"`
	}
	d := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, refuse(name, lineOf(err), reason(err))
	}
	headers := header.FindAllIndex(text, -1)
	for i := range file.Check {
		if err := file.Check[i].prepare(); err != nil {
			return nil, refuse(name, lineAt(text, headers, i, len(file.Check)), fmt.Errorf("check %q: %w", file.Check[i].ID, err))
		}
	}
	if err := unique(file.Check); err != nil {
		return nil, refuse(name, 0, err)
	}
	return file.Check, nil
}

// unique asks for at most maxChecks checks, with an id of its own each.
func unique(checks []Check) error {
	if len(checks) > maxChecks {
		return fmt.Errorf("there are %d checks; at most %d can be made", len(checks), maxChecks)
	}
	seen := make(map[string]bool, len(checks))
	for i := range checks {
		if seen[checks[i].ID] {
			return fmt.Errorf("two checks have the id %q", checks[i].ID)
		}
		seen[checks[i].ID] = true
	}
	return nil
}

func refuse(name string, line int, err error) error {
	if line > 0 {
		name = fmt.Sprintf("%s:%d", name, line)
	}
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read checks", Subject: name, Message: err.Error()}
}

// lineOf returns the line at which TOML is wrong, 0 if that is not known.
func lineOf(err error) int {
	if e, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(e.Errors) > 0 {
		line, _ := e.Errors[0].Position()
		return line
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := e.Position()
		return line
	}
	return 0
}

func reason(err error) error {
	if e, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(e.Errors) > 0 && len(e.Errors[0].Key()) > 0 {
		key := e.Errors[0].Key()
		return fmt.Errorf("%q is no word of the format here; docs/baseline.md has them all", key[len(key)-1])
	}
	return err
}

// lineAt returns the line of the i-th header, 0 if headers do not tell.
func lineAt(text []byte, headers [][]int, i, n int) int {
	if len(headers) != n {
		return 0
	}
	return 1 + bytes.Count(text[:headers[i][1]], []byte("\n"))
}
