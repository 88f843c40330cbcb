package hubapi

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/configuration"
)

// appendConfiguration appends a configuration as IoT Hub sends it (wire §4.5),
// and behind that what is ours: rollout, paused, progress, metricErrors, notices, each
// absent where there is nothing to say.
func appendConfiguration(dst []byte, c *configuration.Configuration, f figures) []byte {
	dst = append(dst, `{"id":`...)
	dst = rest.AppendString(dst, c.ID)
	dst = append(dst, `,"schemaVersion":`...)
	dst = rest.AppendNullable(dst, c.SchemaVersion)
	dst = append(dst, `,"labels":`...)
	dst = appendTexts(dst, c.Labels)
	dst = append(dst, `,"content":`...)
	dst = append(dst, c.Content...)
	dst = append(dst, `,"targetCondition":`...)
	dst = rest.AppendString(dst, c.Target)
	dst = append(dst, `,"createdTimeUtc":`...)
	dst = rest.AppendTime(dst, c.Created)
	dst = append(dst, `,"lastUpdatedTimeUtc":`...)
	dst = rest.AppendTime(dst, c.Updated)
	dst = append(dst, `,"priority":`...)
	dst = strconv.AppendInt(dst, int64(c.Priority), 10)
	dst = append(dst, `,"systemMetrics":`...)
	dst = appendSystemMetrics(dst, c, f)
	dst = append(dst, `,"metrics":{"results":`...)
	dst = appendNumbers(dst, f.metrics.Custom)
	dst = append(dst, `,"queries":`...)
	dst = appendTexts(dst, c.Metrics)
	dst = append(dst, `},"etag":`...)
	dst = rest.AppendString(dst, string(c.ETag()))
	if c.Rollout != nil {
		dst = append(dst, `,"rollout":`...)
		dst = appendRollout(dst, c.Rollout)
	}
	if c.Paused {
		dst = append(dst, `,"paused":true`...)
	}
	if f.progress != nil {
		dst = append(dst, `,"progress":`...)
		dst = append(appendProgress(dst, *f.progress), '}')
	}
	if failed := f.metricErrors(); len(failed) > 0 {
		dst = append(dst, `,"metricErrors":`...)
		dst = appendTexts(dst, failed)
	}
	return append(appendNotices(dst, f.notices), '}')
}

// appendNotices appends what the author of a configuration should know, if
// there is anything.
func appendNotices(dst []byte, list []configuration.Notice) []byte {
	for i, n := range list {
		if i == 0 {
			dst = append(dst, `,"notices":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"path":`...)
		dst = rest.AppendString(dst, n.Path)
		if n.Configuration != "" {
			dst = append(dst, `,"configuration":`...)
			dst = rest.AppendString(dst, n.Configuration)
			dst = append(dst, `,"yields":`...)
			dst = rest.AppendBool(dst, n.Yields)
		}
		dst = append(dst, `,"message":`...)
		dst = append(rest.AppendString(dst, n.Message), '}')
	}
	if len(list) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// metricErrors says of each metric without a result why it has none.
func (f *figures) metricErrors() map[string]string {
	if f.failed == "" {
		return f.metrics.Failed
	}
	return map[string]string{"targetedCount": f.failed, "appliedCount": f.failed}
}

// appendSystemMetrics appends the two metrics that every configuration has,
// with the queries that count them. One that can find nothing has no query.
func appendSystemMetrics(dst []byte, c *configuration.Configuration, f figures) []byte {
	results := map[string]int64{"targetedCount": f.metrics.Targeted, "appliedCount": f.metrics.Applied}
	if f.failed != "" {
		results = nil
	}
	queries := map[string]string{"targetedCount": c.TargetedQuery(), "appliedCount": c.AppliedQuery()}
	maps.DeleteFunc(queries, func(_, text string) bool { return text == "" })
	dst = append(dst, `{"results":`...)
	dst = appendNumbers(dst, results)
	dst = append(dst, `,"queries":`...)
	return append(appendTexts(dst, queries), '}')
}

// appendRollout appends a rollout in the form in which it is taken.
func appendRollout(dst []byte, r *configuration.Rollout) []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic("hubapi: a rollout is JSON: " + err.Error()) // numbers and texts that were read from JSON
	}
	return append(dst, b...)
}

// appendProgress appends how far a configuration is, without the closing brace.
func appendProgress(dst []byte, p configuration.Progress) []byte {
	dst = append(dst, `{"id":`...)
	dst = rest.AppendString(dst, p.ID)
	dst = append(dst, `,"state":`...)
	dst = rest.AppendString(dst, string(p.State))
	if p.Reason != "" {
		dst = append(dst, `,"reason":`...)
		dst = rest.AppendString(dst, p.Reason)
	}
	if p.Steps > 0 {
		dst = append(dst, `,"step":`...)
		dst = strconv.AppendInt(dst, int64(p.Step), 10)
		dst = append(dst, `,"steps":`...)
		dst = strconv.AppendInt(dst, int64(p.Steps), 10)
		if p.Reach >= 0 {
			dst = append(dst, `,"reach":`...)
			dst = strconv.AppendInt(dst, p.Reach, 10)
		}
	}
	if !p.Next.IsZero() {
		dst = append(dst, `,"nextStepTimeUtc":`...)
		dst = rest.AppendTime(dst, p.Next)
	}
	for _, n := range []struct {
		name string
		n    int64
	}{{"looked", p.Looked}, {"blocked", p.Blocked}, {"damped", p.Damped}, {"unhealthy", p.Unhealthy}, {"watched", p.Watched}} {
		dst = append(dst, `,"`+n.name+`":`...)
		dst = strconv.AppendInt(dst, n.n, 10)
	}
	dst = append(dst, `,"updatedTimeUtc":`...)
	return rest.AppendTime(dst, p.Updated)
}

// appendDryRun appends a page of what a configuration would do.
func appendDryRun(dst []byte, d *configuration.DryRun) []byte {
	dst = append(dst, `{"targeted":`...)
	dst = strconv.AppendInt(dst, d.Targeted, 10)
	dst = append(dst, `,"leaving":`...)
	dst = strconv.AppendInt(dst, d.Leaving, 10)
	dst = append(dst, `,"twins":[`...)
	for i, t := range d.Twins {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendIdentityOf(dst, t.ID)
		dst = append(dst, `,"targeted":`...)
		dst = rest.AppendBool(dst, t.Targeted)
		dst = appendStanding(dst, t.Status, t.Reason)
		dst = append(dst, `,"edits":[`...)
		for i, e := range t.Edits {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"path":`...)
			dst = rest.AppendString(dst, e.Path)
			dst = appendMember(dst, `,"old":`, e.Old)
			dst = appendMember(dst, `,"new":`, e.New)
			dst = append(dst, `,"by":`...)
			dst = append(rest.AppendString(dst, e.By), '}')
		}
		dst = append(dst, `]}`...)
	}
	dst = append(dst, ']')
	if d.Next != (tvilling.Identity{}) {
		dst = append(dst, `,"next":`...)
		dst = rest.AppendString(dst, d.Next.String())
	}
	return append(appendNotices(dst, d.Notices), '}')
}

// appendExplanation appends where the desired values of a twin come from.
func appendExplanation(dst []byte, e *configuration.Explanation) []byte {
	dst = appendIdentityOf(dst, e.ID)
	dst = append(dst, `,"desired":[`...)
	for i, l := range e.Leaves {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"path":`...)
		dst = rest.AppendString(dst, l.Path)
		if l.Value != nil {
			dst = appendMember(dst, `,"value":`, l.Value)
			dst = append(dst, `,"actor":`...)
			dst = rest.AppendString(dst, l.Actor)
			dst = append(dst, `,"time":`...)
			dst = rest.AppendTime(dst, l.Time)
			dst = appendPositive(dst, `,"version":`, l.Version)
		}
		dst = append(dst, `,"wishes":[`...)
		for i, w := range l.Wishes {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"configuration":`...)
			dst = rest.AppendString(dst, w.Configuration)
			dst = append(appendMember(dst, `,"value":`, w.Value), '}')
		}
		dst = append(dst, `]}`...)
	}
	dst = append(dst, `],"configurations":[`...)
	for i, p := range e.Configurations {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = rest.AppendString(dst, p.Configuration)
		dst = append(dst, `,"priority":`...)
		dst = strconv.AppendInt(dst, int64(p.Priority), 10)
		dst = append(dst, `,"targeted":`...)
		dst = rest.AppendBool(dst, p.Targeted)
		dst = append(appendStanding(dst, p.Status, p.Reason), '}')
	}
	return append(dst, `]}`...)
}

// appendIdentityOf begins an object with whose it is.
func appendIdentityOf(dst []byte, id tvilling.Identity) []byte {
	dst = append(dst, `{"deviceId":`...)
	dst = rest.AppendString(dst, string(id.Device))
	if id.IsModule() {
		dst = append(dst, `,"moduleId":`...)
		dst = rest.AppendString(dst, string(id.Module))
	}
	return dst
}

func appendStanding(dst []byte, status, reason string) []byte {
	if status != "" {
		dst = append(dst, `,"status":`...)
		dst = rest.AppendString(dst, status)
	}
	if reason != "" {
		dst = append(dst, `,"reason":`...)
		dst = rest.AppendString(dst, reason)
	}
	return dst
}

// appendMember appends a member whose value is JSON, if there is one.
func appendMember(dst []byte, name string, value []byte) []byte {
	if value == nil {
		return dst
	}
	return append(append(dst, name...), value...)
}

// appendTexts appends an object of texts, by name.
func appendTexts(dst []byte, texts map[string]string) []byte {
	return appendObject(dst, texts, rest.AppendString)
}

// appendNumbers appends an object of numbers, by name.
func appendNumbers(dst []byte, numbers map[string]int64) []byte {
	return appendObject(dst, numbers, func(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) })
}

func appendObject[V any](dst []byte, m map[string]V, value func([]byte, V) []byte) []byte {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(rest.AppendString(dst, name), ':')
		dst = value(dst, m[name])
	}
	return append(dst, '}')
}
