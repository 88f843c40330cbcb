// Package collect observes a Linux device: one file per collector, each of
// which turns what the kernel or a file says into the typed events of package
// event. Collectors read; they start no programs and change nothing.
//
// There are two sorts. A [Watcher] runs and tells of what happens: processes,
// connections, logins. A [Snapshot] is asked, and returns all there is now:
// listening ports, users, the firewall's rules. What a collector can see here,
// by what means, and why not more, is its [Sight].
package collect
