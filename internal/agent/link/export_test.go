package link

// Merge is merge for tests.
func Merge(doc, patch []byte) ([]byte, error) { return merge(doc, patch) }

// MaxSection is maxSection for tests.
const MaxSection = maxSection

// MaxDepth is maxDepth for tests.
const MaxDepth = maxDepth

// PauseForNetwork is pauseForNetwork for tests.
var PauseForNetwork = pauseForNetwork
