package sigma

// The limits of one rule, and of a set of them.
const (
	MaxSelections     = 128     // named selections of a rule
	MaxItems          = 2_000   // field conditions of a rule
	MaxValues         = 10_000  // values of a rule, written out
	MaxValueBytes     = 4 << 10 // of one value
	MaxWildcards      = 64      // in one value
	MaxConditionBytes = 4 << 10
	MaxConditions     = 16      // in a list of conditions
	MaxNesting        = 32      // parentheses and nots in each other
	MaxRegexBytes     = 2 << 10 // of one regular expression
	MaxRegexCost      = 1_000   // instructions it is compiled to, about
	MaxRegexInput     = 8 << 10 // bytes of a value that a regular expression sees
	MaxRules          = 10_000  // in a set
	MaxLiteralBytes   = 4 << 20 // texts that a set looks for, together
	MaxMatches        = 32      // matches reported for one rule and record
)
