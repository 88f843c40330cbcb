// Package rulefile reads the YAML of detection rules into the nodes of package
// sigma, each with its line and column. It takes the part of YAML that rules
// are written in: maps with text keys, lists, scalars, several documents.
// Anchors, aliases, tags, merge keys, directives and duplicate keys are
// refused, and so is anything too large or too deep, before it costs memory or
// time. It does not know what a rule means.
package rulefile
