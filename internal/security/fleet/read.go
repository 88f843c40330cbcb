package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// How many lines the lists have.
const (
	topTypes    = 10
	topDevices  = 8
	topVersions = 5
)

// ofModule selects the security modules.
const ofModule = " FROM devices.modules WHERE moduleId = '" + string(tvilling.SecurityModule) + "'"

// The questions to the twins. Each condition but the first is also that of the
// list that a figure stands for; see [Conditions].
var (
	askStates = compile("SELECT security.state AS state, COUNT() AS n, AVG(security.score) AS score, AVG(security.parts.alerts) AS alerts, " +
		"AVG(security.parts.recommendations) AS recommendations, AVG(security.parts.agent) AS agent" + ofModule + " GROUP BY security.state")
	askSync     = compile("SELECT security.configuration AS sync, COUNT() AS n" + ofModule + " GROUP BY security.configuration")
	askVersions = compile(fmt.Sprintf("SELECT TOP %d security.agent.version AS version, COUNT() AS n%s AND is_string(security.agent.version) GROUP BY security.agent.version ORDER BY n DESC, security.agent.version", topVersions, ofModule))
	askVersion  = compile("SELECT COUNT() AS n" + ofModule + " AND is_string(security.agent.version)")
	askSilent   = compile("SELECT COUNT() AS n" + ofModule + " AND security.parts.agent < 0 AND is_defined(security.agent)")
	askNever    = compile("SELECT COUNT() AS n" + ofModule + " AND NOT is_defined(security.agent) AND (NOT is_defined(security.state) OR security.parts.agent < 0)")
	askAffected = compile(fmt.Sprintf("SELECT TOP %d deviceId, security.state AS state, security.score AS score, security.alerts AS alerts%s AND security.state IN ['unhealthy', 'atRisk'] ORDER BY security.score, deviceId", topDevices, ofModule))
	askOnline   = compile("SELECT COUNT() AS n FROM devices WHERE connectionState = 'Connected'")
)

// compile panics if a question is wrong: it is part of the program.
func compile(text string) *query.Query {
	q, err := query.Compile(text)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", text, err))
	}
	return q
}

// ask answers a question with its rows.
func ask[R any](ctx context.Context, s Search, q *query.Query) ([]R, error) {
	page, err := s.Run(ctx, q, query.Options{Damaged: func(error) {}})
	if err != nil {
		return nil, err
	}
	var rows []R
	if err := json.Unmarshal(page.Body, &rows); err != nil {
		return nil, fmt.Errorf("read the answer to a query: %w", err)
	}
	return rows, nil
}

type counted struct{ N int64 }

func askCount(ctx context.Context, s Search, q *query.Query) (int64, error) {
	rows, err := ask[counted](ctx, s, q)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return rows[0].N, nil
}

// states reads states and score.
func states(ctx context.Context, s Search) (map[string]int64, *Score, error) {
	rows, err := ask[struct {
		State                                 string
		N                                     int64
		Score, Alerts, Recommendations, Agent float64
	}](ctx, s, askStates)
	if err != nil {
		return nil, nil, err
	}
	by := map[string]int64{"unhealthy": 0, "atRisk": 0, "healthy": 0, "unknown": 0}
	var score Score
	for _, r := range rows {
		if _, ok := by[r.State]; !ok || r.State == "unknown" {
			// Nothing was concluded of it yet.
			by["unknown"] += r.N
			continue
		}
		by[r.State] += r.N
		score.Devices += r.N
		n := float64(r.N)
		score.Value += n * r.Score
		score.Alerts += n * r.Alerts
		score.Recommendations += n * r.Recommendations
		score.Agent += n * r.Agent
	}
	if score.Devices == 0 {
		return by, nil, nil
	}
	n := float64(score.Devices)
	score.Value /= n
	score.Alerts /= n
	score.Recommendations /= n
	score.Agent /= n
	return by, &score, nil
}

func affected(ctx context.Context, s Search, by map[string]int64) (*Affected, error) {
	rows, err := ask[struct {
		DeviceID tvilling.DeviceID `json:"deviceId"`
		State    string
		Score    int
		Alerts   map[string]int64
	}](ctx, s, askAffected)
	if err != nil {
		return nil, err
	}
	a := &Affected{All: by["unhealthy"] + by["atRisk"], Devices: []Device{}}
	for _, r := range rows {
		if r.Alerts == nil {
			r.Alerts = map[string]int64{}
		}
		a.Devices = append(a.Devices, Device{Device: r.DeviceID, State: r.State, Score: r.Score, Alerts: r.Alerts})
	}
	return a, nil
}

func agents(ctx context.Context, s Search) (*Agents, error) {
	a := &Agents{Versions: []Version{}}
	rows, err := ask[struct {
		Sync string
		N    int64
	}](ctx, s, askSync)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		switch r.Sync {
		case "inSync":
			a.InSync = r.N
		case "differs":
			a.Differs = r.N
		case "notReported":
			a.NotReported = r.N
		default:
			a.NotKnown += r.N
		}
	}
	versions, err := ask[struct {
		Version string
		N       int64
	}](ctx, s, askVersions)
	if err != nil {
		return nil, err
	}
	if a.Others, err = askCount(ctx, s, askVersion); err != nil {
		return nil, err
	}
	for _, v := range versions {
		a.Versions = append(a.Versions, Version{v.Version, v.N})
		a.Others -= v.N
	}
	a.Others = max(0, a.Others) // counted a moment later
	if a.Silent, err = askCount(ctx, s, askSilent); err != nil {
		return nil, err
	}
	a.Never, err = askCount(ctx, s, askNever)
	return a, err
}

// types folds counts by type and severity.
func types(groups []ledger.Group, title func(string) string) (bySeverity map[string]int64, list []Type, several []string) {
	bySeverity = make(map[string]int64, ledger.Severities)
	for s := range ledger.Severities {
		bySeverity[s.String()] = 0
	}
	byType := make(map[string]*Type)
	for _, g := range groups {
		typ, severity := g.Values[0], g.Values[1]
		bySeverity[severity] += g.Count
		t := byType[typ]
		if t == nil {
			byType[typ] = &Type{Type: typ, Title: title(typ), Severity: severity, Count: g.Count, Devices: g.Devices}
			continue
		}
		t.Count += g.Count
		several = append(several, typ)
		was, _ := ledger.ParseSeverity(t.Severity)
		if is, _ := ledger.ParseSeverity(severity); is > was {
			t.Severity = severity
		}
	}
	list = []Type{}
	for _, t := range byType {
		list = append(list, *t)
	}
	slices.SortFunc(list, func(a, b Type) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Type, b.Type)) })
	return bySeverity, list[:min(topTypes, len(list))], several
}

// alerts reads the open alerts.
func (s *Service) alerts(ctx context.Context) (map[string]int64, []Type, error) {
	store := s.opt.Ledger.Store()
	open := ledger.AlertFilter{Status: []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress}}
	groups, err := store.AlertGroups(ctx, open, []string{"type", "severity"})
	if err != nil {
		return nil, nil, err
	}
	by, list, several := types(groups, s.opt.AlertTitle)
	for i := range list {
		// A device may have the same type in two severities; it counts once.
		if slices.Contains(several, list[i].Type) {
			f := open
			f.Type = list[i].Type
			one, err := store.AlertGroups(ctx, f, nil)
			if err != nil {
				return nil, nil, err
			}
			list[i].Devices = one[0].Devices
		}
	}
	return by, list, nil
}

// recommendations reads the active recommendations.
func (s *Service) recommendations(ctx context.Context) (map[string]int64, []Type, error) {
	groups, err := s.opt.Ledger.Store().RecommendationGroups(ctx, ledger.RecommendationFilter{State: ledger.Active}, []string{"type", "severity"})
	if err != nil {
		return nil, nil, err
	}
	by, list, _ := types(groups, s.opt.RecommendationTitle)
	for i := range list {
		list[i].Devices = list[i].Count // there is one of a type for a device
	}
	return by, list, nil
}

// Conditions are the lists that the figures by state and by agent stand for: as
// conditions on devices with their modules, of which the security module is
// meant. Their names are those of the figures in JSON.
func Conditions() map[string]string { return maps.Clone(conditions) }

var conditions = map[string]string{
	"unhealthy":   "modules.security.state = 'unhealthy'",
	"atRisk":      "modules.security.state = 'atRisk'",
	"healthy":     "modules.security.state = 'healthy'",
	"unknown":     "(NOT is_defined(modules.security.state) OR modules.security.state = 'unknown')",
	"affected":    "modules.security.state IN ['unhealthy', 'atRisk']",
	"inSync":      "modules.security.configuration = 'inSync'",
	"differs":     "modules.security.configuration = 'differs'",
	"notReported": "modules.security.configuration = 'notReported'",
	"notKnown":    "NOT is_defined(modules.security.configuration)",
	"silent":      "modules.security.parts.agent < 0 AND is_defined(modules.security.agent)",
	"never":       "NOT is_defined(modules.security.agent) AND (NOT is_defined(modules.security.state) OR modules.security.parts.agent < 0)",
	"connected":   "connectionState = 'Connected'",
}
