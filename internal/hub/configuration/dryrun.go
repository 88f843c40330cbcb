package configuration

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// MaxPlan is how many twins a page of a dry run has at most.
const MaxPlan = 100

// Plan says what a new or changed configuration would do to the twins after an
// identity, at most limit of them (1 to [MaxPlan]), without doing it. Steps of
// a rollout are not waited for. An update may leave its content out.
func (s *Service) Plan(ctx context.Context, c Configuration, after tvilling.Identity, limit int) (*DryRun, error) {
	const op = "plan configuration"
	t := s.table.Load()
	old := t.byID[c.ID]
	if old != nil {
		if c.Content == nil {
			c.Content = old.Content
		}
		c.Created, c.Revision = old.Created, old.Revision
	}
	if err := check(&c); err != nil {
		return nil, about(op, c.ID, err)
	}
	c.Updated = time.Now()
	if old == nil {
		c.Created = c.Updated
	}
	next := compile(c, stage{Everyone: true, Finished: true})
	if old != nil && next.kind != old.kind {
		return nil, about(op, c.ID, tvilling.Errorf(tvilling.ImmutableConfigurationContent, "The content of a configuration cannot be changed; plan another configuration."))
	}
	t = t.with(c.ID, next, nil)
	run := &DryRun{Notices: s.Notices(c)}
	return run, s.plan(ctx, t, next, old != nil, run, after, min(max(limit, 1), MaxPlan))
}

func (s *Service) plan(ctx context.Context, t *table, next *compiled, known bool, run *DryRun, after tvilling.Identity, limit int) (err error) {
	if next.target != nil {
		if run.Targeted, err = s.opt.Search.Count(ctx, next.target); err != nil {
			return err
		}
	}
	at := stage{Kind: next.kind, Pass: &pass{Connected: true}}
	q, err := passQueryOf(next, next.ID, &at)
	if err != nil {
		return err
	}
	if known {
		all, err := s.opt.Search.Count(ctx, q)
		if err != nil {
			return err
		}
		run.Leaving = max(all-run.Targeted, 0) // twins may change between the two
	}
	for id, err := range s.opt.Search.Each(ctx, q, after) {
		if err != nil {
			if tvilling.CodeOf(err) == tvilling.Corrupt {
				continue
			}
			return err
		}
		if len(run.Twins) == limit {
			run.Next = run.Twins[limit-1].ID
			return nil
		}
		p, err := s.planOne(ctx, t, id, next.ID)
		if err != nil {
			return err
		}
		if p != nil {
			run.Twins = append(run.Twins, *p)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// planOne says what would be done with one twin; nil if it has gone.
func (s *Service) planOne(ctx context.Context, t *table, id tvilling.Identity, configuration string) (*TwinPlan, error) {
	row, err := s.row(ctx, id)
	var d *decision
	if err == nil {
		d, err = t.decide(row, s.frozen(id))
	}
	switch tvilling.CodeOf(err) {
	case "":
	case tvilling.DeviceNotFound, tvilling.ModuleNotFound:
		return nil, nil
	case tvilling.Corrupt:
		return &TwinPlan{ID: id, Reason: tvilling.MessageOf(err)}, nil
	default:
		return nil, err
	}
	p := &TwinPlan{ID: id}
	for i := range d.verdicts {
		if v := &d.verdicts[i]; v.c.ID == configuration {
			p.Targeted, p.Status, p.Reason = v.targeted, v.status, v.reason
		}
	}
	p.Edits = d.changes(row.Twin.Desired)
	return p, nil
}

// changes are the edits of a decision with what is there now.
func (d *decision) changes(desired doc.Section) []Edit {
	var list []Edit
	add := func(path []string, value []byte, by string) {
		e := Edit{Path: strings.Join(path, "."), New: value, By: by}
		if v, ok := desired.Lookup(path...); ok {
			e.Old = v.AppendJSON(nil)
		}
		if string(e.Old) != string(e.New) {
			list = append(list, e)
		}
	}
	for i, t := range d.edits.writes {
		if t != nil {
			t.each(nil, func(path []string, leaf []byte) {
				if string(leaf) == "null" {
					leaf = nil
				}
				add(path, leaf, d.parts[i].id)
			})
		}
	}
	for _, r := range d.edits.removed {
		id, _, _ := doc.ConfigurationOf(r.actor)
		add(r.path, nil, id)
	}
	slices.SortFunc(list, func(a, b Edit) int { return strings.Compare(a.Path, b.Path) })
	return list
}

// each visits the leaves of a tree.
func (t *tree) each(path []string, visit func([]string, []byte)) {
	if t.leaf != nil {
		visit(path, t.leaf)
		return
	}
	for _, name := range t.names() {
		t.children[name].each(append(slices.Clone(path), name), visit)
	}
}
