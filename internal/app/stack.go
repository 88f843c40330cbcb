package app

import (
	"errors"
	"slices"
)

// stack holds what to close, last opened first.
type stack struct {
	closers []func() error
}

func (s *stack) push(f func() error) { s.closers = append(s.closers, f) }

// run closes everything and returns all errors. A second run does nothing.
func (s *stack) run() error {
	var errs []error
	for _, f := range slices.Backward(s.closers) {
		errs = append(errs, f())
	}
	s.closers = nil
	return errors.Join(errs...)
}
