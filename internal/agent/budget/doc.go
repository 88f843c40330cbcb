// Package budget keeps the agent within what its twin allows it: resident
// memory, a share of one core, bytes sent in a day. It measures and decides;
// what is left out when something is short, its callers choose.
//
// It has no goroutine: the owner calls Check every ten seconds or so. Where the
// agent has a cgroup of its own, the kernel is told of the limits, too.
package budget
