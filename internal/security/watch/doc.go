// Package watch makes security messages of what the hub itself sees of its
// devices: refused attempts to act as one. They go where the messages of the
// devices go, so that all that is known of a device has one order and one
// reader. It decides nothing about what it sees, and it bounds what a stranger
// can make the hub write by knocking at the door.
package watch
