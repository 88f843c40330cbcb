package search

import "github.com/tvilling/tvilling"

// Split makes scans part what they look at.
func (s *Service) Split(f func(n int) []tvilling.Identity) { s.split = f }
