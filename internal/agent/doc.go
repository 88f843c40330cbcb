// Package agent is the security agent of a Linux device. It follows the
// security module twin, runs the collectors that the twin asks for, keeps what
// they observe in a spool until the hub has it, and stays within the budget
// that the twin sets.
//
// The parts are packages of their own: settings reads the twin, collect and
// baseline observe, aggregate and spool keep, link speaks to the hub, budget
// bounds. This package has the one loop that joins them, and what people ask
// of a running agent.
package agent
