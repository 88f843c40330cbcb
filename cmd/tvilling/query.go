package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

// queryOptions are the flags of query.
type queryOptions struct {
	limit   int
	explain bool
	follow  bool
	cursor  string
}

func newQueryCommand() *cobra.Command {
	var hub hubFlags
	var o queryOptions
	cmd := &cobra.Command{
		Use:   "query TEXT",
		Short: "Find and count twins with the IoT Hub query language, once or live",
		Long: `Find twins with the IoT Hub query language:

  SELECT [TOP n] * | field [AS name], COUNT() | AVG(field) ...
    FROM devices | devices.modules | devices JOIN devices.modules
    [WHERE condition] [GROUP BY field, ...] [ORDER BY field [DESC], ...]

A condition compares fields (=, !=, <, <=, >, >=, IN ['a', 'b'], LIKE 'a%'), asks
IS_DEFINED(field), and joins with AND, OR, NOT and parentheses. Texts stand in
single quotes, names with special characters in double brackets: tags.[[my-name]].
All of the language is in docs/query.md. The answer has what was acknowledged
before: it never lags.

Whole twins are printed as JSON, one a line; of anything else there is a table,
with --json JSON lines, too.

With --follow the query stays: first come all rows that there are (+), and then,
as it happens, rows that enter the result (+), change (~) or leave it (-). When
the connection is lost it goes on by itself, without a gap. It ends with Ctrl-C,
and tells the cursor with which --cursor goes on where it ended.

--explain tells how the hub answers a query, not what it finds.`,
		Example: `  tvilling query "SELECT deviceId FROM devices WHERE tags.site = 'lab'"
  tvilling query "SELECT tags.site, COUNT() AS devices FROM devices GROUP BY tags.site ORDER BY devices DESC"
  tvilling query "SELECT * FROM devices.modules WHERE moduleId = 'azureiotsecurity' AND connectionState = 'Connected'"
  tvilling query "SELECT deviceId, security.score FROM devices.modules WHERE security.state = 'unhealthy'" --follow`,
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			text := args[0]
			if o.follow {
				return pointOut(text, followQuery(cmd, c, hub.json, o, text))
			}
			if o.explain && !strings.EqualFold(firstWord(text), "EXPLAIN") {
				text = "EXPLAIN " + text
			}
			return pointOut(text, runQuery(cmd, c, hub.json, o.limit, text))
		}),
	}
	hub.add(cmd)
	f := cmd.Flags()
	f.IntVar(&o.limit, "limit", 0, "at most `n` rows, or with --follow events (default all)")
	f.BoolVar(&o.explain, "explain", false, "tell how the query is answered, and what that takes")
	f.BoolVar(&o.follow, "follow", false, "tell what enters, changes and leaves, until stopped")
	f.StringVar(&o.cursor, "cursor", "", "go on from this `cursor` of the same query (with --follow)")
	cmd.MarkFlagsMutuallyExclusive("explain", "follow")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		switch {
		case o.limit < 0:
			return usageError{errors.New("--limit must not be negative")}
		case o.cursor != "" && !o.follow:
			return usageError{errors.New("--cursor goes with --follow; pages of a query need none, since all rows are printed")}
		}
		return nil
	}
	return cmd
}

// firstWord returns the text up to the first white space.
func firstWord(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// runQuery prints the rows of a query, page by page.
func runQuery(cmd *cobra.Command, c *client.Client, asJSON bool, limit int, text string) error {
	explains := strings.EqualFold(firstWord(text), "EXPLAIN")
	table := rowTable{w: cmd.OutOrStdout()}
	continuation, n := "", 0
	for {
		page, err := c.QueryPage(cmd.Context(), text, 100, continuation)
		if err != nil {
			return errors.Join(table.flush(), err)
		}
		items := page.Items
		if limit > 0 {
			items = items[:min(len(items), limit-n)]
		}
		n += len(items)
		switch {
		case explains && !asJSON:
			err = printExplanation(cmd.OutOrStdout(), items)
		default:
			err = printRows(cmd.OutOrStdout(), &table, asJSON || page.Type == "Twin", items)
		}
		if err != nil {
			return err
		}
		if page.Damaged > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: %d twins left out: their stored bytes are damaged; the hub's log names them\n", page.Damaged)
		}
		if continuation = page.Continuation; continuation == "" {
			switch {
			case asJSON:
				return nil
			case n == 0:
				return noteNothing(cmd, c, "Nothing is found.", text)
			case table.empty:
				return noteNothing(cmd, c, counted(int64(n), "row")+" found, without a value in any column.", text)
			}
			return nil
		}
		if limit > 0 && n == limit {
			if !asJSON && isTerminal(cmd.ErrOrStderr()) {
				fmt.Fprintf(cmd.ErrOrStderr(), "There may be more than these %d rows; raise --limit, or leave it away for all.\n", n)
			}
			return nil
		}
	}
}

// printRows prints the rows of a page.
func printRows(w io.Writer, table *rowTable, asJSON bool, rows []json.RawMessage) error {
	if !asJSON {
		return table.add(rows)
	}
	for _, row := range rows {
		if err := writeJSON(w, row); err != nil {
			return err
		}
	}
	return nil
}
