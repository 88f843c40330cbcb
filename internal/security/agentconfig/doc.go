// Package agentconfig knows the configuration object of the security agent:
// which properties it has, of what type, with what default and limits; what is
// in force when an operator asks for something; how that compares with what an
// agent reports; and what is unwise about it. It is pure: JSON goes in and
// comes out, twins are somebody else's.
//
// The object is the value of the member [Object] in the desired and reported
// properties of the security module twin. Each property is an object with the
// single member "value".
package agentconfig
