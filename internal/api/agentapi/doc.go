// Package agentapi gives out the security agent: a script that installs it and
// connects a device, and the programs themselves, for whoever can reach the
// hub. Nothing in it is secret; a device's credential comes from elsewhere.
//
// The programs are files in a folder: tvilling-agent-linux-amd64, -arm64 and
// -armv7, and tvilling-agent for the machine's own kind.
package agentapi
