// Package recommend says what is weak about a device and how to mend it. A
// recommendation is active until new evidence shows that it is mended: a
// snapshot, a report, a message, a change of credentials. Everything is judged
// by what is so now and not by what changed, so that evidence may come twice
// and a recommendation is written only when its facts change. It mends nothing
// itself; where a change of desired properties would, it has that change ready.
package recommend
