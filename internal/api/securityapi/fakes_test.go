package securityapi_test

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/securityapi"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/fleet"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/sigma"
	"github.com/tvilling/tvilling/internal/security/timeline"
)

// events is an event store in memory.
type events struct {
	mu      sync.Mutex
	list    []*event.Record
	letters []*event.DeadLetter
	changed chan struct{}
	// damage, if set, is yielded before the record at a place.
	damage map[int]error
}

// add stores an event of a device and returns its record.
func (s *events) add(device, name, payload string) *event.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.list) + 1
	now := time.Now().UTC()
	r := &event.Record{
		From:     tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.SecurityModule},
		Position: event.Position{Sequence: uint64(n)}, Received: now, AgentID: "5a4b8c1e-7d2f-4c3a-9b6e-0f1d2c3b4a59", AgentVersion: "1.0.0",
		Event: event.Event{
			ID: fmt.Sprintf("00000000-0000-0000-0000-%012d", n), Kind: event.KindOf(name), Name: name, Type: event.Security, Category: event.Triggered,
			Time: now, Stated: now, Local: "2000-01-01T01:00:00+01:00", Payload: []byte(payload), Empty: payload == "",
		},
	}
	s.list = append(s.list, r)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return r
}

func (s *events) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

func (s *events) Events(ctx context.Context, q event.Query) iter.Seq2[*event.Record, error] {
	return func(yield func(*event.Record, error) bool) {
		s.mu.Lock()
		list := slices.Clone(s.list)
		s.mu.Unlock()
		if q.Descending {
			slices.Reverse(list)
		}
		for _, r := range list {
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if err := s.damage[int(r.Position.Sequence)]; err != nil {
				if !yield(nil, err) || tvilling.CodeOf(err) != tvilling.Corrupt {
					return
				}
				continue
			}
			if takes(q, r) && !yield(r, nil) {
				return
			}
		}
	}
}

func takes(q event.Query, r *event.Record) bool {
	after := r.Position.Compare(q.After)
	if q.Descending {
		after = -after
	}
	return (q.After == (event.Position{}) || after > 0) &&
		(q.Device == "" || q.Device == r.From.Device) && (len(q.Names) == 0 || slices.Contains(q.Names, r.Event.Name)) &&
		(q.Type == "" || q.Type == r.Event.Type) &&
		(q.From.IsZero() || !r.Event.Time.Before(q.From)) && (q.To.IsZero() || r.Event.Time.Before(q.To))
}

func (s *events) DeadLetters(_ context.Context, d tvilling.DeviceID, before event.Position) iter.Seq2[*event.DeadLetter, error] {
	return func(yield func(*event.DeadLetter, error) bool) {
		for _, l := range slices.Backward(s.letters) {
			at := event.Position{Sequence: l.Sequence, Index: l.Index}
			if d != "" && l.From.Device != d || before != (event.Position{}) && at.Compare(before) >= 0 {
				continue
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

func minerInfo() *detect.Info {
	return &detect.Info{
		ID: "crypto-miner", Type: "IoT_CryptoMiner", Title: "Crypto miner", Description: "A program that mines coins ran.",
		Severity: ledger.High, Version: "2026-01-01+0a1b2c3d", Source: detect.Builtin, Techniques: []string{"T1496"}, Tactics: []string{"impact"},
		Remediation: []string{"Stop the program."}, Text: "title: Crypto miner\n",
	}
}

// detections has one rule and one detection with a threshold, and keeps the
// texts that are put.
type detections struct {
	disabled map[string]bool
	values   map[string]int64
	rules    map[string]string
	// engine tries rules.
	engine *detect.Engine
}

func newDetections() *detections {
	return &detections{disabled: map[string]bool{}, values: map[string]int64{}, rules: map[string]string{}}
}

func (s *detections) List() []detect.View {
	silent := &detect.Info{
		ID: "device-silent", Type: "IoT_DeviceSilent", Title: "Device silent", Severity: ledger.Low, Version: "1", Source: detect.Builtin,
		Parameters: []detect.Parameter{{Name: "after", Description: "How long.", Unit: "seconds", Default: 3600, Min: 60, Max: 86400}},
	}
	list := []detect.View{
		{Info: minerInfo(), Enabled: !s.disabled["crypto-miner"], Findings: 3},
		{Info: silent, Enabled: !s.disabled["device-silent"], Values: map[string]int64{"after": cmp.Or(s.values["after"], 3600)}},
	}
	for _, name := range slices.Sorted(maps.Keys(s.rules)) {
		list = append(list, detect.View{Info: &detect.Info{ID: name, Type: "IoT_" + name, Title: "Own", Source: detect.Operator, Text: s.rules[name]}, Enabled: true})
	}
	return list
}

func (s *detections) Get(id string) (detect.View, error) {
	for _, v := range s.List() {
		if v.ID == id {
			return v, nil
		}
	}
	return detect.View{}, tvilling.Errorf(tvilling.NotFound, "There is no detection %q.", id)
}

func (s *detections) Configure(_ context.Context, id string, enabled *bool, parameters map[string]int64, _ string) (detect.View, error) {
	if _, err := s.Get(id); err != nil {
		return detect.View{}, err
	}
	if enabled != nil {
		s.disabled[id] = !*enabled
	}
	for name, v := range parameters {
		if name != "after" {
			return detect.View{}, &tvilling.Error{Code: tvilling.InvalidArgument, Path: "parameters." + name, Message: "There is no such parameter."}
		}
		s.values[name] = v
	}
	return s.Get(id)
}

func (s *detections) Check(text string) (*detect.Info, error) {
	switch {
	case strings.HasPrefix(text, "title:"):
		return &detect.Info{ID: "checked-rule", Type: "IoT_checked-rule", Title: "Own", Severity: ledger.Medium, Source: detect.Operator, Text: text}, nil
	case strings.HasPrefix(text, "<"):
		list := sigma.Problems{{Code: tvilling.InvalidArgument, Line: 2, Path: "detection", Message: "It is <missing>."}, {Code: tvilling.InvalidArgument, Line: 3, Message: "Second."}}
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Path: "line 2, detection", Message: "It is <missing>. (and 1 more)", Err: list}
	case strings.HasPrefix(text, "broken"):
		return nil, errBroken
	default:
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Path: "line 7", Message: "It is no YAML."}
	}
}

// Trial is a real one.
func (s *detections) Trial(text string) (*detect.Trial, error) { return s.engine.Trial(text) }

func (s *detections) Rule(name string) (string, error) {
	text, ok := s.rules[name]
	if !ok {
		return "", tvilling.Errorf(tvilling.NotFound, "There is no rule %q.", name)
	}
	return text, nil
}

func (s *detections) PutRule(_ context.Context, name, text, _ string) (detect.View, error) {
	if _, err := s.Check(text); err != nil {
		return detect.View{}, err
	}
	s.rules[name] = text
	return s.Get(name)
}

func (s *detections) DeleteRule(_ context.Context, name, _ string) error {
	if _, err := s.Rule(name); err != nil {
		return err
	}
	delete(s.rules, name)
	return nil
}

type devices struct{}

func (*devices) Report(_ context.Context, d tvilling.DeviceID) (*securityapi.DeviceReport, error) {
	if d != "d1" {
		return nil, tvilling.Errorf(tvilling.DeviceNotFound, "Device %s not registered", d)
	}
	return &securityapi.DeviceReport{
		Device: d, State: "atRisk", Score: new(80), Parts: []securityapi.ScorePart{{Name: "alerts", Points: -20, Why: "1 open alert of high severity"}, {Name: "agent"}}, Why: []string{"1 high alert is open."},
		Alerts: map[string]int64{"high": 1}, Recommendations: map[string]int64{},
		Agent: securityapi.Agent{ID: "5a4b8c1e-7d2f-4c3a-9b6e-0f1d2c3b4a59", Version: "1.0.0", LastSeen: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)},
		Configuration: securityapi.Configuration{Sync: "differs", Differences: []agentconfig.Difference{{
			Property: "maxMessageSizeInBytes", Desired: "262144", Reported: `"<b>"`, Why: "The agent has not taken it.",
		}}},
	}, nil
}

// Page is one entry that says what was asked for.
func (*devices) Page(_ context.Context, d tvilling.DeviceID, q timeline.Query) (*timeline.Page, error) {
	return &timeline.Page{Entries: []timeline.Entry{{Time: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), Kind: timeline.Identity, Title: fmt.Sprintf("%s %v %q %d", d, q.Kinds, q.Before, q.Limit)}}}, nil
}

func (*devices) Figures(context.Context) (*fleet.Figures, error) {
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	return &fleet.Figures{
		At: at, Registered: new(int64(3)), States: map[string]int64{"healthy": 2, "atRisk": 1},
		Score:    &fleet.Score{Value: 97.5, Devices: 3, Alerts: -2.5},
		TopTypes: []fleet.Type{{Type: "IoT_CryptoMiner", Title: "Crypto miner", Severity: "high", Count: 1, Devices: 1}}, TopRecommendations: []fleet.Type{},
		Alerts: map[string]int64{"high": 1}, Affected: &fleet.Affected{All: 1, Devices: []fleet.Device{{Device: "d<1>", State: "atRisk", Score: 80, Alerts: map[string]int64{}}}},
		Agents:  &fleet.Agents{InSync: 3, Versions: []fleet.Version{{Version: "1.0.0", Count: 3}}},
		Traffic: &fleet.Traffic{Refused: map[string]int64{"unauthorized": 2}, RefusedSince: at, Shed: map[string]int64{}, ConnectedLine: []float64{math.NaN()}},
		Raised:  []fleet.Hour{{Hour: at, High: 1}}, Since: at, Trend: []fleet.Point{{Hour: at, Healthy: 2}},
		Problems: []fleet.Problem{{Part: "recommendations", Code: "Unavailable", Message: "The disk is full."}},
	}, nil
}

type sinks struct{ replayed []string }

func (*sinks) Status(context.Context) ([]securityapi.Sink, error) {
	return []securityapi.Sink{{Name: "siem", Kind: "syslog", Cursor: 1, Behind: 1, Sent: 1, Failed: 2, PassedOver: 3, Missed: 4, LastError: "The connection was <refused>.", Next: time.Date(2000, 1, 1, 0, 5, 0, 0, time.UTC)}}, nil
}

func (s *sinks) Test(_ context.Context, name, actor string) (securityapi.TestOutcome, error) {
	if name != "siem" {
		return securityapi.TestOutcome{}, tvilling.Errorf(tvilling.NotFound, "There is no sink %q.", name)
	}
	return securityapi.TestOutcome{Error: "refused, for " + actor, Took: 5 * time.Millisecond}, nil
}

func (s *sinks) Replay(_ context.Context, name string, after uint64, actor string) error {
	if name != "siem" {
		return tvilling.Errorf(tvilling.NotFound, "There is no sink %q.", name)
	}
	s.replayed = append(s.replayed, fmt.Sprintf("%s after %d by %s", name, after, actor))
	return nil
}
