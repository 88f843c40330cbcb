package schema

import "time"

// The limits of a security message. The hub itself takes no message above
// MaxBody; the others are chosen so that no agent that sends what it saw can
// reach them within MaxBody: the smallest event with all its members has more
// than 200 bytes, the smallest item that says anything more than 32.
const (
	// MaxBody bounds the body, in bytes.
	MaxBody = 262144
	// MaxDepth bounds how many objects and arrays are open at a time. An item's
	// ExtraDetails are at depth 6.
	MaxDepth = 32
	// MaxEvents bounds the events of a message.
	MaxEvents = 1500
	// MaxItems bounds the payload items of all events of a message together.
	MaxItems = 8192
	// MaxDetails bounds the ExtraDetails of one item.
	MaxDetails = 128
	// MaxText bounds a text of an item, in bytes: the longest argument that
	// Linux lets a program have.
	MaxText = 128 << 10
	// MaxName bounds everything else that is text, in bytes: the names of
	// events and of ExtraDetails, ids, versions, time stamps.
	MaxName = 256
)

// How far the clock of a device may be off for its time to be believed.
const (
	MaxAhead  = 10 * time.Minute
	MaxBehind = 30 * 24 * time.Hour
)
