package configurations

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// value is one thing that a configuration sets.
type value struct {
	// Path is where, JSON what; "" for nothing to be there.
	Path, JSON string
}

// maxValues bounds the values that are shown one by one.
const maxValues = 500

// values are the leaves of a content, in the order of their paths.
func values(content json.RawMessage) (list []value) {
	var kinds map[string]map[string]json.RawMessage
	if json.Unmarshal(content, &kinds) != nil {
		// It was checked when it was put; one that is damaged is told by its state.
		return nil
	}
	for _, byPath := range kinds {
		for path, raw := range byPath {
			list = leaves(list, path, raw)
		}
	}
	slices.SortFunc(list, func(a, b value) int { return strings.Compare(a.Path, b.Path) })
	return list[:min(len(list), maxValues)]
}

func leaves(list []value, path string, raw json.RawMessage) []value {
	raw = bytes.TrimSpace(raw)
	var object map[string]json.RawMessage
	if len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, &object) == nil && len(object) > 0 {
		for name, inner := range object {
			list = leaves(list, path+"."+name, inner)
		}
		return list
	}
	text := string(raw)
	if text == "null" {
		text = ""
	}
	return append(list, value{Path: path, JSON: text})
}

// agentPath is where the security agent's configuration stands.
const agentPath = "properties.desired." + agentconfig.Object

// isAgent reports whether all that a configuration sets is the security
// agent's configuration.
func isAgent(c *configuration.Configuration) bool {
	var kinds struct {
		Modules map[string]json.RawMessage `json:"moduleContent"`
	}
	if json.Unmarshal(c.Content, &kinds) != nil || len(kinds.Modules) != 1 {
		return false
	}
	_, ok := kinds.Modules[agentPath]
	return ok
}

// security is the condition that finds the security modules.
const security = "moduleId = '" + string(tvilling.SecurityModule) + "'"
