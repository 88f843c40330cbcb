package segment

// Drop deletes the files whose records are all older than the sequence
// before, oldest first, durably. The active file stays, whatever it holds.
// When a file cannot be deleted it stays part of the log, with all newer ones.
func (l *Log) Drop(before uint64) error {
	l.dropping.Lock()
	defer l.dropping.Unlock()
	for {
		f, err := l.dropFirst(before)
		if err != nil || f == nil {
			return err
		}
		if err := l.fs.Remove(f.path); err != nil {
			l.mu.Lock()
			l.files = append([]*file{f}, l.files...)
			l.bytes += f.size
			l.mu.Unlock()
			return l.failed("drop segment", err)
		}
		// One by one, so that no crash brings an old file back without the
		// ones between.
		if err := l.fs.SyncDir(l.dir); err != nil {
			return l.failed("drop segment", err)
		}
	}
}

// dropFirst takes the oldest file off the list if it may be deleted.
func (l *Log) dropFirst(before uint64) (*file, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed(l.dir)
	}
	if len(l.files) < 2 || l.lastOf(0) >= before {
		return nil, nil
	}
	f := l.files[0]
	l.files = l.files[1:]
	l.bytes -= f.size
	return f, nil
}
