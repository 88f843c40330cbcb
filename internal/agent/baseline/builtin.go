package baseline

import (
	"embed"
	"path"
	"slices"

	"github.com/tvilling/tvilling"
)

//go:embed checks/*.toml
var files embed.FS

// Builtin returns the checks that the agent brings with it, in the order of
// their files. They are parsed at each call, so that they take no memory
// between two runs.
func Builtin() ([]Check, error) {
	entries, err := files.ReadDir("checks")
	if err != nil {
		return nil, tvilling.Errorf(tvilling.Internal, "list built-in checks: %w", err)
	}
	var all []Check
	for _, e := range entries {
		name := path.Join("checks", e.Name())
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, tvilling.Errorf(tvilling.Internal, "read built-in checks: %w", err)
		}
		checks, err := ParseTOML(name, text)
		if err != nil {
			return nil, err
		}
		all = append(all, checks...)
	}
	if err := unique(all); err != nil {
		return nil, refuse("checks", 0, err)
	}
	return all, nil
}

// Lookup returns the built-in check of an id, for its rationale and remedy,
// which are not sent. ok is false when there is none.
func Lookup(id string) (c Check, ok bool, err error) {
	all, err := Builtin()
	if err != nil {
		return Check{}, false, err
	}
	i := slices.IndexFunc(all, func(c Check) bool { return c.ID == id })
	if i < 0 {
		return Check{}, false, nil
	}
	return all[i], true, nil
}
