package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

// printExplanation prints how a query is answered, a fact a line.
func printExplanation(w io.Writer, rows []json.RawMessage) error {
	for _, row := range rows {
		if err := printTree(w, "how the query is answered", row); err != nil {
			return err
		}
	}
	return nil
}

// noteNothing tells that a query finds nothing, and what may be the reason: a
// path that no twin can have.
func noteNothing(cmd *cobra.Command, c *client.Client, found, text string) error {
	strange, err := c.StrangePaths(cmd.Context(), text)
	if err != nil {
		return err
	}
	w := cmd.ErrOrStderr()
	if found != "" {
		fmt.Fprintln(w, found)
	}
	for _, path := range strange {
		first, _, inside := strings.Cut(path, ".")
		help := fmt.Sprintf("a text stands in quotes: '%s'", path)
		if inside {
			help = "tags are written tags.NAME, properties properties.desired.NAME and properties.reported.NAME"
		}
		wrap(w, "", fmt.Sprintf("note: twins have no member %s; %s.", shorten(oneLine(first), 60), shorten(oneLine(help), 100)))
	}
	return nil
}
