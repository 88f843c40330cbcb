package spool

// What tests of the package put in the place of a folder.
type (
	Disk = disk
	File = file
)

// OpenWith opens a spool on what open returns.
func OpenWith(open func() (Disk, error), maxBytes int64) (*Spool, error) {
	return newSpool(Options{Dir: "test", MaxBytes: maxBytes}, open)
}
