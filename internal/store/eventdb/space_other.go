//go:build !linux && !darwin && !freebsd

package eventdb

// freeBytes is not known here.
func freeBytes(string) (bytes uint64, ok bool) { return 0, false }
