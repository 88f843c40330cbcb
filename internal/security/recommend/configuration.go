package recommend

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	// maxDetails bounds the facts of a difference that are told, in bytes.
	maxDetails = 3 << 10
	// maxProblems bounds the properties that agents may complain of.
	maxProblems = 32
	// maxMessage bounds what an agent says of one.
	maxMessage = 512
)

// mismatch are the facts of [ConfigurationMismatch].
type mismatch struct {
	Differences []agentconfig.Difference `json:"differences"`
	// More is how many there are besides.
	More int `json:"more,omitempty"`
}

// Configuration is told the desired and reported properties of a device's
// security module, as JSON objects; nil both if it has no such module.
func (a *Assessor) Configuration(tx *ledger.Tx, device tvilling.DeviceID, desired, reported []byte) error {
	d, err := tx.Device(device)
	if err != nil {
		return err
	}
	if desired == nil && reported == nil {
		return a.noModule(tx, d)
	}
	want, _ := agentconfig.Reported(desired)
	got, _ := agentconfig.Reported(reported)
	mem := recall(d)
	changed, asked := mem.note(want, got, tx.Now())
	var differences []agentconfig.Difference
	sync := noReport
	if got != nil {
		if differences = agentconfig.Compare(want, got); len(differences) > 0 {
			sync = differs
		} else {
			sync = inSync
		}
	}
	if changed {
		mem.keep(tx, d)
	}
	if asked {
		if err := a.withdraw(tx, d, AgentSendsUnutilized); err != nil {
			return err
		}
	}
	if d.Sync != sync {
		d.Sync, d.Posture = sync, true
		tx.PutDevice(d)
	}
	if err := a.compare(tx, d, &mem, differences); err != nil {
		return err
	}
	return a.check(tx, d, want, got, asked)
}

// note remembers digests of both objects. It reports whether anything changed,
// and whether something else is asked of the agent.
func (m *memory) note(want, got []byte, now time.Time) (changed, asked bool) {
	desired, reported := digest(want), digest(got)
	if m.known && desired == m.desired && reported == m.reported {
		return false, false
	}
	if asked = m.known && desired != m.desired; asked {
		// What was counted was sent under another configuration.
		m.answered, m.days = false, nil
	}
	if !m.known || reported != m.reported {
		m.answered, m.changed = true, now.Unix()
	}
	m.known, m.desired, m.reported = true, desired, reported
	return true, asked
}

// withdraw takes a ready patch back that was made of an earlier configuration.
func (a *Assessor) withdraw(tx *ledger.Tx, d *ledger.Device, typ string) error {
	r, err := tx.Recommendation(d.ID, typ)
	if err != nil || r == nil || r.Patch == nil {
		return err
	}
	r.Module, r.Patch = "", nil
	return tx.PutRecommendation(r, updated, actor)
}

// compare recommends to look at differences: at once if the agent has reported
// since the change, else when it has had the time to.
func (a *Assessor) compare(tx *ledger.Tx, d *ledger.Device, mem *memory, differences []agentconfig.Difference) error {
	if len(differences) == 0 {
		forgetPending(tx, d)
		return a.resolve(tx, d.ID, ConfigurationMismatch)
	}
	r, err := tx.Recommendation(d.ID, ConfigurationMismatch)
	if err != nil {
		return err
	}
	details := factsOf(differences)
	if mem.answered || r != nil && r.State == ledger.Active {
		forgetPending(tx, d)
		return a.activate(tx, d.ID, ConfigurationMismatch, advice{details: details})
	}
	b, err := json.Marshal(details)
	if err != nil {
		return err
	}
	if d.Memory == nil {
		d.Memory = make(map[string][]byte)
	}
	d.Memory[pendingName] = b
	if _, waiting := detect.WakeTime(d, partyCompare); !waiting {
		detect.SetWake(d, partyCompare, tx.Now().Add(a.opt.CompareGrace))
	}
	tx.PutDevice(d)
	return nil
}

// unanswered recommends to look at differences that an agent has had the time
// to mend.
func (a *Assessor) unanswered(tx *ledger.Tx, d *ledger.Device) error {
	b := d.Memory[pendingName]
	forgetPending(tx, d)
	if b == nil {
		return nil
	}
	return a.activate(tx, d.ID, ConfigurationMismatch, advice{details: json.RawMessage(b)})
}

func forgetPending(tx *ledger.Tx, d *ledger.Device) {
	if _, waiting := detect.WakeTime(d, partyCompare); waiting || d.Memory[pendingName] != nil {
		delete(d.Memory, pendingName)
		detect.SetWake(d, partyCompare, time.Time{})
		tx.PutDevice(d)
	}
}

// factsOf returns as many differences as there is room for.
func factsOf(all []agentconfig.Difference) mismatch {
	m := mismatch{Differences: all}
	for len(m.Differences) > 1 {
		if b, err := json.Marshal(m); err == nil && len(b) <= maxDetails {
			break
		}
		m.Differences = m.Differences[:len(m.Differences)-1]
		m.More = len(all) - len(m.Differences)
	}
	return m
}

// noModule ends what is said of a security module that is gone.
func (a *Assessor) noModule(tx *ledger.Tx, d *ledger.Device) error {
	forgetPending(tx, d)
	if mem := recall(d); mem.known {
		mem.known, mem.answered, mem.desired, mem.reported, mem.changed = false, false, 0, 0, 0
		mem.keep(tx, d)
	}
	if d.Sync != "" {
		d.Sync, d.Posture = "", true
		tx.PutDevice(d)
	}
	for _, typ := range []string{ConfigurationMismatch, ConfigurationNotOptimal, ConfigurationConflict} {
		if err := a.resolve(tx, d.ID, typ); err != nil {
			return err
		}
	}
	return nil
}

// problem is something unwise about a configuration.
type problem struct {
	Property string `json:"property"`
	Message  string `json:"message"`
	// SaidBy is "hub" for what the hub finds in the desired configuration,
	// "agent" for what only the agent says of the one that it has.
	SaidBy string `json:"saidBy"`
}

type problems struct {
	Problems []problem `json:"problems"`
}

const byHub, byAgent = "hub", "agent"

// check judges the desired configuration as agents do (asc §2.5). What an
// agent said stays until it reports a configuration of which it is not true;
// of an agent that reports none, until something else is asked of it.
func (a *Assessor) check(tx *ledger.Tx, d *ledger.Device, want, got []byte, asked bool) error {
	c, unusable := agentconfig.Effective(want)
	found := append(agentconfig.Check(c), unusable...)
	reported, _ := agentconfig.Effective(got)
	still := agentconfig.Check(reported)
	for _, typ := range []string{ConfigurationNotOptimal, ConfigurationConflict} {
		list := ofType(found, typ)
		said, err := a.said(tx, d.ID, typ)
		if err != nil {
			return err
		}
		for _, p := range said {
			if got == nil && !asked || slices.ContainsFunc(ofType(still, typ), func(s problem) bool { return s.Property == p.Property }) {
				list = append(list, p)
			}
		}
		with := advice{details: problems{unique(list)}}
		if with.whole, err = better(want, found, typ); err != nil {
			return err
		}
		if err := a.either(tx, d.ID, typ, len(list) > 0, with); err != nil {
			return err
		}
	}
	return nil
}

// ofType returns the problems that a recommendation is made of.
func ofType(all []agentconfig.Problem, typ string) []problem {
	var list []problem
	for _, p := range all {
		if typeOf(p.Kind) == typ {
			list = append(list, problem{p.Property, p.Message, byHub})
		}
	}
	return list
}

// typeOf returns the recommendation for a kind of problem, "" for one that is
// told otherwise: what cannot be read shows as a difference.
func typeOf(k agentconfig.ProblemKind) string {
	switch k {
	case agentconfig.NotOptimal, agentconfig.OutOfRange:
		return ConfigurationNotOptimal
	case agentconfig.Conflict:
		return ConfigurationConflict
	default:
		return ""
	}
}

// said returns what an agent said that is still held to be true.
func (a *Assessor) said(tx *ledger.Tx, device tvilling.DeviceID, typ string) ([]problem, error) {
	r, err := tx.Recommendation(device, typ)
	if err != nil || r == nil || r.State != ledger.Active {
		return nil, err
	}
	var p problems
	if err := json.Unmarshal(r.Details, &p); err != nil {
		return nil, nil //nolint:nilerr // facts of another form say nothing
	}
	return slices.DeleteFunc(p.Problems, func(p problem) bool { return p.SaidBy != byAgent }), nil
}

// unique keeps the first problem of each property, the hub's before an agent's.
func unique(list []problem) []problem {
	slices.SortStableFunc(list, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.Property, b.Property), cmp.Compare(b.SaidBy, a.SaidBy))
	})
	list = slices.CompactFunc(list, func(a, b problem) bool { return a.Property == b.Property })
	return list[:min(len(list), maxProblems)]
}

// better returns the whole configuration with the problems of a type mended,
// nil if the hub sees none or cannot.
func better(want []byte, found []agentconfig.Problem, typ string) ([]byte, error) {
	c, _ := agentconfig.Effective(want)
	change := make(map[string]any)
	mends := false
	for _, p := range found {
		if typeOf(p.Kind) != typ {
			continue
		}
		switch {
		case p.Kind == agentconfig.OutOfRange: // Whole has its default
			mends = true
		case p.Property == agentconfig.MaxMessageSizeInBytes:
			size, _ := c.Value(p.Property)
			change[p.Property] = max(size.Bytes()/block*block, 2*block)
		case p.Property == agentconfig.MaxLocalCacheSizeInBytes:
			change[p.Property] = nil // its default has room for the largest message
		case p.Property == agentconfig.HighPriorityMessageFrequency:
			low, _ := c.Value(agentconfig.LowPriorityMessageFrequency)
			change[p.Property] = low
		default:
			return nil, nil // a file that only the operator knows
		}
	}
	if len(change) == 0 && !mends {
		return nil, nil
	}
	return agentconfig.Whole(want, change)
}

// skew is how far the clocks of a device and the hub may be apart, in seconds,
// for an agent's word to be taken to follow its report.
const skew = 120

// block is the unit in which messages are counted.
const block = 4096

// configurationError judges what an agent says of the configuration that it
// has. An event without items says that it has nothing to say.
func (a *Assessor) configurationError(tx *ledger.Tx, d *ledger.Device, e *event.Event) error {
	if mem := recall(d); mem.known && e.Time.Unix() < mem.changed-skew {
		return nil // it speaks of a configuration that it has no more
	}
	for _, typ := range []string{ConfigurationNotOptimal, ConfigurationConflict} {
		said, err := a.said(tx, d.ID, typ)
		if err != nil {
			return err
		}
		list := said
		if e.Empty && len(e.Items) == 0 {
			list = nil
		}
		for _, it := range e.Items {
			c, ok := it.(*event.ConfigurationError)
			if !ok || c.ConfigurationName == "" || agentType(c.ErrorType) != typ {
				continue
			}
			list = slices.DeleteFunc(list, func(p problem) bool { return p.Property == cut(c.ConfigurationName, 128) })
			list = append(list, problem{cut(c.ConfigurationName, 128), cut(c.Message, maxMessage), byAgent})
		}
		if err := a.agentSays(tx, d, typ, list); err != nil {
			return err
		}
	}
	return nil
}

// agentSays puts what an agent says beside what the hub finds.
func (a *Assessor) agentSays(tx *ledger.Tx, d *ledger.Device, typ string, said []problem) error {
	r, err := tx.Recommendation(d.ID, typ)
	if err != nil {
		return err
	}
	var p problems
	var whole []byte
	if r != nil && r.State == ledger.Active {
		if err := json.Unmarshal(r.Details, &p); err != nil {
			p.Problems = nil
		}
		whole = wholeOf(r.Patch)
	}
	list := slices.DeleteFunc(p.Problems, func(p problem) bool { return p.SaidBy != byHub })
	list = unique(append(list, said...))
	return a.either(tx, d.ID, typ, len(list) > 0, advice{details: problems{list}, whole: whole})
}

// wholeOf returns the configuration that a ready patch sets.
func wholeOf(patch []byte) []byte {
	var p struct {
		Properties struct {
			Desired map[string]json.RawMessage `json:"desired"`
		} `json:"properties"`
	}
	if json.Unmarshal(patch, &p) != nil {
		return nil
	}
	return p.Properties.Desired[agentconfig.Object]
}

func agentType(errorType string) string {
	switch {
	case strings.EqualFold(errorType, string(agentconfig.NotOptimal)):
		return ConfigurationNotOptimal
	case strings.EqualFold(errorType, string(agentconfig.Conflict)):
		return ConfigurationConflict
	default:
		return ""
	}
}

// cut shortens a text that a device chose.
func cut(s string, bytes int) string {
	if len(s) <= bytes {
		return s
	}
	for bytes > 0 && s[bytes]&0xC0 == 0x80 { // not within a character
		bytes--
	}
	return s[:bytes] + "…"
}
