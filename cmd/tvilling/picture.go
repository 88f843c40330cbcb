package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// eighths are the ends of bars.
var eighths = []rune("▏▎▍▌▋▊▉█")

// bar is a bar for n where the longest one, of width characters, is for most.
// Only nothing has none.
func bar(n, most int64, width int) string {
	if n <= 0 || most <= 0 {
		return ""
	}
	parts := max(1, int(float64(min(n, most))/float64(most)*float64(8*width)+0.5))
	s := strings.Repeat("█", parts/8)
	if rest := parts % 8; rest > 0 {
		s += string(eighths[rest-1])
	}
	return s
}

// barWidth is how long the longest bar of a picture is.
const barWidth = 30

// count is a line of a picture of numbers.
type count struct {
	name  string
	n     int64
	extra string
}

// printBars writes numbers with a bar for each.
func printBars(w io.Writer, title string, counts []count) error {
	var most int64
	for _, c := range counts {
		most = max(most, c.n)
	}
	fmt.Fprintln(w, title)
	p := newPrinter(w, false)
	for _, c := range counts {
		if err := p.row(nil, "  "+c.name, thousands(c.n), bar(c.n, most, barWidth)+c.extra); err != nil {
			return err
		}
	}
	return p.flush()
}

// thousands is a number with its digits in groups of three.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	var parts []string
	for len(s) > 3 {
		parts = append([]string{s[len(s)-3:]}, parts...)
		s = s[:len(s)-3]
	}
	return sign + strings.Join(append([]string{s}, parts...), ",")
}

// lineWidth is how long lines of running text get.
const lineWidth = 100

// wrap writes a paragraph, each line of it after an indent, further lines a bit
// more so that paragraphs can be told apart. A longer word stays whole, so that
// it can be copied.
func wrap(w io.Writer, indent, text string) {
	line, first := indent, true
	for word := range strings.FieldsSeq(text) {
		if !first && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > lineWidth {
			fmt.Fprintln(w, line)
			line, first = indent+"  ", true
		}
		if !first {
			line += " "
		}
		line += word
		first = false
	}
	if !first {
		fmt.Fprintln(w, line)
	}
}
