package settings

import (
	"encoding/json"
	"time"

	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/event"
)

// aggregated are the kinds that asc §3.7 aggregates, by the ends of their
// properties' names.
var aggregated = []event.Kind{event.ProcessCreateKind, event.ConnectionCreateKind, event.ProcessTerminateKind}

// readASC reads the configuration object.
func readASC(members map[string]json.RawMessage) (Settings, []Problem) {
	c, problems := agentconfig.Effective(members[agentconfig.Object])
	for i := range problems {
		if problems[i].Property == "" {
			problems[i].Property = agentconfig.Object
		}
	}
	problems = append(problems, agentconfig.Check(c)...)
	var s Settings
	for k := range s.Queue {
		s.Queue[k] = Off
		if name := agentconfig.PriorityOf(event.Kind(k)); name != "" {
			s.Queue[k] = classOf(text(&c, name))
		}
	}
	s.Interval[spool.High] = duration(&c, agentconfig.HighPriorityMessageFrequency)
	s.Interval[spool.Low] = duration(&c, agentconfig.LowPriorityMessageFrequency)
	s.Interval[spool.Medium] = s.Interval[spool.Low] // nothing is in that queue
	s.Snapshot = duration(&c, agentconfig.SnapshotFrequency)
	s.MaxCache = size(&c, agentconfig.MaxLocalCacheSizeInBytes)
	s.MaxMessage = size(&c, agentconfig.MaxMessageSizeInBytes)
	for _, k := range aggregated {
		if on, _ := c.Value("aggregationEnabled" + k.String()); on.Flag() {
			s.Aggregate[k] = duration(&c, "aggregationInterval"+k.String())
		}
	}
	enabled, _ := c.Value(agentconfig.BaselineCustomChecksEnabled)
	s.CustomPath, s.CustomHash = text(&c, agentconfig.BaselineCustomChecksFilePath), text(&c, agentconfig.BaselineCustomChecksFileHash)
	// Without a path or a hash there is a Conflict among the problems.
	s.CustomChecks = enabled.Flag() && s.CustomPath != "" && s.CustomHash != ""
	var object map[string]json.RawMessage
	// JSON writes what this reads.
	_ = json.Unmarshal(c.JSON(), &object)
	values := make(map[string]any, len(object))
	for name, raw := range object {
		values[name] = raw
	}
	s.reported = map[string]any{agentconfig.Object: values}
	return s, problems
}

func classOf(priority string) spool.Class {
	switch priority {
	case agentconfig.High:
		return spool.High
	case agentconfig.Low:
		return spool.Low
	default:
		return Off
	}
}

func text(c *agentconfig.Config, name string) string {
	v, _ := c.Value(name)
	return v.Text()
}

func size(c *agentconfig.Config, name string) int64 {
	v, _ := c.Value(name)
	return v.Bytes()
}

func duration(c *agentconfig.Config, name string) time.Duration {
	v, _ := c.Value(name)
	return v.Duration()
}
