package investigate

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/proctree"
)

const (
	// maxShown is how many processes a page draws.
	maxShown = 500
	// maxDepth is how deep they are indented; what is deeper stands beside.
	maxDepth = 24
	// maxAlerts is how many alerts are looked at for marks.
	maxAlerts = 500
)

// process is a node of the tree as the page draws it.
type process struct {
	*proctree.Node
	ID       string
	Children []*process
	// Hidden is how many children are not drawn.
	Hidden int
	Alerts []mark
	// Found says that it is what was searched for.
	Found bool
	// Under is the id of the one that started it, where that is all that is known
	// of it and it started nothing else.
	Under int64
	// Deeper says that more processes are above it than lines are indented.
	Deeper bool
	// Event is the page with the event that told of it, Connections whom it spoke
	// to.
	Event, Connections string
}

// mark is an alert that was raised for a process.
type mark struct{ Title, Severity, Href string }

// Command is what it runs, as it was called.
func (p *process) Command() string {
	if p.Start != nil && p.Start.Start.CommandLine != "" {
		return p.Start.Start.CommandLine
	}
	return p.Executable()
}

// User is as whom it runs.
func (p *process) User() string {
	if p.Start == nil {
		return ""
	}
	return cmp.Or(p.Start.Start.UserName, p.Start.Start.UserID)
}

// Lasted is how long it ran, in so far as that is known.
func (p *process) Lasted() (d time.Duration) {
	if p.Start != nil && p.End != nil {
		return p.End.Time.Sub(p.Start.Time)
	}
	return 0
}

// processesPage is what the template of processes is given.
type processesPage struct {
	Tabs   []tab
	Scope  scope
	Search string
	Tree   *investigate.Tree
	Roots  []*process
	// Shown of Told are drawn, Matches is how many were found by the search. A
	// parent that others only name is none of them.
	Shown, Told, Matches int
	// Hidden is how many roots are not drawn.
	Hidden int
	// Loose is how many have no id, so that nothing can be said of their parents
	// and children.
	Loose int
	// Earlier is the page with what was before the oldest event that was read.
	Earlier string
	// Programs is the summary of a whole fleet, without a device.
	Programs *summaryTable
	Events   string
}

func (a *area) processes(c *web.Call) error {
	now := time.Now()
	s, err := readScope(c, "24h", now)
	if err != nil {
		return err
	}
	p := processesPage{Tabs: tabs("investigate/processes", s), Scope: s, Search: c.Query("q")}
	done, err := a.look(c.Context())
	if err != nil {
		return err
	}
	defer done()
	if s.Device == "" {
		if p.Programs, err = a.table(c.Context(), programsTable, s, now); err != nil {
			return err
		}
		return c.Page(web.View{Title: "Processes", Nav: "investigate", Crumbs: crumbs, Template: pages, Name: "processes", Data: p})
	}
	t := within(lookTime)
	p.Tree, err = a.reader.Tree(c.Context(), investigate.Scope{Device: tvilling.DeviceID(s.Device), From: s.From, To: s.To}, t.enough)
	if err != nil {
		return err
	}
	marks, err := a.marks(c.Context(), s)
	if err != nil {
		return err
	}
	p.draw(marks)
	p.Tree.Forest.Walk(func(n *proctree.Node, _ int) bool {
		if n.PID == 0 {
			p.Loose++
		}
		return true
	})
	if !p.Tree.Complete {
		earlier := s
		earlier.Range, earlier.To = "exact", p.Tree.Since
		p.Earlier = address("investigate/processes", earlier.values())
	}
	p.Events = address("investigate", s.values())
	return c.Page(web.View{Title: "Processes", Nav: "investigate", Crumbs: crumbs, Template: pages, Name: "processes", Data: p})
}

// crumbs are the pages above those of this area.
var crumbs = []web.Link{{Text: "Investigate", Href: address("investigate", nil)}}

// marks are the alerts of a device by the events that they were raised for.
func (a *area) marks(ctx context.Context, s scope) (map[string][]mark, error) {
	found := make(map[string][]mark)
	n := 0
	for al, err := range a.opt.Alerts(ctx, ledger.AlertFilter{Device: tvilling.DeviceID(s.Device), From: s.From}, "") {
		if err != nil {
			return nil, err
		}
		m := mark{Title: al.Title, Severity: al.Severity.String(), Href: address("alerts/"+al.ID, nil)}
		for _, e := range al.Evidence {
			if e.Event != "" && !slices.Contains(found[e.Event], m) {
				found[e.Event] = append(found[e.Event], m)
			}
		}
		if n++; n == maxAlerts {
			break
		}
	}
	return found, nil
}

// draw makes what the page shows of the tree: of a search what was found and
// all above it, and never more than so many processes, the newest of them.
func (p *processesPage) draw(marks map[string][]mark) {
	wanted := p.wanted()
	nodes := make(map[*proctree.Node]*process)
	room := maxShown
	var roots []*proctree.Node
	for _, r := range slices.Backward(p.Tree.Forest.Roots) {
		if wanted == nil || wanted[r] > 0 {
			roots = append(roots, r)
		}
	}
	proctree.Forest{Roots: roots}.Walk(func(n *proctree.Node, depth int) bool {
		if wanted != nil && wanted[n] == 0 {
			return false
		}
		parent := nodes[n.Parent]
		if room == 0 {
			if parent != nil {
				parent.Hidden++
			} else {
				p.Hidden++
			}
			return false
		}
		room--
		d := p.process(n, marks)
		d.Found = wanted[n] == 2
		nodes[n] = d
		switch {
		case parent == nil:
			p.Roots = append(p.Roots, d)
		case depth > maxDepth:
			// It stands beside the one above it.
			d.Deeper = true
			up := nodes[parent.Parent]
			for up.Deeper {
				up = nodes[up.Parent]
			}
			up.Children = append(up.Children, d)
		default:
			parent.Children = append(parent.Children, d)
		}
		return true
	})
	told := func(n *proctree.Node) bool { return n.Start != nil || n.End != nil }
	for n := range nodes {
		if told(n) {
			p.Shown++
		}
	}
	p.Tree.Forest.Walk(func(n *proctree.Node, _ int) bool {
		if told(n) {
			p.Told++
		}
		return true
	})
	for i, d := range p.Roots {
		if d.Start == nil && d.End == nil && len(d.Children) == 1 && d.Hidden == 0 {
			p.Roots[i] = d.Children[0]
			p.Roots[i].Under = d.PID
		}
	}
}

// wanted says of processes whether they were found (2) or are above one that was
// (1); nil without a search.
func (p *processesPage) wanted() map[*proctree.Node]int {
	text := strings.ToLower(strings.TrimSpace(p.Search))
	if text == "" {
		return nil
	}
	wanted := make(map[*proctree.Node]int)
	p.Tree.Forest.Walk(func(n *proctree.Node, _ int) bool {
		if !holds(n, text) {
			return true
		}
		p.Matches++
		wanted[n] = 2
		for up := n.Parent; up != nil && wanted[up] == 0; up = up.Parent {
			wanted[up] = 1
		}
		return true
	})
	return wanted
}

func holds(n *proctree.Node, text string) bool {
	if strconv.FormatInt(n.PID, 10) == text || strings.Contains(strings.ToLower(n.Executable()), text) {
		return true
	}
	if n.Start == nil {
		return false
	}
	s := n.Start.Start
	return strings.Contains(strings.ToLower(s.CommandLine), text) || strings.ToLower(s.UserName) == text || s.UserID == text
}

func (p *processesPage) process(n *proctree.Node, marks map[string][]mark) *process {
	d := &process{Node: n}
	o := cmp.Or(n.Start, n.End)
	if o == nil {
		d.ID = "p" + strconv.FormatInt(n.PID, 10) + "-" + strconv.FormatInt(n.First().UnixNano(), 36)
		return d
	}
	d.ID = "p" + position(o.Position) + "-" + strconv.Itoa(o.Item)
	d.Event = address("investigate", cloneValues(map[string][]string{"device": {p.Scope.Device}, "open": {position(o.Position)}}))
	for _, o := range []*proctree.Observation{n.Start, n.End} {
		if o != nil {
			d.Alerts = append(d.Alerts, marks[o.Event]...)
		}
	}
	if n.PID != 0 {
		v := around(p.Scope.Device, n.First())
		if n.End != nil {
			v.Set("to", n.End.Time.Add(time.Minute).UTC().Format(time.RFC3339Nano))
		} else {
			v.Set("to", p.Scope.end(time.Now()).UTC().Format(time.RFC3339Nano))
		}
		v.Set("from", n.First().Add(-time.Minute).UTC().Format(time.RFC3339Nano))
		v.Set("name", event.ConnectionCreateKind.String())
		v.Set("where", condition(event.ProcessID.String(), "=", strconv.FormatInt(n.PID, 10)))
		d.Connections = address("investigate", v)
	}
	return d
}
