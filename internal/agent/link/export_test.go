package link

import "fmt"

// Merge is merge for tests.
func Merge(doc, patch []byte) ([]byte, error) { return merge(doc, patch) }

// MaxSection is maxSection for tests.
const MaxSection = maxSection

// MaxDepth is maxDepth for tests.
const MaxDepth = maxDepth

// PauseForNetwork is pauseForNetwork for tests.
var PauseForNetwork = pauseForNetwork

// MergedAfter returns the version that a section has after n patches, with
// nobody to be told.
func MergedAfter(n int) int64 {
	s := &section{text: []byte(`{"$version":1}`), version: 1}
	for i := range n {
		s.patch(int64(i+2), fmt.Appendf(nil, `{"$version":%d}`, i+2))
	}
	return s.version
}
