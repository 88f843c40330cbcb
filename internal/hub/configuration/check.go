package configuration

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

const (
	// MaxConfigurations bounds the configurations of a hub (wire §4.5).
	MaxConfigurations = 100
	// MaxMetrics bounds the custom metrics of a configuration (wire §4.5).
	MaxMetrics = 5
	// MaxID is the longest id of a configuration (wire §4.5).
	MaxID = 128
	// maxLabels and maxText are our own: a definition is to stay small.
	maxLabels = 100
	maxText   = 1024
	// maxQuery is the longest text of a query (wire §7.1).
	maxQuery = 8192
)

// check refuses a definition that breaks a rule. It does not look at what is
// stored, and takes away the white space of the content.
func check(c *Configuration) error {
	if err := CheckID(c.ID); err != nil {
		return err
	}
	if c.Priority < 0 || c.Priority > math.MaxInt32 {
		return invalid("priority", "A priority is from 0 to %d.", math.MaxInt32)
	}
	if len(c.SchemaVersion) > maxText {
		return invalid("schemaVersion", "A schema version has at most %d bytes.", maxText)
	}
	if len(c.Labels) > maxLabels {
		return invalid("labels", "A configuration has at most %d labels.", maxLabels)
	}
	for name, value := range c.Labels {
		if len(name)+len(value) > maxText {
			return invalid("labels", "A label has at most %d bytes; %.40q has more.", maxText, name)
		}
	}
	kind, _, err := parseContent(c.Content)
	if err != nil {
		return err
	}
	if c.Content, err = compact(c.Content); err != nil {
		return err
	}
	if err := checkTarget(c, kind); err != nil {
		return withPath("targetCondition", err)
	}
	if err := checkMetrics(c.Metrics); err != nil {
		return err
	}
	if c.Rollout != nil && len(c.Rollout.Steps) > 0 {
		return c.Rollout.check(kind, c.ID)
	}
	return nil
}

// checkTarget refuses a target condition, also one that leaves no room in a
// query for what a pass asks besides it.
func checkTarget(c *Configuration, kind Kind) error {
	if _, err := compileTarget(kind, c.Target); err != nil {
		return err
	}
	_, err := passQueryOf(&compiled{Configuration: *c, kind: kind}, c.ID, &stage{Kind: kind, Pass: new(pass)})
	if err != nil {
		return tvilling.Errorf(tvilling.InvalidTargetCondition, "The target condition is too long, or nests too deep, for what is asked besides it: %s", tvilling.MessageOf(err))
	}
	return nil
}

// CheckID reports whether s may be the id of a configuration.
func CheckID(s string) error {
	if s == "" || len(s) > MaxID {
		return invalid("id", "The id of a configuration has 1 to %d characters; this one has %d.", MaxID, len(s))
	}
	for i, r := range s {
		if r <= ' ' || r > '~' || r >= 'A' && r <= 'Z' || strings.ContainsRune(`&^[]{}\|"<>/`, r) || r == '$' && i == 0 {
			return invalid("id", "The id of a configuration has no upper-case letters, no spaces, none of & ^ [ ] { } \\ | \" < > / and begins with no $; this one has %q.", r)
		}
	}
	return nil
}

func invalid(path, format string, args ...any) error {
	e := tvilling.Errorf(tvilling.InvalidArgument, format, args...)
	e.Path = path
	return e
}

func withPath(path string, err error) error {
	if e, ok := err.(*tvilling.Error); ok && e.Path == "" { //nolint:errorlint // it is ours
		out := *e
		out.Path = path
		return &out
	}
	return err
}

func checkMetrics(metrics map[string]string) error {
	if len(metrics) > MaxMetrics {
		e := tvilling.Errorf(tvilling.InvalidMetricsQuery, "A configuration has at most %d custom metrics; this one has %d.", MaxMetrics, len(metrics))
		e.Path = "metrics.queries"
		return e
	}
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		if err := checkMetric(metrics[name]); err != nil {
			e := tvilling.Errorf(tvilling.InvalidMetricsQuery, "%s", tvilling.MessageOf(err))
			e.Path = fmt.Sprintf("metrics.queries.%.64s", name)
			return e
		}
	}
	return nil
}

func checkMetric(text string) error {
	if len(text) > maxQuery {
		return invalid("", "A query has at most %d bytes; this one has %d.", maxQuery, len(text))
	}
	_, err := query.Compile(text)
	return err
}

// check refuses a rollout that breaks a rule.
func (r *Rollout) check(k Kind, id string) error {
	if len(r.Steps) > MaxSteps {
		return invalid("rollout.steps", "A rollout has at most %d steps; this one has %d.", MaxSteps, len(r.Steps))
	}
	var last Step
	for i, s := range r.Steps {
		path := fmt.Sprintf("rollout.steps[%d]", i)
		if err := s.check(path, true); err != nil {
			return err
		}
		if s.Percent > 0 && s.Percent <= last.Percent || s.Count > 0 && s.Count <= last.Count {
			return invalid(path, "A step goes further than the one before it.")
		}
		last.Percent, last.Count = max(last.Percent, s.Percent), max(last.Count, s.Count)
	}
	if r.Wait < 0 {
		return invalid("rollout.wait", "A wait is not negative.")
	}
	if err := r.Limit.check("rollout.limit", false); err != nil {
		return err
	}
	switch r.OnUnhealthy {
	case "", Halt, RollBack:
	default:
		return invalid("rollout.onUnhealthy", "What follows is %q or %q, not %.40q.", Halt, RollBack, r.OnUnhealthy)
	}
	if r.Unhealthy == "" {
		return nil
	}
	if len(r.Unhealthy) > maxQuery {
		return invalid("rollout.unhealthy", "A condition has at most %d bytes.", maxQuery)
	}
	// This is how it is asked: the condition may be too long for that.
	if _, err := find(k, mark(id, statusApplied), r.Unhealthy); err != nil {
		return invalid("rollout.unhealthy", "The health condition is not one: %s", tvilling.MessageOf(err))
	}
	return nil
}

func (s Share) check(path string, needed bool) error {
	switch {
	case s.Percent != 0 && s.Count != 0, needed && s.Percent == 0 && s.Count == 0:
		return invalid(path, "Either percent or count is given.")
	case s.Percent < 0 || s.Percent > 100 || math.IsNaN(s.Percent):
		return invalid(path, "A percentage is from 0 to 100.")
	case s.Count < 0:
		return invalid(path, "A count is not negative.")
	}
	return nil
}

// Test says what is wrong with a target condition, "" for nothing, and with
// each of the queries of custom metrics; what is right is not mentioned.
func (*Service) Test(target string, queries map[string]string) (targetError string, queryErrors map[string]string) {
	kind := Devices
	if first, _, _ := strings.Cut(strings.TrimSpace(target), " "); strings.EqualFold(first, "from") {
		kind = Modules
	}
	if _, err := compileTarget(kind, target); err != nil {
		targetError = tvilling.MessageOf(err)
	}
	queryErrors = make(map[string]string)
	for name, text := range queries {
		if err := checkMetric(text); err != nil {
			queryErrors[name] = tvilling.MessageOf(err)
		}
	}
	return targetError, queryErrors
}
