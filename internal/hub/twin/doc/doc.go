// Package doc is the twin document: one section (tags, desired or reported
// properties) parsed strictly, held in a compact binary form, merged, stamped
// and written out again as JSON with the $metadata that its stamps give.
// It is pure: no clock, no input or output. It knows neither whole twins nor
// their etags, nor who may write what; and it keeps no checksum, which is the
// store's business. (wire §2.2–§2.6)
//
// # The compact form
//
// A [Section] is, in this order, where every number is an unsigned varint
// unless it says otherwise:
//
//	format   1 byte, now 1
//	version  $version of the section
//	size     what the size limit counts (wire §2.5)
//	ticks    time of the last change in 100 ns since 0001-01-01; 0 = never written
//	table    its length in bytes, then:
//	           number of actors; per actor length and text; the first is the
//	           actor of the last change
//	           per stamp, up to the end of the table: how many members bear it
//	           (0 = a free place, and nothing follows); how many ticks and how
//	           many versions it is older than the last change; its actor
//	members  up to the end, in the order in which they were first written
//
// and a member is
//
//	key      length*2 + 1 if the key holds a quotation mark or a backslash
//	         (and so must be escaped), then the key, decoded
//	stamp    index into the table of stamps
//	value    length*8 + kind, then as many bytes: the JSON text of a number or
//	         an array, what stands between the quotation marks of a string, the
//	         members of an object, nothing for true and false
//
// Stamps are shared because one update stamps everything that it touches; a
// member then costs one byte for time, version and actor together, and members
// that an update does not touch are copied as they are.
package doc
