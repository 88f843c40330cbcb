// Package fleet has the figures of a whole fleet: how its devices stand, what
// is open, what is frequent, how its agents do, what passes through the hub, and
// how that was before.
//
// Figures cost reads of indexes over all devices, so they are made in the
// background, for all who ask together, and only while somebody does. What is
// to be seen later than now, score and states by the hour, is kept in the
// ledger.
package fleet
