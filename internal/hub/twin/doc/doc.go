// Package doc is the twin document: one section (tags, desired or reported
// properties) parsed strictly, held in a compact binary form, merged, stamped
// and written out again as JSON with the $metadata that its stamps give.
// It is pure: no clock, no input or output. (wire §2.2–§2.6)
package doc
