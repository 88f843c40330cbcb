// Package investigate answers what an investigator asks of stored security
// events: which events hold values like these, who can log in, which ports are
// open, who logged in from where, what ran, what a baseline found. It reads
// events one after the other and folds them in bounded memory; what it had to
// leave out it counts and says.
//
// It stores nothing, decides nothing, and knows no wire but the names that
// members have on it.
package investigate
