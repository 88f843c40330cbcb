package sigma

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkRegex says in a full sentence why an expression is not taken, "" if it is.
func checkRegex(expr string, flags syntax.Flags) string {
	if len(expr) > MaxRegexBytes {
		return fmt.Sprintf("A regular expression has %d bytes; at most %d are read.", len(expr), MaxRegexBytes)
	}
	if expr == "" {
		return "An empty regular expression is in every value; leave it out."
	}
	re, err := syntax.Parse(expr, flags)
	if err != nil {
		return explainRegex(expr, err)
	}
	if cost := regexCost(re); cost > MaxRegexCost {
		return fmt.Sprintf("The regular expression becomes about %d instructions; at most %d are taken. Repetitions of repetitions and large counts are what makes it long.", cost, MaxRegexCost)
	}
	return ""
}

// foreign are constructs of other flavours of regular expression, by how they begin.
var foreign = []struct{ text, name string }{
	{"(?=", "look-ahead"},
	{"(?!", "negative look-ahead"},
	{"(?<=", "look-behind"},
	{"(?<!", "negative look-behind"},
	{"(?>", "an atomic group"},
	{"(?(", "a conditional group"},
	{"(?#", "a comment"},
	{"(?|", "a branch reset"},
	{"(?R)", "recursion"},
	{"(?&", "a subroutine call"},
	{`\K`, "a reset of the match"},
	{`\G`, "an anchor at the last match"},
	{`\R`, "a line break of any kind"},
	{`\h`, "a class of horizontal space"},
	{`\k<`, "a back-reference"},
}

func explainRegex(expr string, err error) string {
	const flavour = "Regular expressions are those of RE2, which are matched in time linear to the value"
	e, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return "The regular expression cannot be read."
	}
	for _, f := range foreign {
		if strings.Contains(e.Expr, f.text) || e.Code == syntax.ErrMissingParen && strings.Contains(expr, f.text) {
			return fmt.Sprintf("The regular expression has %s (%s), which is not available. %s; say it with a second selection and not.", f.name, f.text, flavour)
		}
	}
	if e.Code == syntax.ErrInvalidEscape && len(e.Expr) == 2 && e.Expr[1] >= '1' && e.Expr[1] <= '9' {
		return fmt.Sprintf("The regular expression has a back-reference (%s), which is not available. %s.", e.Expr, flavour)
	}
	if e.Code == syntax.ErrInvalidRepeatOp && strings.HasSuffix(e.Expr, "+") {
		return fmt.Sprintf("The regular expression has a possessive quantifier (%s), which is not available. %s; an ordinary one does.", e.Expr, flavour)
	}
	return fmt.Sprintf("The regular expression cannot be read: %s at %s. %s.", e.Code, show(e.Expr), flavour)
}

// regexCost estimates how many instructions an expression is compiled to,
// without writing its repetitions out.
func regexCost(re *syntax.Regexp) int {
	const enough = 1 << 20
	cost := 1
	switch re.Op {
	case syntax.OpLiteral:
		cost = len(re.Rune)
	case syntax.OpCharClass:
		cost = 1 + len(re.Rune)/16
	default:
	}
	for _, sub := range re.Sub {
		cost = min(cost+regexCost(sub), enough)
	}
	if re.Op == syntax.OpRepeat {
		cost *= max(re.Min, re.Max, 1) + 1
	}
	return min(cost, enough)
}

// maxAlternatives bounds the texts of which one is required.
const maxAlternatives = 64

// maxNeeds bounds the lists of texts that are required.
const maxNeeds = 4

// required returns lists of texts, folded: every value that the expression
// matches contains at least one text of each list. The first list is of the
// longest texts; there is none if none is easy to see.
func required(re *syntax.Regexp) [][]string {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass:
		if s, ok := fixed(re); ok {
			return [][]string{{s}}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			one := required(sub)
			if len(one) == 0 || len(all)+len(one[0]) > maxAlternatives {
				return nil
			}
			all = append(all, one[0]...)
		}
		return [][]string{all}
	case syntax.OpConcat:
		return requiredOfConcat(re.Sub)
	default:
	}
	return nil
}

// requiredOfConcat takes the parts whose shortest texts are longest;
// neighbouring texts count as one. What is short is in most values anyway.
func requiredOfConcat(subs []*syntax.Regexp) [][]string {
	const short = 3
	var all [][]string
	run := ""
	for _, sub := range subs {
		if s, ok := fixed(sub); ok {
			run += s
			continue
		}
		if run != "" {
			all = append(all, []string{run})
		}
		run = ""
		all = append(all, required(sub)...)
	}
	if run != "" {
		all = append(all, []string{run})
	}
	slices.SortStableFunc(all, func(a, b []string) int { return shortest(b) - shortest(a) })
	for i := 1; i < len(all); i++ {
		if i == maxNeeds || shortest(all[i]) < short {
			return all[:i]
		}
	}
	return all
}

func shortest(texts []string) int {
	if len(texts) == 0 {
		return 0
	}
	n := len(texts[0])
	for _, t := range texts[1:] {
		n = min(n, len(t))
	}
	return n
}

// fixed returns the folded text of an expression that matches one text, case
// aside. U+FFFD is none: it matches bytes that are no UTF-8.
func fixed(re *syntax.Regexp) (string, bool) {
	switch re.Op {
	case syntax.OpLiteral:
		var b []byte
		for _, r := range re.Rune {
			if r == utf8.RuneError {
				return "", false
			}
			b = utf8.AppendRune(b, foldRune(r))
		}
		return string(b), true
	case syntax.OpCharClass:
		if len(re.Rune) == 0 || len(re.Rune) > 8 {
			return "", false
		}
		one := foldRune(re.Rune[0])
		for i := 0; i < len(re.Rune); i += 2 {
			if re.Rune[i+1]-re.Rune[i] > 2 {
				return "", false
			}
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				if foldRune(r) != one || r == utf8.RuneError {
					return "", false
				}
			}
		}
		return string(one), one <= unicode.MaxRune
	case syntax.OpCapture:
		return fixed(re.Sub[0])
	default:
		return "", false
	}
}
