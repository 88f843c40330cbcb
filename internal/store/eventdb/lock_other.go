//go:build !unix

package eventdb

import "os"

// tryLock does nothing: where there is no flock, nothing but its owner keeps a
// second process out of the directory.
func tryLock(*os.File) error { return nil }

// unlock does nothing either.
func unlock(*os.File) error { return nil }
