// Package identity knows who the agent is: it reads the local configuration,
// those of the original agents too, and has the credential with which the
// security module connects. With a device's credential it asks the hub for the
// key of the module first (asc §5.1); enrolment does that once and keeps the key.
//
// It does not connect the module (package link does), and nothing in it can be
// set by the twin.
package identity
