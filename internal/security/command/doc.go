// Package command reads the command line of a process as a shell would and
// says what it runs: the simple commands with quotes, paths, wrappers (sudo,
// env, nohup, timeout, busybox, "sh -c" …) and simple encodings taken off, in
// one spelling, so that a detection asks for a behaviour and not for one of
// the hundred ways to write it.
//
// Agents differ in how they make a command line of an argument vector: some
// keep the quotes, most join the arguments with blanks. Both are read. The
// package never expands variables, opens files or runs anything, and it is no
// judge: it says what a line does, rules say whether that is bad.
package command
