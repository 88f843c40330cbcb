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
	// Groups come from the index much faster than means do, and points are whole:
	// the means are made of the groups.
	askStates   = compile("SELECT security.state AS state, security.score AS points, COUNT() AS n" + ofModule + " GROUP BY security.state, security.score")
	askAlerts   = compile(pointsOf("alerts"))
	askAdvice   = compile(pointsOf("recommendations"))
	askAgent    = compile(pointsOf("agent"))
	askSync     = compile("SELECT security.configuration AS sync, COUNT() AS n" + ofModule + " GROUP BY security.configuration")
	askVersions = compile(fmt.Sprintf("SELECT TOP %d security.agent.version AS version, COUNT() AS n%s AND is_string(security.agent.version) GROUP BY security.agent.version ORDER BY n DESC, security.agent.version", topVersions, ofModule))
	askVersion  = compile("SELECT COUNT() AS n" + ofModule + " AND is_string(security.agent.version)")
	askSilent   = compile("SELECT COUNT() AS n" + ofModule + " AND security.parts.agent < 0 AND is_defined(security.agent)")
	askNever    = compile("SELECT COUNT() AS n" + ofModule + " AND NOT is_defined(security.agent) AND (NOT is_defined(security.state) OR security.parts.agent < 0)")
	askAffected = compile(fmt.Sprintf("SELECT TOP %d deviceId, security.state AS state, security.score AS score, security.alerts AS alerts%s AND security.state IN ['unhealthy', 'atRisk'] ORDER BY security.score, deviceId", topDevices, ofModule))
	askOnline   = compile("SELECT COUNT() AS n FROM devices WHERE connectionState = 'Connected'")
)

// pointsOf asks how many of the known devices lose how many points to one side.
func pointsOf(side string) string {
	return "SELECT security.parts." + side + " AS points, COUNT() AS n" + ofModule +
		" AND security.state IN ['unhealthy', 'atRisk', 'healthy'] GROUP BY security.parts." + side
}

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

// grouped is how many devices have so many points, and a state.
type grouped struct {
	State  string
	Points float64
	N      int64
}

// states reads states and score.
func states(ctx context.Context, s Search) (map[string]int64, *Score, error) {
	rows, err := ask[grouped](ctx, s, askStates)
	if err != nil {
		return nil, nil, err
	}
	by := map[string]int64{"unhealthy": 0, "atRisk": 0, "healthy": 0, "unknown": 0}
	var known []grouped
	for _, r := range rows {
		if _, ok := by[r.State]; !ok || r.State == "unknown" {
			by["unknown"] += r.N // or nothing was concluded of it yet
			continue
		}
		by[r.State] += r.N
		known = append(known, r)
	}
	score := &Score{}
	if score.Value, score.Devices = mean(known); score.Devices == 0 {
		return by, nil, nil
	}
	for _, side := range []struct {
		q    *query.Query
		into *float64
	}{{askAlerts, &score.Alerts}, {askAdvice, &score.Recommendations}, {askAgent, &score.Agent}} {
		rows, err := ask[grouped](ctx, s, side.q)
		if err != nil {
			return nil, nil, err
		}
		*side.into, _ = mean(rows)
	}
	return by, score, nil
}

// mean returns the mean of the points, and of how many devices it is.
func mean(rows []grouped) (points float64, devices int64) {
	for _, r := range rows {
		points += float64(r.N) * r.Points
		devices += r.N
	}
	if devices == 0 {
		return 0, 0
	}
	return points / float64(devices), devices
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
