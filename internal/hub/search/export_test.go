package search

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Split makes scans part what they look at.
func (s *Service) Split(f func(kind state.Kind, n int) []tvilling.Identity) { s.split = f }
