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

// RetryNow is the passing of the time for which a disk that failed is left alone.
func (s *Spool) RetryNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble.freed()
}

// Newer returns a file as if it were of a newer version.
func Newer(data []byte) []byte {
	h, _ := parseHeader(data)
	h.version++
	return append(appendHeader(nil, h), data[headerSize:]...)
}
