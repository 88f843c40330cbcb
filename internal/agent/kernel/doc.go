// Package kernel tells of processes and connections as the Linux kernel sees
// them, by the best means that this kernel and these rights allow: eBPF
// programs on raw tracepoints, the proc connector, or looking at /proc again
// and again. It knows nothing of security events; package collect makes those.
package kernel
