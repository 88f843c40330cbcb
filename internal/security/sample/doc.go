// Package sample makes security messages as a real fleet of Linux devices in
// ordinary operation would send them: for benchmarks, tests and simulators.
// Every message is new; what repeats is what repeats in a fleet: programs,
// accounts, open ports and firewall rules of one device, and the firmware that
// devices have in common. Equal seeds and calls make equal messages.
//
// Nothing in it is an attack: what a detection says about these messages is a
// false alert.
package sample
