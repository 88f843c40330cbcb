package investigate

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/query"
)

const (
	// maxOptions is how many completions are offered.
	maxOptions = 50
	// maxValues is how many different values a member may have for them to be
	// counted.
	maxValues = 2000
	// valueTime is how long the counting may take.
	valueTime = 300 * time.Millisecond
)

// option is one completion.
type option struct {
	Label string `json:"label"`
	// Type is "keyword", "function", "property", "type" or "text".
	Type   string `json:"type"`
	Detail string `json:"detail,omitempty"`
}

// completion is what may follow the beginning of a query, in the place of what
// stands at its end.
type completion struct {
	// From is where that begins, in the units of browsers (UTF-16).
	From    int      `json:"from"`
	Options []option `json:"options"`
}

// keywords are the words of the language, but for its functions.
var keywords = []string{
	"SELECT", "SELECT *", "EXPLAIN", "TOP", "FROM", "JOIN", "WHERE", "GROUP BY", "ORDER BY", "ASC", "DESC", "AS", "AND", "OR", "NOT", "IN", "NOT IN", "LIKE",
	"COUNT()", "AVG", "SUM", "MIN", "MAX", "true", "false", "null",
}

// system are the members that every twin has.
var system = []string{
	"deviceId", "moduleId", "status", "statusReason", "connectionState", "lastActivityTime", "authenticationType", "version", "etag", "tags",
	"properties.desired", "properties.reported", "security.state", "security.score",
}

// complete answers with what may follow the beginning of a query, for the editor.
func (a *area) complete(c *web.Call) error {
	text := c.Query("q")
	if len(text) > query.MaxLength {
		return tvilling.Errorf(tvilling.TooLarge, "A query has at most %d characters.", query.MaxLength)
	}
	b, err := json.Marshal(a.completions(c.Context(), text))
	if err != nil {
		return &tvilling.Error{Code: tvilling.Internal, Op: "complete query", Err: err}
	}
	c.W.Header().Set("Content-Type", "application/json")
	c.W.WriteHeader(http.StatusOK)
	// An editor that went away needs no answer.
	_, _ = c.W.Write(b)
	return nil
}

// completions finds what may follow a beginning of a query.
func (a *area) completions(ctx context.Context, before string) completion {
	modules := strings.Contains(strings.ToLower(before), "devices.modules")
	if path, typed, from, ok := valueAt(before); ok {
		return completion{From: units(before[:from]), Options: a.values(ctx, path, typed, modules)}
	}
	from := len(before)
	for from > 0 && wordByte(before[from-1]) {
		from--
	}
	typed := strings.ToLower(before[from:])
	out := completion{From: units(before[:from]), Options: []option{}}
	offer := func(o option) {
		if len(out.Options) < maxOptions && strings.Contains(strings.ToLower(o.Label), typed) {
			out.Options = append(out.Options, o)
		}
	}
	if fields := strings.Fields(strings.ToUpper(before[:from])); len(fields) > 0 {
		switch fields[len(fields)-1] {
		case "FROM":
			for _, name := range []string{"devices", "devices.modules", "devices JOIN devices.modules", "devices.jobs"} {
				offer(option{Label: name, Type: "type"})
			}
			return out
		case "JOIN":
			offer(option{Label: "devices.modules", Type: "type"})
			return out
		}
	}
	if typed == "" && from == 0 {
		offer(option{Label: "SELECT * FROM devices WHERE ", Type: "keyword"})
	}
	a.offerPaths(offer, typed, modules)
	for _, f := range query.Functions() {
		offer(option{Label: f + "(", Type: "function"})
	}
	for _, k := range keywords {
		offer(option{Label: k, Type: "keyword"})
	}
	// What begins as it was typed comes first.
	slices.SortStableFunc(out.Options, func(x, y option) int {
		return cmp.Compare(later(x.Label, typed), later(y.Label, typed))
	})
	return out
}

// units is the length of a text as browsers count it.
func units(s string) int { return len(utf16.Encode([]rune(s))) }

func later(label, typed string) int {
	if strings.HasPrefix(strings.ToLower(label), typed) {
		return 0
	}
	return 1
}

// offerPaths offers the members that twins have, the most frequent first.
func (a *area) offerPaths(offer func(option), typed string, modules bool) {
	seen := make(map[string]bool)
	for _, name := range system {
		seen[name] = true
		offer(option{Label: name, Type: "property"})
	}
	if typed == "" {
		return // there may be thousands
	}
	list := a.opt.Paths()
	slices.SortStableFunc(list, func(x, y Path) int { return cmp.Compare(y.Rows, x.Rows) })
	for _, p := range list {
		if p.Module == modules && !seen[p.Name] && written(p.Name) {
			offer(option{Label: p.Name, Type: "property", Detail: strconv.FormatInt(p.Rows, 10) + " have it"})
		}
	}
}

// written reports whether a path can be written as it is.
func written(path string) bool {
	for i := range len(path) {
		if !wordByte(path[i]) {
			return false
		}
	}
	return path != ""
}

func wordByte(b byte) bool {
	return b == '_' || b == '.' || b == '$' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// valueAt reports whether the end of a beginning of a query is inside a text
// that a member is compared with: which member, what was typed, from where on.
func valueAt(before string) (path, typed string, from int, ok bool) {
	quote := -1
	for i := range len(before) {
		if before[i] != '\'' {
			continue
		}
		if quote >= 0 {
			quote = -1
		} else {
			quote = i
		}
	}
	if quote < 0 {
		return "", "", 0, false
	}
	head := strings.TrimRight(before[:quote], " \t\r\n")
	for _, op := range []string{"!=", "<>", "<=", ">=", "=", "<", ">"} {
		if rest, found := strings.CutSuffix(head, op); found {
			head = strings.TrimRight(rest, " \t\r\n")
			begin := len(head)
			for begin > 0 && wordByte(head[begin-1]) {
				begin--
			}
			return head[begin:], before[quote+1:], quote + 1, begin < len(head)
		}
	}
	return "", "", 0, false
}

// values are the most frequent values of a member, of those that the index
// knows to have few.
func (a *area) values(ctx context.Context, path, typed string, modules bool) []option {
	list := []option{}
	known := slices.ContainsFunc(a.opt.Paths(), func(p Path) bool {
		return p.Name == path && p.Module == modules && p.Values <= maxValues
	})
	if !known || !written(path) {
		return list
	}
	of := "devices"
	if modules {
		of = "devices.modules"
	}
	q, err := query.Compile("SELECT " + path + " AS value, COUNT() AS rows FROM " + of + " GROUP BY " + path + " ORDER BY COUNT() DESC")
	if err != nil {
		return list // a member that the language has no name for
	}
	ctx, cancel := context.WithTimeout(ctx, valueTime)
	defer cancel()
	page, err := a.opt.Search.Run(ctx, q, query.Options{})
	if err != nil {
		return list // completion is a help: without it the query can be typed
	}
	var rows []struct {
		Value any   `json:"value"`
		Rows  int64 `json:"rows"`
	}
	if json.Unmarshal(page.Body, &rows) != nil {
		return list
	}
	for _, r := range rows {
		s, ok := r.Value.(string)
		if ok && len(s) <= 128 && !strings.ContainsAny(s, "'\\\n") && strings.HasPrefix(strings.ToLower(s), strings.ToLower(typed)) && len(list) < maxOptions {
			list = append(list, option{Label: s, Type: "text", Detail: strconv.FormatInt(r.Rows, 10)})
		}
	}
	return list
}
