//go:build !linux

package spool

import "os"

// noFollow is nothing where it cannot be asked for; plain files only are opened.
const noFollow = 0

// lock does nothing: the agent runs on Linux.
func lock(*os.File) error { return nil }
