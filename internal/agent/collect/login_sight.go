//go:build linux

package collect

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Sight says which logs are read, or, before Run, which would be.
func (l *Logins) Sight() Sight {
	l.mu.Lock()
	defer l.mu.Unlock()
	var logs, journal, utmp bool
	trouble := map[string]error{}
	if l.running {
		journal = len(l.journals) > 0
		for name := range utmpLogs {
			utmp = utmp || l.tails[l.in(name)] != nil
		}
		logs = l.textOpen()
		maps.Copy(trouble, l.trouble)
	} else {
		probe := func(path string) bool {
			f, _, err := openTailed(path)
			if err == nil {
				f.Close()
			} else if !errors.Is(err, fs.ErrNotExist) {
				trouble[path] = err
			}
			return err == nil
		}
		for name := range utmpLogs {
			utmp = probe(l.in(name)) || utmp
		}
		for _, name := range append([]string{otherLog}, textLogs...) {
			logs = probe(l.in(name)) || logs
		}
		for _, name := range journalLogs {
			paths, err := filepath.Glob(l.in(name, "*", "system.journal"))
			for _, path := range paths {
				journal = (err == nil && probe(path)) || journal
			}
		}
	}
	audit := l.auditTells()
	var sources []string
	for _, s := range []struct {
		in   bool
		name string
	}{{journal, "journal"}, {logs, "auth log"}, {utmp, "btmp, wtmp"}, {audit, "audit"}} {
		if s.in {
			sources = append(sources, s.name)
		}
	}
	return describe(strings.Join(sources, ", "), logs || journal, utmp, audit, trouble)
}

// describe puts into words what is seen.
func describe(source string, text, utmp, audit bool, trouble map[string]error) Sight {
	s := Sight{Name: "logins", Extent: Full, Source: source}
	switch {
	case text:
	case audit:
		s.Extent = Partial
		s.Why = "There is no log of text: the port of a remote end is not known, and a client that only asks may be taken for one that failed."
	case utmp:
		s.Extent = Partial
		s.Why = "Only btmp and wtmp are there: they have no attempts with keys, and no sessions without a terminal."
	default:
		s.Extent = Nothing
		s.Why = "Nothing on this device tells of logins: there is no systemd journal, no authentication log, no btmp or wtmp, and the kernel does not audit."
	}
	if s.Why != "" {
		s.Remedy = "Run journald, or a syslog daemon that writes /var/log/auth.log, /var/log/secure or /var/log/messages."
	}
	if len(trouble) == 0 {
		return s
	}
	if s.Extent == Full {
		s.Extent = Partial
	}
	path := slices.Min(slices.Collect(maps.Keys(trouble)))
	why := "Cannot read " + path + " (" + reason(trouble[path]) + ")."
	if n := len(trouble) - 1; n > 0 {
		why = strings.TrimSuffix(why, ".") + " and other logs."
	}
	s.Why = strings.TrimSpace(s.Why + " " + why)
	if errors.Is(trouble[path], fs.ErrPermission) {
		s.Remedy = strings.TrimSpace("Run the agent as root, or with CAP_DAC_READ_SEARCH. " + s.Remedy)
	} else if s.Remedy == "" {
		s.Remedy = "See what is wrong with that file; it is read when its daemon begins another one."
	}
	return s
}

// reason is an error without the path, which is told already.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// textOpen reports whether a log of text is read.
func (l *Logins) textOpen() bool {
	for _, name := range append([]string{otherLog}, textLogs...) {
		if l.tails[l.in(name)] != nil {
			return true
		}
	}
	return false
}

// auditTells reports whether the audit system is heard and on. Who may not ask
// whether it is on is told of nothing by it.
func (l *Logins) auditTells() bool {
	if l.opt.NoAudit {
		return false
	}
	if !l.running {
		f, err := openAudit()
		if err != nil {
			return false
		}
		f.Close()
	} else if !l.audit {
		return false
	}
	on, err := auditEnabled()
	return on && err == nil
}
