// Command bench measures a hub against the figures it is built for, beside
// what the machine allows (fsync rate, TLS floor) and beside systems that
// people would otherwise use, all in one run on one machine. It prints one
// JSON object a line for every figure, and a table at the end.
//
// It starts the hub as its own process from the tvilling command, as an
// operator would, and talks to it over TLS on the loopback interface. What it
// measures and how far to trust it is in docs/benchmarks.md.
package main
