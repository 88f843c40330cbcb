package app

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tvilling/tvilling/internal/security/indicator"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// lists are the indicator lists that rules name by placeholders. Each is made
// of all files NAME.txt and NAME.*.txt of the hub and of the operator's folder.
type lists struct {
	builtin, folder fs.FS
	log             *slog.Logger
	sets            atomic.Pointer[map[string]union]
}

// union is a list made of several files.
type union []*indicator.Set

// Contains reports whether one of the files has the value.
func (u union) Contains(value string) bool {
	for _, s := range u {
		if s.Contains(value) {
			return true
		}
	}
	return false
}

// named is a list by its name: what it has follows a reload.
type named struct {
	lists *lists
	name  string
}

// Contains reports whether the list as it is now has the value.
func (n named) Contains(value string) bool { return (*n.lists.sets.Load())[n.name].Contains(value) }

// openLists reads the lists.
func openLists(builtin, folder fs.FS, log *slog.Logger) (*lists, error) {
	l := &lists{builtin: builtin, folder: folder, log: log}
	return l, l.reload()
}

// reload reads all files again. The old lists stay if that fails.
func (l *lists) reload() error {
	sets := make(map[string]union)
	if err := l.read(l.builtin, sets); err != nil {
		return err
	}
	if l.folder != nil {
		if err := l.read(l.folder, sets); err != nil {
			return err
		}
	}
	l.sets.Store(&sets)
	return nil
}

func (l *lists) read(dir fs.FS, into map[string]union) error {
	files, err := fs.ReadDir(dir, ".")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a folder that is not there yet has no lists
	}
	if err != nil {
		return fmt.Errorf("read indicator lists: %w", err)
	}
	for _, f := range files {
		if f.IsDir() || path.Ext(f.Name()) != ".txt" {
			continue
		}
		b, err := fs.ReadFile(dir, f.Name())
		if err != nil {
			return fmt.Errorf("read indicator list: %w", err)
		}
		set, report, err := indicator.Read(bytes.NewReader(b))
		if err != nil {
			return fmt.Errorf("read indicator list %s: %w", f.Name(), err)
		}
		for _, bad := range report.First {
			l.log.Warn("line of an indicator list left out", "file", f.Name(), "line", bad.Line, "reason", bad.Reason)
		}
		if more := report.Bad - len(report.First); more > 0 {
			l.log.Warn("more lines of an indicator list left out", "file", f.Name(), "lines", more)
		}
		name, _, _ := strings.Cut(f.Name(), ".")
		into[name] = append(into[name], set)
	}
	return nil
}

// list returns the list of a name for a rule; false if no file makes it, so
// that a misspelt name is refused and not matched in vain.
func (l *lists) list(name string) (sigma.List, bool) {
	_, ok := (*l.sets.Load())[name]
	return named{l, name}, ok
}

// having returns the names of the lists that have a value, in order.
func (l *lists) having(value string) (names []string) {
	if value == "" {
		return nil
	}
	for name, u := range *l.sets.Load() {
		if u.Contains(value) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// sizes tells how many entries each list has.
func (l *lists) sizes(f func(name string, entries int)) {
	for name, u := range *l.sets.Load() {
		n := 0
		for _, s := range u {
			n += s.Len()
		}
		f(name, n)
	}
}
