// Package settings turns the desired properties of the security module twin
// into what is in force in the agent, and that into reported properties. It
// speaks two dialects: the configuration object of the security agent with
// wrapped values (asc §2), and the flat properties of DefenderIotMicroAgent
// (asc §12.3). It is pure; the twin is somebody else's.
//
// A desired section is taken whole or refused whole. What was in force before
// stays in force when it is refused, or the defaults when nothing was.
package settings
