// Package indicator holds lists of addresses, networks, domains and file
// hashes that are known to be bad, and says whether a value is on one. A list
// is a text with one indicator a line; [Read] makes a [Set] of it that does not
// change, is searched in constant time and needs little more memory than the
// indicators themselves. It opens no files and fetches nothing: who keeps the
// lists, and how they come to the hub, is somebody else's matter.
package indicator
