package main

import (
	"errors"
	"fmt"
	"iter"

	"github.com/spf13/cobra"
)

// listing is how much of a list is wanted.
type listing struct{ top int }

// maxPage is the largest page that the hub gives.
const maxPage = 1000

func (l *listing) add(cmd *cobra.Command, top int, what string) {
	cmd.Flags().IntVar(&l.top, "top", top, "at most `n` "+what+"; 0 for all")
}

func (l *listing) check() error {
	if l.top < 0 {
		return usageError{errors.New("--top must not be negative")}
	}
	return nil
}

// page is how many to ask the hub for at once: one more than is wanted tells
// whether there is more.
func (l *listing) page() int {
	if l.top == 0 {
		return maxPage
	}
	return min(l.top+1, maxPage)
}

// columnsOf says how the records of a list are printed.
type columnsOf[T any] struct {
	names []string
	cells func(*T) []any
	// raw is the record for programs.
	raw func(*T) any
}

// printList prints a list as far as it is wanted, record by record while it
// comes, and tells when there is more.
func printList[T any](cmd *cobra.Command, hub *hubFlags, l listing, list iter.Seq2[*T, error], c columnsOf[T]) error {
	p := newPrinter(cmd.OutOrStdout(), hub.json, c.names...)
	n := 0
	for v, err := range list {
		if err != nil {
			return errors.Join(p.flush(), err)
		}
		if n == l.top && l.top > 0 {
			if err := p.flush(); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "There are more than these %d; give --top 0 for all, or narrow the list (--help).\n", n)
			return nil
		}
		n++
		var cells []any
		if !hub.json {
			cells = c.cells(v)
		}
		if err := p.row(c.raw(v), cells...); err != nil {
			return err
		}
	}
	return p.flush()
}

// slice makes a list that came whole into one that printList takes.
func slice[T any](list []*T) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}
