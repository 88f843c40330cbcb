package twins

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/compare"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

const (
	// pageRows is how many values a page has.
	pageRows = 200
	// shownTags is how many tags stand above the table.
	shownTags = 24
)

// comparePage is the twin: what is desired beside what is reported.
func (a *area) comparePage(c *web.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	b, err := a.load(c, id)
	if err != nil {
		return a.missing(c, b, err)
	}
	p, err := a.compare(c.Context(), b, c.Queries())
	if err != nil {
		return err
	}
	p.walk(c)
	return a.show(c, p)
}

// walk makes the ways to the pages around this one, if there are any.
func (p *comparison) walk(c *web.Call) {
	if p.next == "" && c.After() == "" {
		return
	}
	way := c.Pager(p.next)
	for _, address := range []*string{&way.Previous, &way.Next} {
		*address = strings.Replace(*address, ui.URL("live"), web.Root, 1) // also where a stream asks
	}
	p.Pager = &way
}

// show answers with the page; one that is being edited in place stays as it is.
func (a *area) show(c *web.Call, p *comparison) error {
	v := p.view("", "comparison", p)
	if p.Edit == nil && p.JSON == "" {
		v.Live = liveAddress(p.ID, p.query)
	}
	return c.Page(v)
}

// compareLive keeps the page current.
func (a *area) compareLive(c *web.Call) error {
	id, err := c.Identity()
	if err != nil {
		return err
	}
	watch := a.opt.Pages.Devices(id.Device)
	defer watch.Close()
	return c.Stream(web.Stream{
		Changed: []func() <-chan struct{}{watch.C},
		Fragments: func(ctx context.Context) ([]web.Fragment, error) {
			b, err := a.read(ctx, id)
			if err != nil {
				return nil, err
			}
			b.May = c.May(editor)
			p, err := a.compare(ctx, b, c.Queries())
			if err != nil {
				return nil, err
			}
			p.walk(c)
			return fragments(map[string]any{"devicehead": b.Head.At(b.Tab), "twin-tags": p, "twin-values": p, "twin-hub": p})
		},
	})
}

// fragments renders parts of a page by their names.
func fragments(parts map[string]any) ([]web.Fragment, error) {
	var list []web.Fragment
	for name, data := range parts {
		html, err := web.Render(pages, name, data)
		if err != nil {
			return nil, err
		}
		list = append(list, web.Fragment{ID: name, HTML: html})
	}
	return list, nil
}

// comparison is the page of a twin.
type comparison struct {
	base
	// Shown and Filter are what the rows are chosen by.
	Shown  compare.Agreement
	Filter string
	Counts []link
	Groups []group
	// Matching of Total values pass the filter.
	Matching, Total int
	Pager           *web.Pager
	Tags            []tag
	MoreTags        int
	Configurations  []configuration.Part
	Owned           []owned
	Edit            *oneValue
	// JSON is the whole document, if that is what is asked for.
	JSON string

	query url.Values
	// next is where the next page begins, "" for nowhere.
	next string
}

// group is the values of one object.
type group struct {
	// Path is the object, "" for the section itself.
	Path string
	Rows []row
}

// row is one value as the table has it.
type row struct {
	compare.Row
	// Label is the way to it below the object of its group.
	Label string
	// Want and Have are the values as they are shown.
	Want, Have string
	// Because says which configurations want something there.
	Because []string
	// Change is where it can be edited in place, "" if it cannot be here.
	Change string
	Edit   *oneValue
}

// Key is the row in an id of an element.
func (r row) Key() string {
	h := fnv.New64a()
	for _, k := range r.Path {
		_, _ = h.Write([]byte(k)) // a hash takes everything
		_, _ = h.Write([]byte{0})
	}
	return fmt.Sprintf("r%x", h.Sum64())
}

type tag struct{ Path, Value, Href string }

// owned is a member that the hub keeps in the twin.
type owned struct{ Name, JSON string }

// compare reads what the page shows.
func (a *area) compare(ctx context.Context, b base, query url.Values) (*comparison, error) {
	p := &comparison{base: b, Shown: compare.Agreement(query.Get("show")), Filter: strings.TrimSpace(query.Get("q")), query: url.Values{}}
	for name, values := range query {
		if name != "edit" && name != "part" {
			p.query[name] = values
		}
	}
	if query.Get("view") == "json" {
		p.JSON = ui.JSON(a.opt.Document(nil, b.View))
		return p, nil
	}
	rows, err := compare.Sections(b.View.Desired, b.View.Reported, judge(b))
	if err != nil {
		return nil, err
	}
	why := &configuration.Explanation{}
	if b.View.Desired.Configured() || b.View.Member(twin.ConfigurationsMember) != nil {
		if why, err = a.opt.Why(ctx, b.ID); err != nil {
			return nil, err
		}
		p.Configurations = why.Configurations
		rows = append(rows, wanted(why, rows)...)
		slices.SortStableFunc(rows, func(a, b compare.Row) int { return compare.Order(a.Path, b.Path) })
	}
	p.count(rows)
	edit, part := editing(query)
	rows = p.choose(rows)
	p.group(p.page(rows, query.Get("after")), part, edit)
	p.explain(why)
	p.tags(part, edit)
	for _, m := range b.View.Owned {
		if m.Name == twin.ConfigurationsMember && len(p.Configurations) > 0 {
			continue // they have a table of their own
		}
		p.Owned = append(p.Owned, owned{m.Name, ui.JSON(m.Value.AppendJSON(nil, doc.Form{}))})
	}
	return p, nil
}

// judge knows what equal means in a twin of a security module.
func judge(b base) compare.Judge {
	if !b.Security() {
		return nil
	}
	return agentconfig.Judge(b.View.Desired.AppendJSON(nil, doc.Form{}), b.View.Reported.AppendJSON(nil, doc.Form{}))
}

// wanted are values that configurations want where nothing is, as rows.
func wanted(why *configuration.Explanation, rows []compare.Row) (more []compare.Row) {
	known := make(map[string]bool, len(rows))
	for _, r := range rows {
		known[strings.Join(r.Path, ".")] = true
	}
	for _, l := range why.Leaves {
		if l.Value == nil && !known[l.Path] {
			more = append(more, compare.Row{Path: strings.Split(l.Path, "."), Agreement: compare.NotReported})
		}
	}
	return more
}

// words says an agreement in words.
func words(a compare.Agreement) string {
	switch a {
	case compare.Equal:
		return "Equal"
	case compare.Differs:
		return "Differs"
	case compare.Default:
		return "Default"
	case compare.NotReported:
		return "Not reported"
	default:
		return "Only reported"
	}
}

// Word is the row's agreement in words.
func (r row) Word() string { return words(r.Agreement) }

// count makes the links that choose by agreement.
func (p *comparison) count(rows []compare.Row) {
	n := map[compare.Agreement]int{}
	for i := range rows {
		n[rows[i].Agreement]++
	}
	at := func(show string) string {
		q := url.Values{}
		if p.Filter != "" {
			q.Set("q", p.Filter)
		}
		if show != "" {
			q.Set("show", show)
		}
		return p.URL(q)
	}
	p.Total = len(rows)
	p.Counts = append(p.Counts, link{Text: "All", Href: at(""), Count: len(rows), Current: p.Shown == ""})
	for _, a := range compare.Agreements() {
		if n[a] > 0 || p.Shown == a {
			p.Counts = append(p.Counts, link{Text: words(a), Href: at(string(a)), Count: n[a], Current: p.Shown == a})
		}
	}
}

// choose leaves the rows that are asked for.
func (p *comparison) choose(rows []compare.Row) []compare.Row {
	text := strings.ToLower(p.Filter)
	list := rows[:0:0]
	for _, r := range rows {
		if p.Shown != "" && r.Agreement != p.Shown {
			continue
		}
		if text != "" && !strings.Contains(strings.ToLower(strings.Join(r.Path, ".")), text) &&
			!strings.Contains(strings.ToLower(string(r.Desired)), text) && !strings.Contains(strings.ToLower(string(r.Reported)), text) {
			continue
		}
		list = append(list, r)
	}
	p.Matching = len(list)
	return list
}

// page leaves the rows of one page: those after a path.
func (p *comparison) page(rows []compare.Row, after string) []compare.Row {
	if path, ok := readPath(after); ok {
		i, found := slices.BinarySearchFunc(rows, path, func(r compare.Row, path []string) int { return compare.Order(r.Path, path) })
		if found {
			i++
		}
		rows = rows[i:]
	}
	if len(rows) > pageRows {
		rows = rows[:pageRows]
		p.next = writePath(rows[pageRows-1].Path)
	}
	return rows
}

// A path in an address is a JSON array of its keys.
func writePath(path []string) string {
	b, err := json.Marshal(path)
	if err != nil {
		panic("twins: " + err.Error()) // texts are JSON
	}
	return string(b)
}

func readPath(s string) (path []string, ok bool) {
	return path, s != "" && json.Unmarshal([]byte(s), &path) == nil && len(path) > 0
}

// group puts rows into the objects that they are of. An object with one value
// in it stands as one row of the object around it.
func (p *comparison) group(rows []compare.Row, part doc.Part, edit []string) {
	inside := map[string]int{}
	for _, r := range rows {
		for i := 1; i < len(r.Path); i++ {
			inside[strings.Join(r.Path[:i], ".")]++
		}
	}
	for _, r := range rows {
		at := len(r.Path) - 1
		for at > 0 && inside[strings.Join(r.Path[:at], ".")] == 1 {
			at--
		}
		path := strings.Join(r.Path[:at], ".")
		if len(p.Groups) == 0 || p.Groups[len(p.Groups)-1].Path != path {
			p.Groups = append(p.Groups, group{Path: path})
		}
		v := row{Row: r, Label: strings.Join(r.Path[at:], "."), Want: shownJSON(r.Desired), Have: shownJSON(r.Reported)}
		if at < len(r.Path)-1 {
			v.Label = strings.TrimSuffix(v.Label, ".value") // a value that is wrapped
		}
		if p.May {
			v.Change = p.changeAddress(doc.Desired, r.Path)
		}
		if part == doc.Desired && slices.Equal(edit, r.Path) && v.Change != "" && !p.inAgent(r.Path) {
			v.Edit = &oneValue{base: p.base, Part: doc.Desired, Path: r.Path, Text: ui.PlainJSON(string(r.Desired)), Back: p.URL(p.query), Query: p.query.Encode()}
			p.Edit = v.Edit
		}
		g := &p.Groups[len(p.Groups)-1]
		g.Rows = append(g.Rows, v)
	}
}

// inAgent reports whether a value is of the agent's configuration, which is
// changed as a whole, in its form.
func (b base) inAgent(path []string) bool {
	return b.Security() && (path[0] == agentconfig.Object || path[0] == agentconfig.ExtensionObject)
}

// changeAddress is where a value is edited in place.
func (p *comparison) changeAddress(part doc.Part, path []string) string {
	if part == doc.Desired && p.inAgent(path) {
		return ui.URL("devices", p.ID.Device, "agent") + "#" + url.PathEscape(path[min(1, len(path)-1)])
	}
	q := url.Values{"edit": {writePath(path)}}
	if part == doc.Tags {
		q.Set("part", "tags")
	}
	maps.Copy(q, p.query)
	return p.URL(q)
}

// shownJSON is a value for readers: as JSON, but with the characters themselves
// in the place of escapes, since whatever shows it draws the strange ones.
func shownJSON(raw json.RawMessage) string {
	if len(raw) == 0 || !bytes.Contains(raw, []byte(`\u`)) {
		return string(raw)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(raw)
	}
	if text, ok := v.(string); ok {
		return `"` + text + `"`
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return string(raw)
	}
	return strings.TrimSpace(b.String())
}

// tags are the values of the tags, the first of them.
func (p *comparison) tags(part doc.Part, edit []string) {
	n := 0
	// A section that is damaged was refused when the twin was read.
	_ = p.View.Tags.Walk(func(m *doc.Node) bool {
		if !m.Leaf() {
			return true
		}
		if n++; n > shownTags {
			return true
		}
		path := keysOf(m.Path)
		t := tag{Path: strings.Join(path, "."), Value: textOf(m.Value)}
		if p.May {
			t.Href = p.changeAddress(doc.Tags, path)
		}
		p.Tags = append(p.Tags, t)
		if part == doc.Tags && slices.Equal(edit, path) && p.May {
			p.Edit = &oneValue{base: p.base, Part: doc.Tags, Path: path, Text: ui.PlainJSON(string(m.Value.AppendJSON(nil))), Back: p.URL(p.query), Query: p.query.Encode()}
		}
		return true
	})
	p.MoreTags = max(0, n-shownTags)
}

func keysOf(path [][]byte) []string {
	list := make([]string, len(path))
	for i, key := range path {
		list[i] = string(key)
	}
	return list
}

// textOf is a value for people: a text without its quotation marks.
func textOf(v doc.Value) string {
	if v.Kind() == doc.String {
		return v.Text()
	}
	return string(v.AppendJSON(nil))
}

// explain says of each value which configurations want what.
func (p *comparison) explain(why *configuration.Explanation) {
	wishes := map[string]*configuration.Leaf{}
	for i := range why.Leaves {
		if l := &why.Leaves[i]; len(l.Wishes) > 0 {
			wishes[l.Path] = l
		}
	}
	for g := range p.Groups {
		for i := range p.Groups[g].Rows {
			r := &p.Groups[g].Rows[i]
			l := wishes[strings.Join(r.Path, ".")]
			if l == nil {
				continue
			}
			for n, w := range l.Wishes {
				r.Because = append(r.Because, because(n, r.Set.Actor, w))
			}
		}
	}
}

func because(n int, actor string, w configuration.Wish) string {
	value := "nothing there"
	if w.Value != nil {
		value = string(w.Value)
	}
	held, _, ok := doc.ConfigurationOf(actor)
	switch {
	case n == 0 && ok && held == w.Configuration:
		return "Configuration " + w.Configuration + " holds it: a change by hand is set back."
	case n == 0:
		return "Configuration " + w.Configuration + " wants " + value + ", and writes it soon unless it is kept from it."
	default:
		return "Configuration " + w.Configuration + " would set " + value + " next."
	}
}

// JSONLink is the address of the whole twin as JSON, "" where that is shown.
func (p *comparison) JSONLink() string {
	if p.JSON != "" {
		return ""
	}
	return p.base.JSONLink()
}
