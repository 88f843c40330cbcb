// Package baseline makes the checks of the OS baseline: is this Linux device
// set up the way that is known to be safe? A [Check] has a text for people and
// a [Test], written in TOML; docs/baseline.md is the format's manual. [Builtin]
// are the checks that the agent brings with it, [LoadCustom] reads those of an
// owner, in the same format or in the XML of the original agent. [Run] makes
// them.
//
// The package reads files and the kernel's tables and nothing else: it starts
// no program, changes nothing, and never leaves the root that it is given. It
// does not know when checks are due, nor how results are sent.
package baseline
