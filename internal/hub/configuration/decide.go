package configuration

import (
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// The statuses that a twin's member "configurations" shows (wire §2.1).
const (
	statusApplied  = "Applied"
	statusTargeted = "Targeted"
)

// verdict is what one configuration is to one twin.
type verdict struct {
	c *compiled
	// targeted says that the condition is true; was and status are what the
	// twin shows and is to show.
	targeted    bool
	was, status string
	role        role
	// reason says why it is not applied, or not kept up.
	reason string
	// blocked says that it should be applied and cannot be.
	blocked bool
	// part is its place among the parts of the plan, -1 if it has none.
	part int
}

// decision is what is to be done with one twin.
type decision struct {
	verdicts []verdict
	parts    []part
	edits    *edits
	// writes are those of the edits, as patches.
	writes []twin.Write
	// damaged says that the twin cannot be read, and nothing is done.
	damaged bool
	// marks is the new member "configurations", nil if it stays.
	marks []byte
}

// idle reports whether nothing is to be done.
func (d *decision) idle() bool { return len(d.writes) == 0 && d.marks == nil }

// frozen says why a configuration is kept from a twin for a while, "" if it is not.
type frozen func(configuration string) string

// decide works out what is to be done with a twin. It is pure, except for the
// records that the row may have to ask for.
func (t *table) decide(row *query.Twin, kept frozen) (*decision, error) {
	d := new(decision)
	order := t.order[kindOf(row.Twin.ID)]
	member := row.Twin.Member(twin.ConfigurationsMember)
	if len(order) == 0 && member == nil && !row.Twin.Desired.Configured() {
		return d, nil
	}
	d.verdicts = make([]verdict, len(order))
	for i, c := range order {
		d.verdicts[i] = c.verdict(row, member, kept)
	}
	if err := row.Err(); err != nil {
		return nil, err
	}
	for {
		if err := d.plan(row.Twin.Desired); err != nil {
			return nil, err
		}
		full, err := d.patches(t, row.Twin.Desired)
		if err != nil {
			return nil, err
		}
		if full == nil {
			break
		}
		// The twin has no room for it: without it the others may still fit.
	}
	d.judge()
	d.mark(member)
	return d, nil
}

// verdict says what c is to a twin before anything is planned.
func (c *compiled) verdict(row *query.Twin, member doc.Section, kept frozen) verdict {
	v := verdict{c: c, part: -1, was: markOf(member, c.ID)}
	v.targeted = c.finds(row)
	why := kept(c.ID)
	switch {
	case c.broken != nil:
		v.role, v.reason = still, "the definition cannot be read: "+tvilling.MessageOf(c.broken)
	case why != "":
		v.role, v.reason, v.blocked = still, why, v.targeted && c.reaches(row.Twin.ID)
	case !v.targeted:
		v.role = out
	case c.stage.Stopped == rolledBack:
		v.role, v.reason = out, "rolled back"
	case c.stage.Paused:
		v.role, v.reason = still, "paused"
	case c.stage.Stopped == halted:
		v.role, v.reason = still, "halted"
	case !c.reaches(row.Twin.ID):
		v.role, v.reason = still, "waits for a later step of the rollout"
	default:
		v.role = active
	}
	return v
}

// plan plans with the roles that there are.
func (d *decision) plan(desired doc.Section) (err error) {
	d.parts = d.parts[:0]
	for i := range d.verdicts {
		v := &d.verdicts[i]
		v.part = -1
		if v.role != out {
			v.part = len(d.parts)
			d.parts = append(d.parts, part{id: v.c.ID, wishes: v.c.wishes, role: v.role, unknown: v.c.broken != nil})
		}
	}
	d.edits, err = plan(desired, d.parts)
	return err
}

// patches makes patches of the edits and tries them. It returns the verdict on
// the configuration that the twin has no room for, which is then still.
func (d *decision) patches(t *table, desired doc.Section) (full *verdict, err error) {
	d.writes = d.writes[:0]
	removed := d.edits.removed
	for i := range d.verdicts {
		v := &d.verdicts[i]
		if v.part < 0 || d.edits.writes[v.part] == nil {
			continue
		}
		text := d.edits.writes[v.part]
		w := twin.Write{Actor: v.c.Actor(), Cause: "configuration " + v.c.ID + " applied"}
		if v.was == statusApplied {
			w.Cause = "configuration " + v.c.ID + " set again"
		}
		if len(removed) > 0 {
			w.Cause += "; " + d.removes(t, removed)
			text = text.clone() // the edits stay what they are
			for _, r := range removed {
				text.set(r.path, "null")
			}
			removed = nil
		}
		next, err := d.write(&w, text, desired)
		switch {
		case tvilling.CodeOf(err) == tvilling.InvalidArgument:
			v.role, v.blocked, v.reason = still, true, "the twin has no room for it: "+tvilling.MessageOf(err)
			return v, nil
		case err != nil:
			return nil, err
		}
		desired = next
	}
	if len(removed) == 0 {
		return nil, nil
	}
	var text tree
	for _, r := range removed {
		text.set(r.path, "null")
	}
	_, err = d.write(&twin.Write{Actor: removed[0].actor, Cause: d.removes(t, removed)}, &text, desired)
	return nil, err
}

// write completes a write and returns what it makes of the section.
func (d *decision) write(w *twin.Write, text *tree, desired doc.Section) (doc.Section, error) {
	var err error
	if w.Desired, err = doc.Parse(text.appendJSON(nil), doc.Desired); err != nil {
		return nil, err
	}
	next, err := desired.Merge(w.Desired, doc.Desired, doc.Stamp{Actor: w.Actor})
	if err == nil {
		d.writes = append(d.writes, *w)
	}
	return next, err
}

// removes says in words what removals are due to.
func (d *decision) removes(t *table, removed []removal) string {
	var list []string
	seen := make(map[string]bool)
	for _, r := range removed {
		id, _, _ := doc.ConfigurationOf(r.actor)
		if seen[id] {
			continue
		}
		seen[id] = true
		list = append(list, "configuration "+id+": "+d.left(t, id))
	}
	return strings.Join(list, "; ")
}

// left says why a configuration no longer has what it has written.
func (d *decision) left(t *table, id string) string {
	for i := range d.verdicts {
		v := &d.verdicts[i]
		switch {
		case v.c.ID != id:
		case v.c.stage.Stopped == rolledBack:
			return "rolled back"
		case !v.targeted:
			return "no longer targeted"
		default:
			return "no longer wanted"
		}
	}
	if c := t.byID[id]; c != nil {
		return "no longer targeted"
	}
	return "deleted"
}

// judge says what each configuration is to the twin after the edits.
func (d *decision) judge() {
	for i := range d.verdicts {
		v := &d.verdicts[i]
		switch {
		case v.role == active && d.edits.wins[v.part]:
			v.status = statusApplied
		case v.role == active:
			v.status, v.reason = statusTargeted, "others of higher priority decide on everything that it sets"
		case v.role == still && v.was == statusApplied && !v.blocked && d.edits.holds[v.part]:
			v.status = statusApplied
		case v.role == still && v.was == statusApplied && d.edits.holds[v.part] && !v.targeted:
			v.status = statusApplied // it is kept from leaving
		case v.targeted, v.role == still && v.was != "":
			v.status = statusTargeted
		}
	}
}

// mark makes the new marks, if they are others than the twin has.
func (d *decision) mark(member doc.Section) {
	var text tree
	same, known := true, 0
	for i := range d.verdicts {
		v := &d.verdicts[i]
		if v.was != "" {
			known++
		}
		same = same && v.was == v.status
		if v.status != "" {
			text.child(v.c.ID).set([]string{"status"}, `"`+v.status+`"`)
		}
	}
	if !same || known != count(member) {
		d.marks = text.appendJSON(nil)
	}
}

// markOf returns the status that the member "configurations" shows, "" for none.
func markOf(member doc.Section, id string) string {
	if member == nil {
		return ""
	}
	v, ok := member.Lookup(id, "status")
	if !ok {
		return ""
	}
	switch v.Text() {
	case statusApplied:
		return statusApplied
	default:
		return statusTargeted
	}
}

// count returns how many configurations the member shows.
func count(member doc.Section) int {
	n := 0
	root, _ := member.Lookup()
	for range root.Members() {
		n++
	}
	return n
}

// arrangement is the decision as the twin service takes it.
func (d *decision) arrangement() (twin.Arrangement, error) {
	a := twin.Arrangement{Writes: d.writes, Actor: "hub:configurations"}
	if d.marks == nil {
		return a, nil
	}
	var err error
	a.Marks, err = doc.Parse(d.marks, doc.Owned)
	var causes []string
	for i := range d.verdicts {
		if v := &d.verdicts[i]; v.was != v.status {
			cause := "configuration " + v.c.ID
			switch v.status {
			case statusApplied:
				cause += " applied"
			case statusTargeted:
				cause += " targeted: " + v.reason
			default:
				cause += ": no longer targeted"
			}
			causes = append(causes, cause)
		}
	}
	if a.Cause = strings.Join(causes, "; "); a.Cause == "" {
		a.Cause = "configuration deleted"
	}
	return a, err
}
