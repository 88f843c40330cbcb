package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

// eventPrinter prints events and knows how far it is.
type eventPrinter struct {
	w      io.Writer
	asJSON bool
	last   string // the position of the newest one printed
}

func (p *eventPrinter) print(e *client.Event) error {
	p.last = e.Position
	if p.asJSON {
		return writeJSON(p.w, e.Raw)
	}
	printEvent(p.w, e)
	return nil
}

// tail prints the newest events in the order in which they came. earlier says
// that there are others before them.
func (p *eventPrinter) tail(c *client.Client, cmd *cobra.Command, f client.EventFilter, l listing) (earlier bool, err error) {
	var newest []*client.Event
	for e, err := range c.Events(cmd.Context(), f, client.Paging{PageSize: l.page()}, true) {
		if err != nil {
			return false, err
		}
		if len(newest) == l.top {
			earlier = true
			break
		}
		newest = append(newest, e)
	}
	for _, e := range slices.Backward(newest) {
		if err := p.print(e); err != nil {
			return false, err
		}
	}
	return earlier, nil
}

func rawEvent(e *client.Event) json.RawMessage { return e.Raw }

// maxItems is how many items of a payload are shown to people; a snapshot may
// have hundreds.
const maxItems = 10

// printEvent writes a line for each item of an event.
func printEvent(w io.Writer, e *client.Event) {
	head := fmt.Sprintf("%s  %s  %s", when(e.Time), oneLine(string(e.Device)), oneLine(e.Name))
	var items []json.RawMessage
	if err := json.Unmarshal(e.Payload, &items); err != nil || len(items) == 0 {
		note := "(nothing)"
		if err != nil {
			note = quoted(string(e.Payload))
		}
		fmt.Fprintf(w, "%s  %s\n", head, note)
		return
	}
	for _, item := range items[:min(len(items), maxItems)] {
		fmt.Fprintf(w, "%s  %s\n", head, itemText(item))
	}
	if more := len(items) - maxItems; more > 0 {
		fmt.Fprintf(w, "%s  (%d more items; --json has them)\n", head, more)
	}
}

// itemText is an item of a payload on one line.
func itemText(item json.RawMessage) string {
	leaves, err := leavesOf("", item)
	if err != nil {
		return quoted(string(item))
	}
	var list []string
	for _, l := range leaves {
		value := oneLine(shorten(l.value, 200))
		if value == "" || value != l.value || strings.ContainsAny(value, " \"=") {
			value = strconv.Quote(shorten(l.value, 200))
		}
		list = append(list, oneLine(shorten(l.path, 80))+"="+value)
	}
	return strings.Join(list, " ")
}
