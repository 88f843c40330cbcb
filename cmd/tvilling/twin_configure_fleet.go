package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
)

const (
	// shownVariants and shownDevices bound what a preview shows.
	shownVariants, shownDevices = 10, 10
	// shownFailures bounds the failures that people are shown one by one.
	shownFailures = 20
)

// fleetChange is a change of many devices.
type fleetChange struct {
	*configurer
	found    []string // devices, as the query gives them
	changes  map[string]*agentChange
	variants map[string]*agentVariant
	same     int // devices that are so already
	failures int
	written  int
}

// fleet changes every device that a query finds.
func (w *configurer) fleet(where string) error {
	f := &fleetChange{configurer: w, changes: map[string]*agentChange{}, variants: map[string]*agentVariant{}}
	if err := f.find(where); err != nil {
		return err
	}
	if err := f.look(); err != nil {
		return err
	}
	if err := f.preview(); err != nil {
		return err
	}
	if len(f.changes) > 0 && !w.dryRun {
		if err := w.ask(w.cmd, fmt.Sprintf("Write this to %s?", counted(int64(len(f.changes)), "device"))); err != nil {
			return err
		}
		if err := f.writeAll(); err != nil {
			return err
		}
	}
	if len(f.found) > 0 {
		f.suggest(where)
	}
	if f.failures > 0 {
		return fmt.Errorf("%s failed; run the same command again to go on: what is done is not written twice", counted(int64(f.failures), "device"))
	}
	return nil
}

// isQuery reports whether a text is a whole query, and not a condition.
func isQuery(text string) bool {
	words := strings.Fields(text)
	return len(words) > 0 && strings.EqualFold(words[0], "SELECT")
}

// find collects the devices of a query, each once.
func (f *fleetChange) find(where string) error {
	text := where
	if !isQuery(text) {
		text = "SELECT deviceId FROM devices WHERE " + where
	}
	seen := map[string]bool{}
	for row, err := range f.client.Query(f.cmd.Context(), text, maxPage) {
		if err != nil {
			return pointOut(text, err)
		}
		var r struct{ DeviceID tvilling.DeviceID }
		if err := json.Unmarshal(row, &r); err != nil || r.DeviceID == "" {
			return usageError{fmt.Errorf("the rows of the query have no deviceId: SELECT deviceId, or give only the condition; the first is %s", shorten(oneLine(string(row)), 100))}
		}
		if id := string(r.DeviceID); !seen[id] {
			seen[id] = true
			f.found = append(f.found, id)
		}
	}
	if len(f.found) == 0 && !f.json {
		return noteNothing(f.cmd, f.client, "", text)
	}
	return nil
}

// look reads the twins of the devices found.
func (f *fleetChange) look() error {
	bar := newProgress(f.cmd.ErrOrStderr(), "looked at", len(f.found))
	return each(f.cmd.Context(), f.found, func(d string) (*agentChange, error) { return f.attempt(d, f.plan) }, func(n int, a *agentChange) error {
		bar.set(n)
		return f.keep(a)
	})
}

// attempt makes a failure of one device a change without a variant, so that it
// is told like everything else, in turn. Only the end of the command ends it.
func (f *fleetChange) attempt(d string, try func(tvilling.DeviceID) (*agentChange, error)) (*agentChange, error) {
	a, err := try(tvilling.DeviceID(d))
	if err == nil || f.cmd.Context().Err() != nil {
		return a, err
	}
	return &agentChange{device: tvilling.DeviceID(d), failure: err}, nil
}

// keep counts what a device needs.
func (f *fleetChange) keep(a *agentChange) error {
	if a.failure != nil {
		return f.fail(a)
	}
	if len(a.variant.edits) == 0 {
		f.same++
		return f.report(a, nil)
	}
	key := string(a.variant.patch) + fmt.Sprint(a.variant.edits, a.variant.warnings, a.variant.notes)
	if v := f.variants[key]; v != nil {
		a.variant = v
	} else {
		f.variants[key] = a.variant
	}
	a.variant.devices++
	f.changes[string(a.device)] = a
	if f.dryRun {
		return f.report(a, nil)
	}
	return nil
}

func (f *fleetChange) fail(a *agentChange) error {
	f.failures++
	if f.json || f.failures <= shownFailures {
		return f.failed(a.device, a.failure)
	}
	if f.failures == shownFailures+1 {
		fmt.Fprintln(f.cmd.ErrOrStderr(), "… further failures are only counted; --json tells all of them")
	}
	return nil
}

// preview shows what is to be done: what changes alike together.
func (f *fleetChange) preview() error {
	fmt.Fprintf(f.out, "%s found: %s to change, %s so already, %s could not be read\n", counted(int64(len(f.found)), "device"),
		thousands(int64(len(f.changes))), thousands(int64(f.same)), thousands(int64(f.failures)))
	variants := f.shown()
	slices.SortFunc(variants, func(a, b *agentVariant) int {
		return cmp.Or(cmp.Compare(b.devices, a.devices), strings.Compare(fmt.Sprint(a.edits), fmt.Sprint(b.edits)))
	})
	for i, v := range variants {
		if i == shownVariants {
			fmt.Fprintf(f.out, "\n… and %s more\n", counted(int64(len(variants)-i), "different change"))
			break
		}
		fmt.Fprintf(f.out, "\n%s\n", counted(int64(v.devices), "device"))
		if err := v.print(f.out); err != nil {
			return err
		}
	}
	var first []string
	for _, d := range f.found {
		if f.changes[d] != nil && len(first) < shownDevices {
			first = append(first, oneLine(d))
		}
	}
	if len(first) > 0 {
		fmt.Fprintf(f.out, "\nthe first of them: %s\n", strings.Join(first, ", "))
	}
	return nil
}

// shown returns the variants, those put together that look the same: what else is
// in the object that is sent makes no difference to who reads it.
func (f *fleetChange) shown() []*agentVariant {
	byLook := map[string]*agentVariant{}
	for _, v := range f.variants {
		look := fmt.Sprint(v.edits, v.warnings, v.notes)
		if byLook[look] == nil {
			byLook[look] = &agentVariant{edits: v.edits, warnings: v.warnings, notes: v.notes}
		}
		byLook[look].devices += v.devices
	}
	return slices.Collect(maps.Values(byLook))
}

// writeAll writes the changes, several at once.
func (f *fleetChange) writeAll() error {
	var list []string
	for _, d := range f.found {
		if f.changes[d] != nil {
			list = append(list, d)
		}
	}
	bar := newProgress(f.cmd.ErrOrStderr(), "written", len(list))
	err := each(f.cmd.Context(), list, func(d string) (*agentChange, error) {
		return f.attempt(d, func(tvilling.DeviceID) (*agentChange, error) { return f.writeOne(f.changes[d]) })
	}, func(n int, a *agentChange) error {
		bar.set(n)
		if a.failure != nil {
			return f.fail(a)
		}
		if a.twin != nil {
			f.written++
		}
		return f.report(a, a.twin)
	})
	fmt.Fprintf(f.out, "\n%s written\n", counted(int64(f.written), "device"))
	return err
}

// writeOne writes one change; a device that was changed meanwhile is looked at
// once more.
func (f *fleetChange) writeOne(a *agentChange) (*agentChange, error) {
	t, err := f.write(a)
	if tvilling.CodeOf(err) == tvilling.PreconditionFailed {
		if a, err = f.plan(a.device); err != nil {
			return nil, err
		}
		if len(a.variant.edits) == 0 {
			return a, nil
		}
		t, err = f.write(a)
	}
	if err != nil {
		return nil, err
	}
	done := *a
	done.twin = t
	return &done, nil
}

// suggest tells how the hub itself keeps devices so, those to come as well.
func (f *fleetChange) suggest(where string) {
	if f.json {
		return
	}
	target, note := targetOf(where)
	if target == "" {
		return
	}
	var set []string
	for _, s := range f.texts {
		set = append(set, "--agent "+quoteForShell(s))
	}
	fmt.Fprintf(f.out, "\nAn automatic configuration does this for devices to come as well:\n  tvilling config create NAME --target %s %s\n", quoteForShell(target), strings.Join(set, " "))
	if note != "" {
		wrap(f.out, "", note)
	}
}

var (
	fromModules = regexp.MustCompile(`(?i)\bFROM\s+devices\.modules\s+WHERE\s`)
	noTarget    = regexp.MustCompile(`(?i)\b(GROUP|ORDER)\s+BY\b|\bTOP\b`)
)

// targetOf makes a target condition for security modules of what a fleet was
// chosen by, with a word on what is different then; "" if there is none like it.
func targetOf(where string) (target, note string) {
	if !isQuery(where) {
		return agentTarget(where),
			"Its condition is about the security module's own twin and tags, not those of the device."
	}
	at := fromModules.FindStringIndex(where)
	if at == nil || noTarget.MatchString(where) {
		return "", ""
	}
	return where[at[0]:], ""
}

// quoteForShell writes a word so that a shell takes it as it is.
func quoteForShell(s string) string {
	s = oneLine(s)
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-=./:,", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
