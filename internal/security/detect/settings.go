package detect

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// settingsValue and rulesValue are the ledger's names for what operators set.
const (
	settingsValue = "detections"
	rulesValue    = "rules"
)

// Limits of the operators' own rules.
const (
	MaxRules     = 2000
	MaxRuleBytes = 64 << 10
)

// Settings are what an operator set for one detection.
type Settings struct {
	Disabled bool `json:"disabled,omitempty"`
	// Parameters has the values that differ from the defaults.
	Parameters map[string]int64 `json:"parameters,omitempty"`
}

// kept is what operators set, as the ledger keeps it.
type kept struct {
	settings map[string]Settings
	rules    map[string]string // text by name
}

func load(ctx context.Context, store ledger.Store) (kept, error) {
	k := kept{settings: map[string]Settings{}, rules: map[string]string{}}
	for name, v := range map[string]any{settingsValue: &k.settings, rulesValue: &k.rules} {
		b, err := store.Value(ctx, name)
		if err != nil {
			return k, err
		}
		if b == nil {
			continue
		}
		if err := json.Unmarshal(b, v); err != nil {
			return k, &tvilling.Error{Code: tvilling.Corrupt, Op: "read settings", Subject: name, Err: err}
		}
	}
	return k, nil
}

// View is a detection as operators see it.
type View struct {
	*Info
	Enabled bool
	// Values has the parameters in force.
	Values map[string]int64
	// Error says why it is not in force though it is enabled; "" if it is.
	Error string
	// Findings counts what it has found since the start.
	Findings int64
}

// List returns all detections in order of their ids.
func (e *Engine) List() []View {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := make(map[string]int64)
	e.Hits(func(id string, n int64) { found[id] = n })
	var list []View
	for _, info := range e.all {
		v := View{Info: info, Enabled: !e.kept.settings[info.ID].Disabled, Error: e.broken[info.ID], Findings: found[info.ID]}
		if len(info.Parameters) > 0 {
			v.Values = make(map[string]int64)
			for _, p := range info.Parameters {
				v.Values[p.Name] = e.value(info, p.Name)
			}
		}
		list = append(list, v)
	}
	return list
}

// Get returns one detection.
func (e *Engine) Get(id string) (View, error) {
	for _, v := range e.List() {
		if v.ID == id {
			return v, nil
		}
	}
	return View{}, notFound(id)
}

func notFound(id string) error {
	return tvilling.Errorf(tvilling.NotFound, "There is no detection %q; the list of detections has all ids.", id)
}

// Info returns what a detection is, if it is in force.
func (e *Engine) Info(id string) (*Info, bool) {
	info, ok := e.plan.Load().byID[id]
	return info, ok
}

// value returns the value in force of a parameter. The caller holds mu.
func (e *Engine) value(info *Info, name string) int64 {
	if v, ok := e.kept.settings[info.ID].Parameters[name]; ok {
		return v
	}
	for _, p := range info.Parameters {
		if p.Name == name {
			return p.Default
		}
	}
	return 0
}

// Configure sets a detection on or off and some of its parameters; nil and
// absent ones stay. It is in force and durable when it returns.
func (e *Engine) Configure(ctx context.Context, id string, enabled *bool, parameters map[string]int64, actor string) (View, error) {
	v, err := e.Get(id)
	if err != nil {
		return View{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		i := slices.IndexFunc(v.Parameters, func(p Parameter) bool { return p.Name == name })
		if i < 0 {
			return View{}, badParameter(name, "The detection %s has no parameter %q.", id, name)
		}
		if p := v.Parameters[i]; parameters[name] < p.Min || parameters[name] > p.Max {
			return View{}, badParameter(name, "The parameter %s must be from %d to %d %s; %d was given.", name, p.Min, p.Max, p.Unit, parameters[name])
		}
	}
	err = e.change(ctx, settingsValue, func(k *kept) (any, error) {
		next := maps.Clone(k.settings)
		s := next[id]
		if enabled != nil {
			s.Disabled = !*enabled
		}
		if s.Parameters = maps.Clone(s.Parameters); s.Parameters == nil {
			s.Parameters = make(map[string]int64)
		}
		maps.Copy(s.Parameters, parameters)
		next[id] = s
		k.settings = next
		return next, nil
	})
	if err != nil {
		return View{}, err
	}
	e.opt.Logger.InfoContext(ctx, "detection configured", "detection", id, "actor", actor)
	return e.Get(id)
}

func badParameter(name, format string, args ...any) error {
	err := tvilling.Errorf(tvilling.InvalidArgument, format, args...)
	err.Path = "parameters." + name
	return err
}

// change has f change what is kept, checks that a plan can be made of it,
// makes it durable and then puts the plan in force.
func (e *Engine) change(ctx context.Context, name string, f func(*kept) (any, error)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := e.kept
	v, err := f(&next)
	if err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	before := e.kept
	e.kept = next
	p, all, broken, err := e.build()
	if err == nil {
		err = e.opt.Ledger.Do(ctx, func(tx *ledger.Tx) error {
			tx.SetValue(name, b)
			return nil
		})
	}
	if err != nil {
		e.kept = before
		return err
	}
	e.all, e.broken = all, broken
	e.plan.Store(p)
	return nil
}

// Rule returns the text of an operator's rule that was put by [Engine.PutRule].
func (e *Engine) Rule(name string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	text, ok := e.kept.rules[name]
	if !ok {
		return "", tvilling.Errorf(tvilling.NotFound, "There is no rule %q that was put here; rules of the hub and of its folder are detections.", name)
	}
	return text, nil
}

// PutRule checks the text of a Sigma rule and puts it in force under a name.
func (e *Engine) PutRule(ctx context.Context, name, text, actor string) (View, error) {
	if err := checkName(name); err != nil {
		return View{}, err
	}
	err := e.change(ctx, rulesValue, func(k *kept) (any, error) {
		if _, ok := k.rules[name]; !ok && e.taken(name) {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "A detection of the hub or its folder is called %q already; choose another name.", name)
		}
		if _, err := e.check(name, []byte(text)); err != nil {
			return nil, err
		}
		k.rules = maps.Clone(k.rules)
		k.rules[name] = text
		if len(k.rules) > MaxRules {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "There may be at most %d rules of operators.", MaxRules)
		}
		return k.rules, nil
	})
	if err != nil {
		return View{}, err
	}
	e.opt.Logger.InfoContext(ctx, "rule put", "detection", name, "actor", actor)
	return e.Get(name)
}

// DeleteRule removes an operator's rule.
func (e *Engine) DeleteRule(ctx context.Context, name, actor string) error {
	if _, err := e.Rule(name); err != nil {
		return err
	}
	err := e.change(ctx, rulesValue, func(k *kept) (any, error) {
		k.rules = maps.Clone(k.rules)
		delete(k.rules, name)
		return k.rules, nil
	})
	if err == nil {
		e.opt.Logger.InfoContext(ctx, "rule deleted", "detection", name, "actor", actor)
	}
	return err
}

// taken reports whether a detection of the hub or its folder has the id.
func (e *Engine) taken(id string) bool {
	return slices.ContainsFunc(e.all, func(i *Info) bool { return i.ID == id })
}

func checkName(name string) error {
	ok := name != "" && len(name) <= 64
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		err := tvilling.Errorf(tvilling.InvalidArgument, "A rule's name has 1 to 64 lower-case letters, digits or hyphens; %q has not.", name)
		err.Path = "name"
		return err
	}
	return nil
}

// Check reads the text of a Sigma rule as [Engine.PutRule] would, and changes nothing.
func (e *Engine) Check(text string) (*Info, error) { return e.check("checked-rule", []byte(text)) }

func (e *Engine) check(name string, text []byte) (*Info, error) {
	if len(text) > MaxRuleBytes {
		return nil, tvilling.Errorf(tvilling.TooLarge, "A rule may have at most %d bytes; this one has %d.", MaxRuleBytes, len(text))
	}
	rules, err := e.parse(name, text, Operator)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		if _, err := e.compile(&names{}, []*rule{r}); err != nil {
			return nil, err
		}
	}
	return rules[0].info, nil
}
