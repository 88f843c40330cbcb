package baseline

import (
	"context"
	"os"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// Outcome is what a check gives.
type Outcome string

// The outcomes. Pass, Fail and Err are the words of security messages.
const (
	Pass Outcome = "Pass"
	// Fail: Result.Error is what was found.
	Fail Outcome = "Fail"
	// Err: it could not be found out; Result.Error is why.
	Err Outcome = "Err"
	// Skip: the check does not make sense here, or nobody can know;
	// Result.Error is why. It is not sent.
	Skip Outcome = "Skip"
)

// Result is the outcome of one check.
type Result struct {
	Check   *Check
	Outcome Outcome
	// Error says what was found, in at most 400 bytes; empty for Pass.
	Error string
	// Took is how long the check took, with what Wait took during a walk.
	Took time.Duration
}

// Report has the results of a run, in the order of the checks.
type Report struct {
	Results []Result
	Took    time.Duration
}

// Options say what a run looks at.
type Options struct {
	// Root is where files are looked for; nil is the machine's root.
	Root *os.Root
	// Checks are made in their order, except those of the groups and with the
	// ids that are disabled.
	Checks         []Check
	DisabledGroups []string
	DisabledChecks []string
	// Wait is called before every check and every few hundred files of a walk;
	// it may block for as long as the agent is to be quiet. Its error ends the
	// run. nil does not wait.
	Wait func(ctx context.Context) error
	// OnProgress is told after each check how many are done, of how many.
	OnProgress func(done, of int)
}

// Run makes checks. It returns an error when the root cannot be opened, and
// when ctx or Wait ended the run: then there is no report, since part of one
// would say that the rest has passed.
func Run(ctx context.Context, o Options) (Report, error) {
	root := o.Root
	if root == nil {
		r, err := os.OpenRoot("/")
		if err != nil {
			return Report{}, tvilling.Errorf(tvilling.Unavailable, "open the root for the baseline: %w", err)
		}
		defer func() { _ = r.Close() }()
		root = r
	}
	begin := time.Now()
	r := &run{ctx: ctx, tree: tree{root: root}, wait: o.Wait}
	checks := o.enabled()
	rep := Report{Results: make([]Result, 0, len(checks))}
	for i, c := range checks {
		if err := r.pause(); err != nil {
			return Report{}, err
		}
		at := time.Now()
		res := r.make(c)
		res.Took = time.Since(at)
		if r.stopped != nil {
			return Report{}, r.stopped
		}
		rep.Results = append(rep.Results, res)
		if o.OnProgress != nil {
			o.OnProgress(i+1, len(checks))
		}
	}
	rep.Took = time.Since(begin)
	return rep, nil
}

// enabled returns the checks that are to be made.
func (o *Options) enabled() []*Check {
	off := make(map[string]bool, len(o.DisabledChecks)+len(o.DisabledGroups))
	for _, id := range o.DisabledChecks {
		off["check "+id] = true
	}
	for _, g := range o.DisabledGroups {
		off["group "+g] = true
	}
	list := make([]*Check, 0, len(o.Checks))
	for i := range o.Checks {
		if c := &o.Checks[i]; !off["check "+c.ID] && !off["check "+c.CceID()] && !off["group "+c.Group] {
			list = append(list, c)
		}
	}
	return list
}

// Items returns what is sent: the checks that failed, and those that could not
// be made. None means that everything passed. ExtraDetails has the check's Id
// where CceId is another number.
func (r *Report) Items() []event.Item {
	var items []event.Item
	for i := range r.Results {
		res := &r.Results[i]
		if res.Outcome != Fail && res.Outcome != Err {
			continue
		}
		it := &event.OSBaseline{
			Description: res.Check.Title,
			CceID:       res.Check.CceID(),
			Result:      string(res.Outcome),
			Error:       res.Error,
			Severity:    string(res.Check.Severity),
		}
		if it.CceID != res.Check.ID {
			it.Extra = event.Details{{Name: "Id", Value: res.Check.ID}}
		}
		items = append(items, it)
	}
	return items
}

// run is one run: the tree, and what was read of it and serves many checks.
type run struct {
	ctx  context.Context //nolint:containedctx // a run is one call, and lives no longer
	tree tree
	wait func(context.Context) error
	// stopped is why the run ended in the middle of a check.
	stopped error

	texts     map[string]*text
	cached    int
	system    *system
	packages  *packageSet
	started   *startedSet
	processes *processList
	sshd      *sshdConfig
	accounts  *accountFiles
	modules   *moduleFacts
	mounts    map[string]*mountTable
}

// pause lets others have the processor.
func (r *run) pause() error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.wait == nil {
		return nil
	}
	return r.wait(r.ctx)
}

// make makes one check.
func (r *run) make(c *Check) Result {
	o := c.Applies.eval(r)
	if o.verdict == passed {
		o = c.Test.eval(r)
	}
	res := Result{Check: c, Error: clean(o.found, maxFound)}
	switch o.verdict {
	case passed:
		res.Outcome, res.Error = Pass, ""
	case failed:
		res.Outcome = Fail
	case broken:
		res.Outcome = Err
	case unknown, leftOut:
		res.Outcome = Skip
	}
	return res
}
