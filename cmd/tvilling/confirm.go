package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// consent is how a command comes to the permission to write what it has shown.
type consent struct {
	yes    bool
	dryRun bool
}

func (c *consent) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVarP(&c.yes, "yes", "y", false, "write without asking")
	f.BoolVar(&c.dryRun, "dry-run", false, "show what would be written, and write nothing")
	cmd.MarkFlagsMutuallyExclusive("yes", "dry-run")
}

// ask asks whether to go on; the error says why not. It asks only where there
// is somebody to answer.
func (c *consent) ask(cmd *cobra.Command, question string) error {
	if c.yes {
		return nil
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !isTerminal(in) {
		return usageError{errors.New("this asks before it writes, and its input is no terminal: see what it would do with --dry-run, then give --yes")}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", question)
	yes, err := readYes(in)
	if err == nil && !yes {
		err = errors.New("not confirmed; nothing was written")
	}
	return err
}

// readYes reads the answer to a question; anything but yes is no.
func readYes(r io.Reader) (bool, error) {
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	line = strings.ToLower(strings.TrimSpace(line))
	return line == "y" || line == "yes", nil
}
