// Command static fails unless each program that it is given is an executable
// that a device can run as it comes: static, stripped, for the machine that its
// name says, and small. It reads the ELF file; nothing is run.
package main
