//go:build linux

// Command tvilling-agent is the security agent of a Linux device.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/tvilling/tvilling"
)

// command is one command of the agent.
type command struct {
	name, short, long, example string
	flags                      func(*flag.FlagSet)
	// args says what follows the flags, "" for nothing.
	args string
	run  func(ctx context.Context, io stdio, args []string) error
}

// stdio is what a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// commands are those there are, in the order of help. Each call makes new ones,
// with flags of their own.
func commands() []*command {
	return []*command{newRun(), newOnce(), newStatus(), newCheck(), newBaseline(), newEnroll(), newVersion()}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, stdio{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// usageError is a mistake in how the program was called.
type usageError struct{ error }

// run runs a command line and returns the exit code: 1 for a failure, 2 for a
// mistake in the line.
func run(ctx context.Context, s stdio, args []string) int {
	if len(args) == 0 {
		help(s.err)
		return 2
	}
	name := args[0]
	if name == "help" || name == "-h" || name == "--help" {
		if len(args) > 1 && name == "help" {
			args = []string{args[1], "--help"}
			name = args[0]
		} else {
			help(s.out)
			return 0
		}
	}
	for _, c := range commands() {
		if c.name == name {
			return c.call(ctx, s, args[1:])
		}
	}
	fmt.Fprintf(s.err, "tvilling-agent: there is no command %q; see tvilling-agent help\n", name)
	return 2
}

func (c *command) call(ctx context.Context, s stdio, args []string) int {
	f := flag.NewFlagSet(c.name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	if c.flags != nil {
		c.flags(f)
	}
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help(s.out, f)
		return 0
	case err != nil:
		err = usageError{err}
	case c.args == "" && f.NArg() > 0:
		err = usageError{fmt.Errorf("nothing can follow the flags, but %q does", f.Arg(0))}
	default:
		err = c.run(ctx, s, f.Args())
	}
	if err == nil {
		return 0
	}
	fmt.Fprintf(s.err, "tvilling-agent %s: %s\n", c.name, printable(describe(err)))
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(s.err, "See tvilling-agent %s --help\n", c.name)
		return 2
	}
	return 1
}

// describe says what went wrong, for people: the message and its cause.
func describe(err error) string {
	if e, ok := errors.AsType[*tvilling.Error](err); ok && e.Message != "" {
		text := e.Message
		if e.Subject != "" {
			text = e.Subject + ": " + text
		}
		if e.Err != nil {
			text += " (" + e.Err.Error() + ")"
		}
		return text
	}
	return err.Error()
}

func help(w io.Writer) {
	fmt.Fprint(w, `The security agent of a Linux device. It follows the device's security module
twin in a Tvilling hub or an IoT Hub, and sends what it sees as security messages.

Usage: tvilling-agent COMMAND [flags]

`)
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.short)
	}
	fmt.Fprint(w, "\nEvery command has --help with an example.\n")
}

func (c *command) help(w io.Writer, f *flag.FlagSet) {
	usage := "tvilling-agent " + c.name + " [flags]"
	if c.args != "" {
		usage += " " + c.args
	}
	fmt.Fprintf(w, "%s\n\nUsage: %s\n\nExample:\n%s\n", strings.TrimSpace(c.long), usage, c.example)
	headed := false
	f.VisitAll(func(g *flag.Flag) {
		if !headed {
			fmt.Fprint(w, "\nFlags:\n")
			headed = true
		}
		kind, text := flag.UnquoteUsage(g)
		if kind != "" {
			kind = " " + kind
		}
		fmt.Fprintf(w, "  --%-22s %s", g.Name+kind, text)
		if g.DefValue != "" && g.DefValue != "false" && g.DefValue != "0s" && g.DefValue != "0" {
			fmt.Fprintf(w, " (default %s)", g.DefValue)
		}
		fmt.Fprintln(w)
	})
}
