// Package registry keeps the identities of a hub: devices and modules, their
// credentials, status and etags, and the statistics over them. It makes the
// twin of every identity with it, and for every device the companion module
// that the hub is set to keep. It does not know what the companion is for, who
// may call, nor any wire.
package registry
