package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// passwordSource is where a command has a password from: a terminal or a file,
// never its arguments, which other users of the machine can see.
type passwordSource struct{ file string }

func (s *passwordSource) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.file, "password-file", "", "`file` whose first line is the password; - for standard input")
	completesBy(cmd, "password-file", completeFiles)
}

func (s *passwordSource) read(cmd *cobra.Command, user string) (string, error) {
	switch s.file {
	case "":
		return askPassword(cmd, user)
	case "-":
		return firstLine(cmd.InOrStdin())
	}
	f, err := os.Open(s.file)
	if err != nil {
		return "", usageError{err}
	}
	password, err := firstLine(f)
	return password, errors.Join(err, f.Close())
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", usageError{errors.New("the first line, which is to be the password, is empty")}
	}
	return line, nil
}

// askPassword asks twice, and shows nothing of what is typed.
func askPassword(cmd *cobra.Command, user string) (string, error) {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", usageError{errors.New("the password is asked for on a terminal, and this is none: give --password-file, - for standard input")}
	}
	ask := func(question string) (string, error) {
		fmt.Fprint(cmd.ErrOrStderr(), question)
		b, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(cmd.ErrOrStderr())
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(b), nil
	}
	first, err := ask("Password of " + oneLine(user) + " (at least 12 characters): ")
	if err != nil {
		return "", err
	}
	again, err := ask("Again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two are not the same; nothing was changed")
	}
	return first, nil
}
