package securitymem

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

func among[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

func alertMatches(f *ledger.AlertFilter, a *ledger.Alert) bool {
	return (f.Device == "" || a.Device == f.Device) && (f.Type == "" || a.Type == f.Type) && (f.Owner == "" || a.Owner == f.Owner) &&
		among(f.Severity, a.Severity) && among(f.Status, a.Status) &&
		(f.From.IsZero() || !a.Last.Before(f.From)) && (f.To.IsZero() || a.Last.Before(f.To)) &&
		(f.RaisedFrom.IsZero() || !a.Created.Before(f.RaisedFrom)) && (f.RaisedTo.IsZero() || a.Created.Before(f.RaisedTo))
}

func checkAlertFilter(f *ledger.AlertFilter) error {
	for _, st := range f.Status {
		if !slices.Contains(statuses, st) {
			return tvilling.Errorf(tvilling.InvalidArgument, "There is no alert status %q.", st)
		}
	}
	return checkSeverities(f.Severity)
}

func checkSeverities(list []ledger.Severity) error {
	for _, s := range list {
		if s >= ledger.Severities {
			return tvilling.Errorf(tvilling.InvalidArgument, "There is no severity number %d.", s)
		}
	}
	return nil
}

// alertList returns the alerts of a filter in order.
func (s *Store) alertList(ctx context.Context, f *ledger.AlertFilter) ([]*ledger.Alert, error) {
	if err := checkAlertFilter(f); err != nil {
		return nil, err
	}
	return read(ctx, s, func() (list []*ledger.Alert) {
		for _, a := range s.alerts {
			if alertMatches(f, a) {
				list = append(list, a)
			}
		}
		slices.SortFunc(list, newestFirst)
		return list
	})
}

// Alerts yields alerts, newest Created first, ties in ascending order of ID.
func (s *Store) Alerts(ctx context.Context, f ledger.AlertFilter, after string) iter.Seq2[*ledger.Alert, error] {
	return func(yield func(*ledger.Alert, error) bool) {
		list, err := s.alertList(ctx, &f)
		if err != nil {
			yield(nil, err)
			return
		}
		var place *ledger.Alert
		if after != "" {
			if place, err = s.Alert(ctx, after); err == nil && place == nil {
				err = &tvilling.Error{
					Code: tvilling.InvalidArgument, Op: "list alerts", Path: "after",
					Message: "There is no such alert to go on after; begin at the start of the list.",
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
		for _, a := range list {
			if place != nil && newestFirst(a, place) <= 0 {
				continue
			}
			if !yield(a, nil) {
				return
			}
		}
	}
}

// CountAlerts counts alerts, and stops at most.
func (s *Store) CountAlerts(ctx context.Context, f ledger.AlertFilter, most int) (int, error) {
	list, err := s.alertList(ctx, &f)
	return min(len(list), most), err
}

// CountRecommendations counts recommendations, and stops at most.
func (s *Store) CountRecommendations(ctx context.Context, f ledger.RecommendationFilter, most int) (int, error) {
	n := 0
	for _, err := range s.Recommendations(ctx, f, "", "") {
		if err != nil {
			return 0, err
		}
		if n++; n >= most {
			break
		}
	}
	return min(n, most), nil
}

// AlertGroups counts alerts by columns, the most frequent first.
func (s *Store) AlertGroups(ctx context.Context, f ledger.AlertFilter, by []string) ([]ledger.Group, error) {
	list, err := s.alertList(ctx, &f)
	if err != nil {
		return nil, err
	}
	return groups(list, by, []string{"device", "type", "severity", "status", "day", "raisedHour"}, func(a *ledger.Alert, column string) string {
		switch column {
		case "device":
			return string(a.Device)
		case "type":
			return a.Type
		case "severity":
			return a.Severity.String()
		case "status":
			return string(a.Status)
		case "raisedHour":
			return a.Created.UTC().Truncate(time.Hour).Format(time.RFC3339)
		default:
			return a.Last.UTC().Format(time.DateOnly)
		}
	}, func(a *ledger.Alert) tvilling.DeviceID { return a.Device })
}

func groups[R any](list []R, by, known []string, value func(R, string) string, device func(R) tvilling.DeviceID) ([]ledger.Group, error) {
	for i, name := range by {
		if !slices.Contains(known, name) || slices.Contains(by[:i], name) {
			return nil, &tvilling.Error{
				Code: tvilling.InvalidArgument, Op: "summarise", Path: "by",
				Message: "Use each of " + strings.Join(known, ", ") + " once at most.",
			}
		}
	}
	type line struct {
		ledger.Group
		devices map[tvilling.DeviceID]bool
	}
	lines := make(map[string]*line)
	if len(by) == 0 {
		lines[""] = &line{Group: ledger.Group{Values: []string{}}, devices: make(map[tvilling.DeviceID]bool)}
	}
	for _, r := range list {
		values := make([]string, len(by))
		for i, column := range by {
			values[i] = value(r, column)
		}
		k := strings.Join(values, "\x00")
		l := lines[k]
		if l == nil {
			l = &line{Group: ledger.Group{Values: values}, devices: make(map[tvilling.DeviceID]bool)}
			lines[k] = l
		}
		l.Count++
		l.devices[device(r)] = true
	}
	out := make([]ledger.Group, 0, len(lines))
	for _, l := range lines {
		l.Devices = int64(len(l.devices))
		out = append(out, l.Group)
	}
	slices.SortFunc(out, func(x, y ledger.Group) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), slices.Compare(x.Values, y.Values))
	})
	return out, nil
}

// adviceList returns the recommendations of a filter in order.
func (s *Store) adviceList(ctx context.Context, f *ledger.RecommendationFilter) ([]*ledger.Recommendation, error) {
	if err := checkSeverities(f.Severity); err != nil {
		return nil, err
	}
	if f.State != "" && f.State != ledger.Active && f.State != ledger.Mended {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "There is no recommendation state %q.", f.State)
	}
	return read(ctx, s, func() []*ledger.Recommendation {
		return slices.SortedFunc(func(yield func(*ledger.Recommendation) bool) {
			for r := range maps.Values(s.advice) {
				if (f.Device == "" || r.Device == f.Device) && (f.Type == "" || r.Type == f.Type) && (f.State == "" || r.State == f.State) &&
					among(f.Severity, r.Severity) && !yield(r) {
					return
				}
			}
		}, func(x, y *ledger.Recommendation) int {
			return cmp.Or(strings.Compare(string(x.Device), string(y.Device)), strings.Compare(x.Type, y.Type))
		})
	})
}

// Recommendations yields in ascending order of device, then type.
func (s *Store) Recommendations(ctx context.Context, f ledger.RecommendationFilter, afterDevice tvilling.DeviceID, afterType string) iter.Seq2[*ledger.Recommendation, error] {
	return func(yield func(*ledger.Recommendation, error) bool) {
		list, err := s.adviceList(ctx, &f)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, r := range list {
			if r.Device < afterDevice || r.Device == afterDevice && r.Type <= afterType {
				continue
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// RecommendationGroups counts recommendations by columns, the most frequent
// first.
func (s *Store) RecommendationGroups(ctx context.Context, f ledger.RecommendationFilter, by []string) ([]ledger.Group, error) {
	list, err := s.adviceList(ctx, &f)
	if err != nil {
		return nil, err
	}
	return groups(list, by, []string{"device", "type", "severity", "state"}, func(r *ledger.Recommendation, column string) string {
		switch column {
		case "device":
			return string(r.Device)
		case "type":
			return r.Type
		case "severity":
			return r.Severity.String()
		default:
			return string(r.State)
		}
	}, func(r *ledger.Recommendation) tvilling.DeviceID { return r.Device })
}
