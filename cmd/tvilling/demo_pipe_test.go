package main

import (
	"os"
	"testing"
)

// TestReaderHasGone: a demo learns from its output, and from nothing else, that
// nobody reads any more.
func TestReaderHasGone(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	gone := 0
	out := watchedWriter{w, func() { gone++ }}
	if _, err := out.Write([]byte("x")); err != nil || gone != 0 {
		t.Fatalf("somebody reads: %v, gone %d", err, gone)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write([]byte("x")); err == nil || gone != 1 {
		t.Errorf("nobody reads: %v, gone %d", err, gone)
	}
}
