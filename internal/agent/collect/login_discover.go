//go:build linux

package collect

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// The places of logs, below the root.
var (
	utmpLogs = map[string]bool{"var/log/btmp": true, "var/log/wtmp": false} // whether it has failures
	textLogs = []string{"var/log/auth.log", "var/log/secure"}
	// otherLog is what BusyBox and small systems write. It has all there is to
	// say, and is left alone where logins have a log of their own.
	otherLog    = "var/log/messages"
	journalLogs = []string{"run/log/journal", "var/log/journal"}
)

// discover opens what there is and is not open, and goes over to what took its
// place. The first time, what is there is followed from its end, or from where an
// earlier run was; what comes later is new, and read from its beginning. It returns
// whether it has to be called again when something is written: a file was not ready.
func (l *Logins) discover(first bool) (again bool) {
	for _, dir := range append([]string{"var/log", "run/log"}, journalLogs...) {
		l.watch(l.notify.folder(l.in(dir)), l.in(dir))
	}
	for name, failed := range utmpLogs {
		again = l.follow(name, first, &utmpReader{failed: failed, tell: l.tell}) || again
	}
	logs, found := textLogs, false
	for _, name := range textLogs {
		if _, err := os.Stat(l.in(name)); err == nil {
			found = true
		}
	}
	if !found {
		logs = []string{otherLog}
	}
	for _, name := range logs {
		again = l.follow(name, first, &lineReader{tell: l.tell, now: time.Now}) || again
	}
	for _, folder := range l.journalFolders() {
		again = l.followJournal(folder, first) || again
	}
	// With text to read, what says less waits for what says more.
	l.merge.instantly = len(l.journals) == 0 && !l.textOpen()
	return again
}

// watch notes whether something is watched.
func (l *Logins) watch(err error, path string) {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		delete(l.trouble, path)
		return
	}
	l.trouble[path] = err
}

// follow begins to follow a file, or goes over to the one that took its place.
func (l *Logins) follow(name string, first bool, format tailFormat) (again bool) {
	path := l.in(name)
	// What could not be read before has old things in it.
	fresh := !first && l.trouble[path] == nil
	l.watch(l.notify.file(path), path)
	if t := l.tails[path]; t != nil {
		_, err := t.rotated()
		if err != nil {
			l.trouble[path] = err // the file before is followed on
		}
		return err != nil
	}
	t := &tail{path: path, format: format}
	err := t.open(fresh)
	if p, ok := l.saved.Files[path]; ok && first && err == nil {
		err = t.resume(p)
	}
	if errors.Is(err, fs.ErrNotExist) {
		delete(l.trouble, path)
		return false
	}
	if err != nil {
		t.close()
		l.trouble[path] = err
		return false
	}
	delete(l.trouble, path)
	l.tails[path] = t
	return false
}

// journalFolders returns the folders that have a system journal: one for each
// machine's id.
func (l *Logins) journalFolders() []string {
	var folders []string
	for _, name := range journalLogs {
		entries, err := os.ReadDir(l.in(name))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				l.trouble[l.in(name)] = err
			}
			continue
		}
		for _, e := range entries {
			if folder := l.in(name, e.Name()); e.IsDir() && len(folders) < maxJournals {
				l.watch(l.notify.folder(folder), folder)
				folders = append(folders, folder)
			}
		}
	}
	return folders
}

func (l *Logins) followJournal(folder string, first bool) (again bool) {
	path := filepath.Join(folder, "system.journal")
	if _, err := os.Stat(path); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			l.trouble[path] = err
		}
		return false
	}
	l.watch(l.notify.file(path), path)
	if j := l.journals[folder]; j != nil {
		if _, err := j.rotated(); err != nil {
			l.trouble[path] = err
			return true // it is being made
		}
		if delete(l.trouble, path); j.file == nil {
			l.trouble[path] = errJournal
		}
		return false
	}
	j := &journalFollower{folder: folder, tell: l.tell, lost: func(n uint64, why string) { l.to.Lost(event.LoginKind, n, why) }}
	var from *journalPosition
	if p, ok := l.saved.Journals[folder]; ok && first {
		from, j.position = &p, p
		if err := j.archived(); err != nil {
			j.lost(1, "old journal unreadable")
		}
		p = j.position
	} else if !first {
		// What is older is not told, and what journald moved here from another
		// folder was read there.
		newest := journalPosition{Micros: l.begun.UnixMicro()}
		for _, other := range l.journals {
			if other.position.Micros > newest.Micros {
				newest.Micros = other.position.Micros
			}
		}
		from = &newest
	}
	if err := j.open(from); err != nil {
		j.close()
		l.trouble[path] = err
		return !errors.Is(err, fs.ErrPermission)
	}
	delete(l.trouble, path)
	l.journals[folder] = j
	return false
}
