// Package follow reads the journal of the hub and has assessed what changed in
// it: credentials, the agent's desired and reported configuration, devices that
// came and went. Whatever a change says, it is the present state that is looked
// at, so that a change may be seen twice, or be lost with an old journal, and
// the outcome is the same; what follows from changes is committed in one
// transaction with how far the journal was read. It judges nothing itself.
package follow
