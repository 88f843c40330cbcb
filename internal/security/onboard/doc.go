// Package onboard sees to it that every device has its security module: it
// holds the hub's security settings, gives the registry the companion rule
// that follows from them, and adopts the devices that were there before the
// rule was switched on. It does not read what the modules send.
package onboard
