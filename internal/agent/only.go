//go:build linux

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/tvilling/tvilling"
)

const (
	// onlyWait is how long an agent waits for the one before it to end, onlyGap
	// how long between two looks.
	onlyWait = 5 * time.Second
	onlyGap  = 100 * time.Millisecond
)

// theOnlyOne is onlyOne, but waits for an agent that is about to end.
func theOnlyOne(ctx context.Context, dir string) (*os.File, error) {
	for end := time.Now().Add(onlyWait); ; {
		f, err := onlyOne(dir)
		if err == nil || time.Now().After(end) || !pause(ctx, onlyGap) {
			return f, err
		}
	}
}

// onlyOne takes a state directory for this agent until what it returns is
// closed: two agents with one identity would push each other aside for good. A
// folder that cannot be made or opened keeps nobody else out, and returns nil.
func onlyOne(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil //nolint:nilerr,nilnil // the spool says what is wrong with it
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // as above
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(&tvilling.Error{
			Code: tvilling.Unavailable, Op: "run", Subject: dir,
			Message: "Another agent runs with this state directory. Stop that one, or give this one another with --state-directory.",
		}, f.Close())
	}
	return f, nil
}

// release lets another agent run.
func release(f *os.File) error {
	if f == nil {
		return nil
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("release the state directory: %w", err)
	}
	return nil
}
