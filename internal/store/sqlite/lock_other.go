//go:build !unix

package sqlite

import "os"

// tryLock does nothing: the journal's own lock and SQLite's keep a second
// process out where there is no flock.
func tryLock(*os.File) error { return nil }

// unlock does nothing either.
func unlock(*os.File) error { return nil }
