package query_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/hub/query"
)

// TestLike checks patterns against regular expressions.
func TestLike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("abé")), 0, 40, -1).Draw(t, "text")
		var pattern, expression strings.Builder
		expression.WriteString("(?s)^")
		for _, part := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "é", "%", "_", "_", "aab", strings.Repeat("a", 70), strings.Repeat("_", 70)}), 0, 6).Draw(t, "pattern") {
			pattern.WriteString(part)
			expression.WriteString(strings.NewReplacer("%", ".*", "_", ".").Replace(part))
		}
		if text != "" && rapid.Bool().Draw(t, "long") {
			text = strings.Repeat(text, 5)
		}
		where := (&query.Statement{
			From:  &query.Path{Segments: []string{"devices"}},
			Where: &query.Like{X: &query.Constant{Kind: query.String, Text: text}, Pattern: pattern.String()},
		}).String()
		q, err := query.Compile(where)
		if strings.Contains(where, strings.Repeat("_", 257)) || pattern.Len() > 256 && err != nil {
			return // over the limit
		}
		if err != nil {
			t.Fatal(err)
		}
		want := regexp.MustCompile(expression.String() + "$").MatchString(text)
		if got := q.Match(nil); got != want {
			t.Fatalf("%s: %v, want %v", where, got, want)
		}
	})
}
