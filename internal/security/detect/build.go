package detect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// Options are what an [Engine] is made of.
type Options struct {
	// Decode reads the text of a rule file into nodes.
	Decode func(text []byte) ([]*sigma.Node, error)
	// Builtin has the hub's own rules, Folder the operator's; files *.yml and
	// *.yaml, one rule each. Folder may be nil.
	Builtin, Folder fs.FS
	Stateful        []Stateful
	// List returns the set that a placeholder of a rule stands for.
	List   func(name string) (sigma.List, bool)
	Ledger *ledger.Ledger
	Logger *slog.Logger
}

// config is the part of an engine that operators change.
type config struct {
	opt Options
	// mu guards what follows.
	mu      sync.Mutex
	kept    kept
	builtin []*rule
	folder  []*rule
	// unread has what is wrong with files of the folder, by name.
	unread map[string]string
	all    []*Info
	broken map[string]string
}

// New reads rules and settings and returns an engine. A rule of the hub's own
// that cannot be read is an error; one of the operator's is told in the list
// of detections and otherwise left out.
func New(ctx context.Context, o Options) (*Engine, error) {
	e := &Engine{config: config{opt: o}, started: time.Now().UTC()}
	var err error
	if e.kept, err = load(ctx, o.Ledger.Store()); err != nil {
		return nil, err
	}
	var unread map[string]string
	if e.builtin, unread, err = e.read(o.Builtin, Builtin); err != nil {
		return nil, err
	}
	for name, why := range unread {
		return nil, fmt.Errorf("rule %s: %s", name, why)
	}
	return e, e.Reload()
}

// Reload reads the operator's folder again and puts it in force.
func (e *Engine) Reload() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	folder, unread := []*rule(nil), map[string]string(nil)
	if e.opt.Folder != nil {
		var err error
		if folder, unread, err = e.read(e.opt.Folder, Operator); err != nil {
			return err
		}
	}
	e.folder, e.unread = folder, unread
	p, all, broken, err := e.build()
	if err != nil {
		return err
	}
	e.all, e.broken = all, broken
	e.plan.Store(p)
	return nil
}

// read reads the rule files of a file system; unread says which could not be
// read and why.
func (e *Engine) read(dir fs.FS, source string) (rules []*rule, unread map[string]string, err error) {
	entries, err := fs.ReadDir(dir, ".")
	if errors.Is(err, fs.ErrNotExist) && source == Operator {
		return nil, nil, nil // a folder that is not there yet has no rules
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read rules: %w", err)
	}
	unread = make(map[string]string)
	for _, f := range entries {
		ext := path.Ext(f.Name())
		if f.IsDir() || ext != ".yml" && ext != ".yaml" {
			continue
		}
		name := strings.TrimSuffix(f.Name(), ext)
		list, err := e.readFile(dir, f, name, source)
		if err != nil {
			unread[name] = err.Error()
			continue
		}
		rules = append(rules, list...)
	}
	return rules, unread, nil
}

func (e *Engine) readFile(dir fs.FS, f fs.DirEntry, name, source string) ([]*rule, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if info, err := f.Info(); err != nil || info.Size() > MaxRuleBytes {
		return nil, fmt.Errorf("the file cannot be looked at or has more than %d bytes", MaxRuleBytes)
	}
	text, err := fs.ReadFile(dir, f.Name())
	if err != nil {
		return nil, fmt.Errorf("read rule: %w", err)
	}
	rules, err := e.parse(name, text, source)
	if err != nil {
		return nil, err
	}
	_, err = e.compile(&names{}, rules)
	return rules, err
}

// build makes a plan of all that is known. The caller holds mu.
func (e *Engine) build() (p *plan, all []*Info, broken map[string]string, err error) {
	p = &plan{rules: make(map[*sigma.Rule]*ruleInfo), byID: make(map[string]*Info)}
	broken = make(map[string]string)
	var byKind [event.Kinds][]*rule
	add := func(r *rule) {
		if why := e.list(p, &all, r.info); why != "" {
			broken[r.info.ID] = why
			return
		}
		if !e.kept.settings[r.info.ID].Disabled {
			byKind[r.kind] = append(byKind[r.kind], r)
		}
	}
	for _, s := range e.opt.Stateful {
		info := s.Info()
		if why := e.list(p, &all, info); why != "" {
			return nil, nil, nil, fmt.Errorf("detection %s: %s", info.ID, why)
		}
		e.activate(p, s, info)
	}
	for _, r := range e.builtin {
		add(r)
	}
	for _, r := range e.folder {
		add(r)
	}
	for _, name := range slices.Sorted(maps.Keys(e.kept.rules)) {
		rules, err := e.parse(name, []byte(e.kept.rules[name]), Operator)
		if err != nil { // it was good when it was put: a newer version refuses it
			rules = []*rule{{info: &Info{ID: name, Source: Operator, Text: e.kept.rules[name]}}}
			broken[name] = err.Error()
			all = append(all, rules[0].info)
			continue
		}
		add(rules[0])
	}
	for name, why := range e.unread {
		all = append(all, &Info{ID: name, Source: Operator})
		broken[name] = why
	}
	for k, rules := range byKind {
		if len(rules) == 0 {
			continue
		}
		if p.sets[k], err = e.compile(&p.names, rules); err != nil {
			return nil, nil, nil, err
		}
		for _, r := range rules {
			fold, err := folds(&p.names, r)
			if err != nil {
				return nil, nil, nil, err
			}
			p.rules[r.Rule] = &ruleInfo{info: r.info, fold: fold}
		}
	}
	slices.SortFunc(all, func(a, b *Info) int { return strings.Compare(a.ID, b.ID) })
	return p, all, broken, nil
}

// list adds a detection to the catalogue; it returns why it cannot be there.
func (e *Engine) list(p *plan, all *[]*Info, info *Info) string {
	if _, ok := p.byID[info.ID]; ok {
		return "another detection has the same name; rename the file or the rule"
	}
	p.byID[info.ID] = info
	*all = append(*all, info)
	return ""
}

// activate puts a stateful detection in force with its values.
func (e *Engine) activate(p *plan, s Stateful, info *Info) {
	if e.kept.settings[info.ID].Disabled {
		return
	}
	values := make(map[string]int64)
	for _, param := range info.Parameters {
		values[param.Name] = e.value(info, param.Name)
	}
	a := &active{Stateful: s, info: info, values: func(name string) int64 { return values[name] }}
	for _, k := range s.Kinds() {
		p.stateful[k] = append(p.stateful[k], a)
	}
	if _, ok := s.(Timed); ok {
		p.timed = append(p.timed, a)
	}
}

// compile makes one set of rules.
func (e *Engine) compile(n *names, rules []*rule) (*sigma.Set, error) {
	plain := make([]*sigma.Rule, len(rules))
	for i, r := range rules {
		plain[i] = r.Rule
		if _, err := folds(n, r); err != nil {
			return nil, err
		}
	}
	return sigma.Compile(plain, sigma.Options{Resolve: n.resolve, List: e.opt.List, Keywords: keywords(), Fields: fieldNames()})
}

// folds resolves the fields that a rule folds by.
func folds(n *names, r *rule) (ids []int, err error) {
	for _, field := range r.fold {
		id, ok := n.resolve(field)
		if !ok {
			return nil, refuse(r.Custom, "tvilling.fold", fmt.Sprintf("No event has the field %q.", field))
		}
		ids = append(ids, id)
	}
	return ids, nil
}
