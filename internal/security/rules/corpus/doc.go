// Package corpus reads the examples that detections are measured with: events
// that a detection must find, and near misses that it must leave alone. It is
// for tests.
//
// A file NAME.txt has the examples of the detection NAME. Examples are parted
// by empty lines. The first line of one is "+" (must be found) or "-" (near
// miss) and what it is; each line behind is a field of the event by its name on
// the wire:
//
//	# what must be found
//	+ a renamed miner
//	Executable: /tmp/.x/kworker
//	CommandLine: /tmp/.x/kworker -o pool.example:3333 -a rx/0 -u wallet
//
// Event names the event, ProcessCreate if it is left out. ExtraDetails.NAME is a member of ExtraDetails. Fields that a
// valid item needs get ordinary values if they are left out; an Executable is
// taken from the first word of the CommandLine then. In a value "\n" is a line
// end and "\\" a backslash, where a value has "\n"; otherwise a value is taken
// as it stands. Lines that begin with "#" are remarks.
package corpus
