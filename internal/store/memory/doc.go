// Package memory is a store that keeps a hub's records in maps. It is the
// reference that other stores are compared with and what unit tests of the hub
// run on. Nothing in it survives the process, so no hub is served from it.
package memory
