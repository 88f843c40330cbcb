package app

import (
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/securityapi"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/posture"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

// ruleBook tells the alert service what the detections are.
type ruleBook struct{ engine *detect.Engine }

// Rule returns a detection by its id.
func (b ruleBook) Rule(id string) (alert.Rule, bool) {
	i, ok := b.engine.Info(id)
	if !ok {
		return alert.Rule{}, false
	}
	return alert.Rule{
		ID: i.ID, Title: i.Title, Description: i.Description, Severity: i.Severity, Version: i.Version, Source: i.Source,
		Remediation: i.Remediation, FalsePositives: i.FalsePositives, Techniques: i.Techniques,
	}, true
}

// recommendationTypes are the kinds of recommendation for the API.
func recommendationTypes() (list []securityapi.RecommendationType) {
	for _, i := range recommend.Catalogue() {
		list = append(list, securityapi.RecommendationType{Type: i.Type, Title: i.Title, Description: i.Description, Severity: i.Severity, Fix: i.Fix, Source: i.Source})
	}
	return list
}

// devices reports on devices for the API.
type devices struct{ app *App }

// Report returns what the security plane knows of a device.
func (s devices) Report(ctx context.Context, id tvilling.DeviceID) (*securityapi.DeviceReport, error) {
	rec, err := s.app.store.Identity(ctx, tvilling.Device(id))
	if err != nil {
		return nil, err
	}
	if rec == nil {
		return nil, tvilling.Errorf(tvilling.DeviceNotFound, "There is no device %q.", id)
	}
	d, err := s.app.plane.store.Device(ctx, id)
	if err != nil {
		return nil, err
	}
	if d == nil {
		d = &ledger.Device{ID: id}
	}
	p := posture.Of(d, s.app.plane.posture.Input())
	r := &securityapi.DeviceReport{
		Device: id, State: string(p.State), Score: &p.Score, Why: p.Why(),
		Parts: []securityapi.ScorePart{
			{Name: "alerts", Points: p.Parts.Alerts}, {Name: "recommendations", Points: p.Parts.Recommendations}, {Name: "agent", Points: p.Parts.Agent},
		},
		Alerts: bySeverity(d.Alerts), Recommendations: bySeverity(d.Recommendations),
		Agent:         securityapi.Agent{ID: d.AgentID, Version: d.AgentVersion, LastSeen: d.LastSeen},
		Configuration: securityapi.Configuration{Sync: d.Sync, Differences: []agentconfig.Difference{}},
	}
	t, err := s.app.store.Twin(ctx, tvilling.Identity{Device: id, Module: tvilling.SecurityModule})
	if err != nil {
		return nil, err
	}
	if t != nil {
		desired, _ := agentconfig.Reported(t.Desired.AppendJSON(nil, doc.Form{}))
		reported, _ := agentconfig.Reported(t.Reported.AppendJSON(nil, doc.Form{}))
		r.Configuration.Differences = append(r.Configuration.Differences, agentconfig.Compare(desired, reported)...)
	}
	return r, nil
}

func bySeverity(n [ledger.Severities]int32) map[string]int64 {
	m := make(map[string]int64)
	for s := range ledger.Severities {
		m[s.String()] = int64(n[s])
	}
	return m
}

// sinks tells of sinks for the API.
type sinks struct{ app *App }

// Status returns how each is served.
func (s sinks) Status(context.Context) ([]securityapi.Sink, error) {
	list := make([]securityapi.Sink, 0, len(s.app.plane.sinks))
	for _, r := range s.app.plane.sinks {
		st := r.Status()
		list = append(list, securityapi.Sink{
			Name: st.Name, Kind: st.Kind, Cursor: st.Cursor, Behind: st.Lag, Sent: st.Sent, Failed: st.Failures, LastSent: st.LastSuccess, LastError: st.LastError,
			PassedOver: st.PassedOver, Missed: st.Missed, Next: st.Next,
		})
	}
	return list, nil
}

// Replay has a sink told again of what follows a sequence.
func (s sinks) Replay(ctx context.Context, name string, after uint64, actor string) error {
	for _, r := range s.app.plane.sinks {
		if r.Status().Name == name {
			s.app.log.InfoContext(ctx, "sink told again", "sink", name, "after", after, "actor", actor)
			return r.Replay(ctx, after)
		}
	}
	return tvilling.Errorf(tvilling.NotFound, "There is no sink %q; sinks are named in the configuration file.", name)
}

// Test sends a sink one entry that is marked as a test.
func (s sinks) Test(ctx context.Context, name, actor string) (securityapi.TestOutcome, error) {
	for _, r := range s.app.plane.sinks {
		if r.Status().Name == name {
			o, err := r.Test(ctx, actor)
			return securityapi.TestOutcome{Taken: o.Taken, Error: o.Error, Took: o.Took}, err
		}
	}
	return securityapi.TestOutcome{}, tvilling.Errorf(tvilling.NotFound, "There is no sink %q; sinks are named in the configuration file.", name)
}

var (
	_ securityapi.Sinks   = sinks{}
	_ securityapi.Devices = devices{}
	_ alert.Rules         = ruleBook{}
)
