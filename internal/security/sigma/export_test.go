package sigma

// What the test of folding looks at.
var (
	FoldRune = foldRune
	Orbit    = orbit
)
